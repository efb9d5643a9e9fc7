"""`workbench check`: right or wrong, with no clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.options import (
    AXES,
    Device,
    Dtype,
    Json,
    Kernels,
    Operations,
    Passes,
    Profiles,
    Seed,
    Timeout,
    Variants,
    named,
    selection_of,
    words,
)
from workbench.declare import operation_key, variant_key
from workbench.problem import Problem, status_of

if TYPE_CHECKING:
    from workbench.store.run_folder import RunFolder
    from workbench.sweep.progress import Progress
    from workbench.sweep.selection import Selection

SETTINGS = AXES
SHOWN = 8
"""Simulated variants up to which counters are shown without being asked for."""


def command(
    operations: Operations = None,
    variants: Variants = "",
    pass_: Passes = "",
    dtype: Dtype = "",
    device: Device = "",
    error_growth: Annotated[
        bool, typer.Option("--error-growth", help="Record the error against size, one variant of each algorithm.")
    ] = False,
    seed: Seed = 0,
    counters: Annotated[
        bool | None,
        typer.Option(
            "--counters/--no-counters",
            help=f"Count what the machine code of simulated variants does; of at most {SHOWN} unless asked for.",
        ),
    ] = None,
    arch: Annotated[str, typer.Option(callback=named, help="Architectures to count machine code of.")] = "sm_90",
    timeout: Timeout = 120.0,
    name: Annotated[str, typer.Option(help="Name of the run that --error-growth records.")] = "",
    kernels: Kernels = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Compare every variant with the float64 reference: on the GPU, on the CPU, or simulated.

    Without axes each operation is checked at its small shape; --T 1000,4097 and the like choose others.
    """
    from workbench.catalog import load_catalog
    from workbench.cli.check_counters import plain, print_counters
    from workbench.cli.progress import ProgressBar
    from workbench.compile.archs import check_arch
    from workbench.sweep.checking import check_all
    from workbench.sweep.counting_checks import simulated_ones, with_counters
    from workbench.sweep.simulating import require_known_gpu

    archs = words(arch)
    for one in archs:
        check_arch(one)
        if counters is not False:
            require_known_gpu(one)
    selection = selection_of(
        operations,
        variants,
        pass_,
        dtype,
        kernels,
        timeout,
        preset="small",
        devices=words(device),
        seed=seed,
        archs=archs,
    )
    with ProgressBar() as progress:
        if error_growth:
            records = (folder := _grown(selection, profiles, name, progress)).records()
        else:
            records = check_all(selection, progress)
            few = len(simulated_ones(records)) <= SHOWN
            if counters if counters is not None else few:
                records = with_counters(records, selection, progress)
    if error_growth and not as_json:
        _print_growth(records)
        print(f"run: {folder.path}")
        return
    catalog = load_catalog(selection.folder)
    losses = {v.key: v.known_loss for v in catalog}
    rows: list[dict[str, Any]] = [
        {
            "operation": r.operation,
            "pass": r.pass_,
            "variant": r.variant,
            "shape": dict(r.shape),
            "backend": r.backend,
            "status": r.status.value,
            "relative_l2": r.error.relative_l2 if r.error else None,
            "bound": r.error.bound if r.error else None,
            "worst_at": r.error.where if r.error else None,
            "reason": r.reason,
            "counters": plain(r.simulated),
            "known_loss": losses.get(variant_key(r.operation, r.variant, r.pass_), ""),
        }
        for r in records
    ]
    if as_json:
        import json

        print(json.dumps(rows, indent=2))
    else:
        _print(rows)
        print_counters(records)
    if error_growth:
        return  # a family that loses its digits is what is looked for
    wrong = [row for row in rows if row["status"] not in ("ok", "unsupported") and not row["known_loss"]]
    failed = ""
    if wrong:
        names = ", ".join(dict.fromkeys(variant_key(row["operation"], row["variant"], row["pass"]) for row in wrong))
        failed = f"{len(wrong)} of {len(rows)} checks failed: {names}; the reasons stand below the table"
    catalog.complain(selection.operations, failed)


def _print(rows: list[dict[str, Any]]) -> None:
    from workbench.cli.terminal import Column, Row, print_table
    from workbench.views.shapes import shape_text

    names = (
        "operation",
        "variant",
        "shape",
        "how",
        "status",
        "relative L2 error",
        "tolerance",
        "where the error is largest",
    )
    columns = [Column(name, right=name in ("error", "tolerance")) for name in names]
    together: dict[tuple[str, str], list[str]] = {}
    """One reason may be that of many variants: of all those whose source does not compile."""
    for row in rows:
        together.setdefault((_operation(row), _why(row)), []).append(row["variant"])
    table = []
    for row in rows:
        why = _why(row)
        alike = together.pop((_operation(row), why), [])
        cells = (
            _operation(row),
            row["variant"],
            shape_text(row["shape"]),
            row["backend"],
            row["status"],
            "" if row["relative_l2"] is None else f"{row['relative_l2']:.1e}",
            "" if row["bound"] is None else f"{row['bound']:.0e}",
            "" if why else row["worst_at"] or "",
        )
        style = {"ok": "green", "unsupported": "dim"}.get(row["status"], "red")
        note = f"{', '.join(dict.fromkeys(alike))}: {why}" if why and alike else ""
        table.append(Row(cells, {4: style}, note))
    print_table("", columns, table)


def _operation(row: dict[str, Any]) -> str:
    return operation_key(row["operation"], row["pass"])


def _why(row: dict[str, Any]) -> str:
    return row["known_loss"] or row["reason"] or ""


def _grown(selection: Selection, profiles: Path, name: str, progress: Progress) -> RunFolder:
    """The finished run of errors over sizes."""
    from workbench.sweep.growth import start_growth
    from workbench.sweep.session import continue_run

    folder = start_growth(selection, profiles, name or None)
    try:
        continue_run(folder, progress)
    except KeyboardInterrupt as ended:
        raise Problem(f"interrupted; {folder.resume_command} goes on from here", exit_status=status_of(ended)) from None
    return folder


def _print_growth(records: list[Any]) -> None:
    """A row per variant, a column per size: relative L2 error, red where it is over the tolerance."""
    from workbench.cli.ladder_table import error_text
    from workbench.cli.terminal import Column, Row, print_table

    for operation in dict.fromkeys(operation_key(r.operation, r.pass_) for r in records):
        rows = [r for r in records if operation_key(r.operation, r.pass_) == operation]
        varying = [a for a in rows[0].shape if len({r.shape[a] for r in rows}) > 1]
        sizes = list(dict.fromkeys(tuple(r.shape[a] for a in varying) for r in rows))
        columns = [Column("variant"), *(Column(" ".join(str(s) for s in size), right=True) for size in sizes)]
        table = []
        for variant in dict.fromkeys(r.variant for r in rows):
            found = {tuple(r.shape[a] for a in varying): r for r in rows if r.variant == variant}
            own = [found.get(size) for size in sizes]
            cells = ["" if record is None else error_text(record) or record.status.value for record in own]
            wrong = {k: "red" for k, record in enumerate(own, start=1) if record and record.status.value != "ok"}
            table.append(Row((variant, *cells), wrong))
        print_table(f"{operation}: relative L2 error against {', '.join(varying)}", columns, table)
