"""The best variant over the best peer of a run, as a person reads it."""

from __future__ import annotations

from workbench.cli.terminal import Column, print_table, say
from workbench.quantity import quantity
from workbench.store.run_folder import RunFolder
from workbench.views.peers import against_peers
from workbench.views.shapes import shape_text


def print_peers(folder: RunFolder) -> None:
    """A line per shape; says so where the run has none to compare."""
    rows = against_peers(folder.records())
    if not rows:
        say("no shape of this run has times of both a peer and another variant")
        return
    names = ("operation", "shape", "best", "its time", "peer", "its time", "peer ÷ best", "95 % interval")
    columns = [Column(name, right=name in ("its time", "peer ÷ best", "95 % interval")) for name in names]
    table = []
    for row in rows:
        assert row.best.time is not None and row.peer.time is not None
        table.append(
            (
                row.best.operation,
                shape_text(row.best.shape),
                row.best.variant,
                quantity(row.best.time.median_s, "s"),
                row.peer.variant,
                quantity(row.peer.time.median_s, "s"),
                quantity(row.ratio, "x"),
                f"{quantity(row.low, 'x')} – {quantity(row.high, 'x')}",
            )
        )
    print_table("best variant over best peer", columns, table)
