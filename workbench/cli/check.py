"""`workbench check`: right or wrong, with no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.options import AXES, Device, Dtype, Json, Kernels, Operations, Variants, split_axes, words
from workbench.problem import Problem

SETTINGS = AXES


def command(
    operations: Operations = None,
    variants: Variants = "",
    dtype: Dtype = "",
    device: Device = "",
    error_growth: Annotated[
        bool, typer.Option("--error-growth", help="Error against size: the first axis named, or each operation's own.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that one variant may take to answer.")] = 120.0,
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """Compare every variant with the float64 reference: on the GPU, on the CPU, or executed under emulation.

    Without axes each operation is checked at its small shape; --T 1000,4097 and the like choose others.
    """
    from workbench.catalog import BUILTIN, load_catalog
    from workbench.cli.progress import BarWatch
    from workbench.sweep.checking import check_all
    from workbench.sweep.selection import Selection

    if timeout <= 0:
        raise Problem(f"--timeout {timeout:g}: seconds must be positive", exit_status=2)
    chosen, axes = split_axes(operations)
    selection = Selection(
        operations=chosen,
        variants=words(variants),
        axes=axes,
        dtypes=words(dtype),
        preset="small",
        kernels=str(kernels.resolve() if kernels else BUILTIN),
        devices=words(device),
        timeout_s=timeout,
    )
    with BarWatch() as watch:
        records = check_all(selection, watch)
    losses = {(v.operation, v.name): v.known_loss for v in load_catalog(Path(selection.kernels))}
    rows = [
        {
            "operation": r.operation,
            "variant": r.variant,
            "shape": dict(r.shape),
            "backend": r.backend,
            "status": r.status.value,
            "relative_l2": r.error.relative_l2 if r.error else None,
            "bound": r.error.bound if r.error else None,
            "worst_at": r.error.where if r.error else None,
            "reason": r.reason,
            "known_loss": losses.get((r.operation, r.variant), ""),
        }
        for r in records
    ]
    if as_json:
        import json

        print(json.dumps(rows, indent=2))
    else:
        _print(rows)
    wrong = [row for row in rows if row["status"] not in ("ok", "unsupported") and not row["known_loss"]]
    if wrong:
        names = ", ".join(dict.fromkeys(f"{row['operation']}/{row['variant']}" for row in wrong))
        raise Problem(f"{len(wrong)} of {len(rows)} checks failed: {names}; the reasons stand beside them")


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from workbench.cli.terminal import console

    table = Table(box=None, pad_edge=False)
    for column in ("operation", "variant", "shape", "how", "status", "relative L2", "bound"):
        table.add_column(column, no_wrap=True)
    table.add_column("where the error is largest, or why")
    for row in rows:
        shape = " ".join(f"{k}={v}" if isinstance(v, int) else str(v) for k, v in row["shape"].items() if k != "regime")
        style = {"ok": "green", "unsupported": "dim"}.get(row["status"], "red")
        table.add_row(
            row["operation"],
            row["variant"],
            shape,
            row["backend"],
            f"[{style}]{row['status']}[/]",
            "" if row["relative_l2"] is None else f"{row['relative_l2']:.1e}",
            "" if row["bound"] is None else f"{row['bound']:.0e}",
            row["known_loss"] or row["reason"] or row["worst_at"] or "",
        )
    console().print(table)
