"""The best variant over the best peer of a run, as a person reads it."""

from __future__ import annotations

from rich.table import Table

from workbench.analyse.peers import against_peers
from workbench.cli.quantity import seconds
from workbench.cli.terminal import console
from workbench.store.run_folder import RunFolder


def print_peers(folder: RunFolder) -> None:
    """A line a shape; says so where the run has none to compare."""
    rows = against_peers(folder.records())
    out = console()
    if not rows:
        out.print("no shape of this run has times of both a peer and another variant")
        return
    table = Table(title="best variant over best peer", title_justify="left", box=None)
    for column in ("operation", "shape", "best", "", "peer", "", "peer ÷ best", "95 % interval"):
        table.add_column(column, justify="left" if column in ("operation", "shape", "best", "peer") else "right")
    for row in rows:
        shape = " ".join(f"{axis}={size}" for axis, size in row.best.shape.items() if isinstance(size, int))
        assert row.best.time is not None and row.peer.time is not None
        table.add_row(
            row.best.operation,
            f"{shape} {row.best.shape['dtype']}",
            row.best.variant,
            seconds(row.best.time.median_s),
            row.peer.variant,
            seconds(row.peer.time.median_s),
            f"{row.ratio:.2f}",
            f"{row.low:.2f} – {row.high:.2f}",
        )
    out.print(table)
