"""`workbench list`: what exists, and whether it can run here."""

from __future__ import annotations

from typing import Any

from workbench.cli.options import Json, Kernels, Operations, Passes, words


def command(operations: Operations = None, pass_: Passes = "", kernels: Kernels = None, as_json: Json = False) -> None:
    """Operations and variants, their factors and tunables, and how each runs on this machine."""
    from workbench.catalog import load_catalog
    from workbench.declare import Shape, operation_key
    from workbench.declared import fault_of
    from workbench.execute.this_machine import backend_here

    catalog = load_catalog(kernels, operations or ())
    chosen = catalog.select(operations or (), passes=words(pass_))
    rows: list[dict[str, Any]] = []
    for variant in chosen:
        operation = catalog.operation_of(variant)
        usual = Shape.of(operation.dtypes[0], **operation.axes)
        fault = fault_of(variant, operation, usual)
        backend, why = (None, f"broken: {fault}") if fault else backend_here(variant)
        rows.append(
            {
                "operation": variant.operation,
                "pass": variant.pass_,
                "dependent_steps": None if fault else operation.depth(usual),
                "variant": variant.name,
                "idea": variant.idea,
                "factors": dict(variant.factors),
                "settings": {name: list(values) for name, values in variant.settings.items()},
                "devices": list(variant.devices),
                "backend_here": backend,
                "why": why,
            }
        )
    if as_json:
        import json

        print(json.dumps(rows, indent=2))
        catalog.complain(operations or ())
        return
    from workbench.cli.terminal import Column, print_table

    columns = [Column("variant"), Column("idea", breaks=True), Column("factors", breaks=True)]
    columns += [Column("tunables", breaks=True), Column("here", breaks=True)]
    for name in dict.fromkeys(v.operation_key for v in chosen):
        operation = catalog.operation(name)
        table, steps = [], 0
        for row in rows:
            if operation_key(row["operation"], row["pass"]) == name:
                steps = row["dependent_steps"] or steps
                factors = " ".join(f"{k}={v}" for k, v in row["factors"].items())
                settings = " ".join(f"{k}={','.join(map(str, v))}" for k, v in row["settings"].items())
                here = str(row["backend_here"] or row["why"])
                table.append((str(row["variant"]), str(row["idea"]), factors, settings, here))
        chain = f"   ({steps:,} dependent steps at its usual sizes)" if steps > 1 else ""
        print_table(f"{name}: {operation.title}   {operation.equation}{chain}", columns, table)
        print()
    catalog.complain(operations or ())
