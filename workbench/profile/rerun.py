"""The machine code that a report carries, run again by the simulator and held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.check.limited import limit_memory
from workbench.problem import Problem
from workbench.profile.arguments import Relaunch, undetermined
from workbench.profile.launched import BY_INSTRUCTION, Measured, Programs, launch_of_report
from workbench.simulate.blocks import independent
from workbench.simulate.counters import RULES, Level, Standing, figures, standing_for
from workbench.simulate.launch import COUNTERS, Counts, SimulationFault
from workbench.simulate.program import Program

MODEL_MARGIN = 0.02
DEVICE_ADDS = {
    f"l1tex__{what}_mem_shared_op_{op}.sum": f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{op}.sum"
    for what in ("data_pipe_lsu_wavefronts", "data_bank_conflicts_pipe_lsu")
    for op in ("ld", "st")
}
"""Counters in which a device has, beside the pattern of the accesses, waits of the data stage for other work: of the
wavefronts, which stand behind the name, up to this part in the reports that were compared."""
MOST_ADDED, MOST_ADDED_BESIDE_COPIES = 0.12, 0.35
"""The latter where asynchronous copies write to shared memory meanwhile."""
WAVERS, MOST_WAVERED = "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", 0.08
"""A counter that a device has a little below or above what its own table by instruction adds up to, and by how much."""


class ReportRerun:
    """Lives in a worker process."""

    def __init__(self, memory_bytes: int) -> None:
        limit_memory(memory_bytes)

    def run(self, report: str, number: int, arguments: tuple[str, ...]) -> dict[str, Any]:
        return rerun(Path(report), number, arguments)


def rerun(report: Path, number: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Runs a report's launch again, with these arguments (128, 0.5, `buffer:BYTES`) or with guessed ones; every
    counter, measured and simulated. Raises Problem."""
    measured = launch_of_report(report, number)
    relaunch = Relaunch(Programs(report).of(measured), measured)
    options = measured.options()
    alike = np.zeros(len(relaunch.program.instructions), bool)
    chosen = list(arguments) or relaunch.guess(lambda counts: _apart(measured, counts))
    try:
        counts = relaunch.run(chosen, options)
    except SimulationFault as fault:
        raise Problem(f"with these arguments the kernel fails: {fault}; give others with --argument") from None
    depends = undetermined(relaunch, chosen, counts, options) if _apart(measured, counts) else alike
    counters = compared(measured, counts, depends)
    return {
        "kernel": relaunch.program.name, "arguments": chosen, "guessed": not arguments, "counters": counters,
        "blocks": counts.sampled or "every block was run",
        "undetermined": [i.text for i, on in zip(counts.program.instructions, depends, strict=True) if on],
        "differences": [c["name"] for c in counters if not c["agrees"] and c["standing"] != Standing.CACHE_MODEL],
    }  # fmt: skip


def compared(measured: Measured, counts: Counts, depends: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Every counter that both have: name, measured, simulated, standing, agrees, verdict. `depends`: instructions
    whose counts are not the launch's alone."""
    return [*_per_instruction(measured, counts, depends), *_whole(measured, counts, depends)]


def _apart(measured: Measured, counts: Counts) -> int:
    """How many instructions differ from the report; how many counters where it has none by instruction."""
    none = np.zeros(len(counts.values), bool)
    rows = [*_per_instruction(measured, counts, none)] or [*_whole(measured, counts, none)]
    return sum(c.get("differ", 1) for c in rows if not c["agrees"] and c["standing"] != Standing.CACHE_MODEL)


def _per_instruction(measured: Measured, counts: Counts, depends: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """A row per metric that the report has by instruction: totals, and how many instructions agree."""
    addresses = [i.address for i in counts.program.instructions]
    standing = standing_for(Standing.CONFIRMED, counts.program.generation)
    skipped = {at for at, on in zip(addresses, depends, strict=True) if on}
    for name, counter in BY_INSTRUCTION.items():
        known = measured.by_instruction(name)
        if not known:
            continue
        own = dict(zip(addresses, counts[counter].tolist(), strict=True))
        wrong = [at for at in known if own.get(at, 0) != known[at] and at not in skipped]
        left_out = len(skipped & set(known))
        verdict = f"all {len(known) - left_out} agree" if not wrong else f"{len(wrong)} of {len(known)} differ"
        yield {
            "name": f"{name}, by instruction", "measured": float(sum(known.values())),
            "simulated": float(sum(own.get(at, 0) for at in known)), "standing": standing.value,
            "agrees": not wrong, "differ": len(wrong),
            "verdict": verdict + (f", {left_out} depend on values or time" if left_out else ""),
        }  # fmt: skip


def _whole(measured: Measured, counts: Counts, depends: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """A row per counter of the whole launch that both have."""
    own = {figure.name: figure.value for figure in figures(counts, Level.SASS)}
    # Where blocks wait for each other each pass of a profiler has counts of its own.
    by_time = () if independent(counts.program) and not _waits(counts.program) else {
        rule.name for rule in RULES
        if any(on and rule.pick(i) for i, on in zip(counts.program.instructions, depends, strict=True))
    }  # fmt: skip
    copies = any(i.form == "cp.async" for i in counts.program.instructions)
    most_added = MOST_ADDED_BESIDE_COPIES if copies else MOST_ADDED
    for figure in figures(_with_measured(measured, counts, depends), Level.SASS):
        known = measured.value(figure.name)
        if known is None or figure.name not in own:
            continue
        value = own[figure.name]
        apart = (value - known) / max(abs(known), 1)
        model = figure.standing is Standing.CACHE_MODEL
        explained = bool(apart) and (figure.value == known or figure.name in by_time)
        added = 0 < known - value <= most_added * own.get(DEVICE_ADDS.get(figure.name, ""), 0)
        wavers = figure.name == WAVERS and 0 < abs(apart) <= MOST_WAVERED
        agrees = explained or added or wavers or abs(apart) <= (MODEL_MARGIN if model else 0)
        verdict = "agrees" if not apart else f"{100 * apart:+.2f} %"
        verdict += " (values or time decide)" if explained else " (the device adds waits)" if added else ""
        verdict += " (within what devices waver)" if wavers else ""
        verdict += " (model)" if model and apart else ""
        yield {
            "name": figure.name, "measured": known, "simulated": value, "standing": figure.standing.value,
            "agrees": agrees, "verdict": verdict,
        }  # fmt: skip


def _waits(program: Program) -> bool:
    """Whether warps of a block wait for each other in loops, which turn as often as time has it."""
    return any(i.form == "mbarrier.test" for i in program.instructions)


def _with_measured(measured: Measured, counts: Counts, depends: NDArray[np.bool_]) -> Counts:
    """The counts with those of instructions that depend on values as the report has them."""
    if not depends.any():
        return counts
    values = counts.values.copy()
    for name, counter in BY_INSTRUCTION.items():
        if known := measured.by_instruction(name):
            for row in np.nonzero(depends)[0]:
                at = counts.program.instructions[row].address
                values[row, COUNTERS.index(counter)] = known.get(at, 0)
    return replace(counts, values=values)
