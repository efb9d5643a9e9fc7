"""What the machine code of checked variants does, a row per kernel: every figure simulated, none of them timed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.store.record import Record, Simulated
from workbench.views.shapes import sizes_text
from workbench.views.simulated import kernel_figures, totals

SPILLS = tuple(f"smsp__sass_inst_executed_op_local_{op}.sum" for op in ("ld", "st"))
FIGURES = (
    "simulated.instructions", "simulated.sectors_per_load", "simulated.sectors_per_store", "simulated.conflicts",
)  # fmt: skip
STANDS_FOR = {
    "instructions": "smsp__inst_executed.sum",
    "sectors per load": "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum",
    "bank conflicts": "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum",
    "per store": "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",
    "spills": SPILLS[0],
    "bytes": "dram__bytes_read.sum",
}
"""Column → the counter whose standing is the column's."""


def plain(entries: Iterable[Simulated]) -> list[dict[str, Any]]:
    """Of each architecture what was counted, as plain data, under Nsight Compute's names."""
    return [
        {
            "arch": entry.arch, "gpu": entry.gpu, "shape": entry.axes, "reason": entry.reason,
            "bytes": entry.moved_bytes, "bytes_declared": entry.declared.bytes, "findings": entry.findings,
            "kernels": [
                {
                    "kernel": kernel.kernel, "launches": kernel.launches, "grid": kernel.grid, "block": kernel.block,
                    "registers": kernel.registers, "shared_bytes": kernel.shared_bytes, "sampled": kernel.sampled,
                    "counters": [counter.model_dump() for counter in kernel.counters],
                }
                for kernel in entry.kernels
            ],
        }
        for entry in entries
    ]  # fmt: skip


def print_counters(records: Iterable[Record]) -> None:
    """A table per architecture."""
    from workbench.cli.terminal import print_table, say

    by_arch: dict[tuple[str, str], list[tuple[Record, Simulated]]] = {}
    for record in records:
        for entry in record.simulated:
            by_arch.setdefault((entry.arch, entry.gpu), []).append((record, entry))
    for (arch, gpu), pairs in by_arch.items():
        rows = [row for record, entry in pairs for row in _rows(record, entry)]
        print_table(f"{arch} machine code, simulated (caches: {gpu})", _columns(), rows)
        standings: dict[str, dict[str, None]] = {}
        for _, entry in pairs:
            known = {c.name: c.standing for kernel in entry.kernels for c in kernel.counters}
            for column, name in STANDS_FOR.items():
                if name in known:
                    standings.setdefault(known[name], {})[column] = None
        for standing, columns in standings.items():
            say(f"{standing}: {', '.join(columns)}", style="dim")


def _columns() -> list[Any]:
    from workbench.cli.terminal import Column

    return [
        Column("variant"), Column("kernel", breaks=True), Column("launches", True), Column("instructions", True),
        Column("sectors per load", True), Column("per store", True), Column("bank conflicts", True),
        Column("spills", True), Column("bytes", True), Column("declared", True),
    ]  # fmt: skip


def _rows(record: Record, entry: Simulated) -> list[Any]:
    from workbench.cli.terminal import Row
    from workbench.quantity import quantity
    from workbench.show.figures import value_text

    note = "; ".join([*entry.findings, *([entry.reason] if entry.reason else [])])
    note = f"{record.variant} at {sizes_text(entry.axes)}: {note}" if note else ""
    if not entry.kernels:
        return [Row((record.variant, *[""] * 9), {}, note)]
    rows = []
    for place, kernel in enumerate(entry.kernels):
        own = kernel_figures(kernel)
        counters = totals([kernel])
        figures = [value_text(name, own[name]) for name in FIGURES]
        spills = sum(counters.get(name, 0) for name in SPILLS)
        moved = quantity(entry.moved_bytes, "B") if entry.moved_bytes is not None else "–"
        bytes_ = (moved, quantity(entry.declared.bytes, "B")) if place == 0 else ("", "")
        head = record.variant if place == 0 else ""
        rows.append(Row((head, kernel.kernel, str(kernel.launches), *figures, f"{spills:,.0f}", *bytes_), {}, ""))
    rows[-1] = Row(rows[-1].cells, {}, note)
    return rows
