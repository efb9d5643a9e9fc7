"""Reads the machine code of one kernel out of a report, with what was counted of each instruction, in a process of its
own.

    python -m workbench.profile.read_code REPORT KERNEL
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.problem import Problem
from workbench.profile.launches import text
from workbench.profile.own_process import answer_of, give

COUNTED = {
    "inst_executed": "executed", "thread_inst_executed": "threads", "memory_l2_theoretical_sectors_global": "sectors",
    "memory_l2_theoretical_sectors_global_ideal": "sectors_ideal", "memory_l1_wavefronts_shared": "wavefronts",
    "memory_l1_wavefronts_shared_ideal": "wavefronts_ideal", "smsp__pcsamp_sample_count": "samples",
}  # fmt: skip
"""Metric with a value per instruction → what it is called here."""
STALLED = "smsp__pcsamp_warps_issue_stalled_"


@dataclass(frozen=True)
class Instruction:
    """One machine instruction, as the report has it."""

    address: int
    """Bytes from the kernel's first one."""
    sass: str
    file: str
    """The last part of the source's path; empty without line information."""
    line: int
    counted: dict[str, int] = field(default_factory=dict)
    """By the words of COUNTED; what was not collected is absent."""
    stall: str = ""
    """What warps that were sampled there waited for most; empty where none was."""


def read_code(report: Path, kernel: str) -> list[Instruction]:
    """The instructions of a kernel (its whole name) in the first launch of it that has any counted; empty where the
    report was made without source counters. Raises Problem where it cannot be read."""
    found: list[Instruction] = answer_of("workbench.profile.read_code", report, kernel)
    return found


def main(report: Path, kernel: str) -> int:
    def read() -> list[Instruction]:
        import ncu_report

        context = ncu_report.load_report(str(report))
        if context.num_ranges() is None:
            raise Problem("NVIDIA's reader does not take it; is it an Nsight Compute report?")
        for one in (context.range_by_idx(k) for k in range(context.num_ranges())):
            for action in (one.action_by_idx(k) for k in range(one.num_actions())):
                names = {text(action.name()), text(action.name(ncu_report.IAction.NameBase_DEMANGLED))}
                if kernel in names and (found := _instructions(action)):
                    return found
        return []

    return give(read, report)


def _instructions(action: Any) -> list[Instruction]:
    by_metric = {name: _by_address(action, name) for name in COUNTED}
    addresses = sorted(by_metric["inst_executed"])
    stalls = {
        name.removeprefix(STALLED): _by_address(action, name)
        for name in map(text, action.metric_names())
        if name.startswith(STALLED) and not name.endswith("_not_issued")
    }
    found = []
    for at in addresses:
        source = action.source_info(at)
        waits = {reason: counts[at] for reason, counts in stalls.items() if counts.get(at) and reason != "selected"}
        found.append(
            Instruction(
                address=at - addresses[0],
                sass=" ".join(text(action.sass_by_pc(at)).split()),
                file=Path(text(source.file_name())).name if source is not None else "",
                line=int(source.line()) if source is not None else 0,
                counted={COUNTED[name]: counts.get(at, 0) for name, counts in by_metric.items() if counts},
                stall=max(waits, key=lambda reason: waits[reason]).replace("_", " ") if waits else "",
            )
        )
    return found


def _by_address(action: Any, name: str) -> dict[int, int]:
    metric = action.metric_by_name(name)
    if metric is None or not metric.has_correlation_ids():
        return {}
    ids = metric.correlation_ids()
    found: dict[int, int] = {}
    for k in range(metric.num_instances()):
        at = ids.as_uint64(k)
        found[at] = found.get(at, 0) + int(metric.as_uint64(k))
    return found


if __name__ == "__main__":
    # By its own name: what is handed over must not be of the module __main__.
    from workbench.profile.read_code import main as by_name

    sys.exit(by_name(Path(sys.argv[1]), sys.argv[2]))
