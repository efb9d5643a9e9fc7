"""`workbench build`: the catalogue compiled side by side, and what the compiler made of it."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Json, Kernels, Operations, Variants, named, positive_number, words


def command(
    operations: Operations = None,
    variants: Variants = "",
    arch: Annotated[
        str, typer.Option(callback=named, help="sm_90, sm_89…, comma-separated; all: every one from sm_80 on.")
    ] = "sm_90",
    all_archs: Annotated[bool, typer.Option("--all-archs", help="The same as --arch all.")] = False,
    dtype: Annotated[
        str,
        typer.Option(
            callback=named, help="float32, bfloat16, comma-separated; those of the operations where none is given."
        ),
    ] = "",
    diff: Annotated[
        tuple[str, str] | None, typer.Option(help="Two variants side by side, as in scan/serial scan/blelloch.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=positive_number, metavar="N", help="Compilations at a time; as many as cores where not given."
        ),
    ] = None,
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """Compile kernels and show registers, shared memory, spills, occupancy and instructions. Needs no GPU."""
    from workbench.catalog import load_catalog
    from workbench.cli.build_table import BuildBar, print_difference, print_rows
    from workbench.compile.archs import parse_archs
    from workbench.compile.catalogue import build_catalogue

    catalog = load_catalog(kernels)
    archs, dtypes = parse_archs("all" if all_archs else arch), words(dtype)
    if diff is not None:
        chosen = [catalog.variant(_key(name, operations)) for name in diff]
        archs, dtypes = archs[:1], dtypes[:1]
    else:
        chosen = catalog.select(operations or (), words(variants))
    if not dtypes:
        known = [d for variant in chosen for d in catalog.operation_of(variant).dtypes]
        dtypes = tuple(dict.fromkeys(known))[: 1 if diff is not None else None]
    with BuildBar(silent=as_json) as bar:
        rows = build_catalogue(catalog, chosen, archs, dtypes, jobs, bar.finished, bar.start)
    if diff is not None:
        from workbench.compile.difference import difference

        sides = [[row for row in rows if row.variant == variant.key] for variant in chosen]
        found = difference(sides[0], sides[1])
        if as_json:
            _print_json(found.as_dict())
        else:
            print_difference(found)
        return
    if as_json:
        _print_json([row.as_dict() for row in rows])
    else:
        print_rows(rows, bar)
    failed = sum(row.status == "compile_error" for row in rows)
    why = f"{failed} of {len(rows)} kernels did not compile; the messages stand above" if failed else ""
    catalog.complain(operations or (), why)


def _key(name: str, operations: list[str] | None) -> str:
    """`serial` within the one operation named is `OPERATION/serial`."""
    from workbench.problem import Problem

    if "/" in name:
        return name
    if operations and len(operations) == 1:
        return f"{operations[0]}/{name}"
    raise Problem(f"--diff {name}: of which operation? write OPERATION/{name}", exit_status=2)


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2))
