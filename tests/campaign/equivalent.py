"""Mutations of which nothing can be seen, each with its reason, and the check that holds the reason to the machine.

A mutation stands here where no run within the variant's limits computes, waits or touches anything else because of it.
What the reason claims is made stronger where that can be written (a guard that never decides is taken away wholly, a
value that nobody reads becomes no number), and the stronger one must leave every bit of every output alone, with no
finding, at shapes that cover the remainders which the reason speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.simulate.simulated_case import ARCH, Case, catalog
from workbench.check.case import InputSet, make_set
from workbench.check.examine import IDLE_LIMIT, SCHEDULES
from workbench.declare import Shape
from workbench.simulate.launch import SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan


@dataclass(frozen=True)
class Equivalent:
    why: str
    shapes: tuple[dict[str, int], ...]
    """Sizes at which nothing may differ: the remainders that the reason speaks of."""
    stronger: tuple[str, str] | None = None
    """Pattern and replacement in the lines that the mutation changed: more than it, and as harmless by its reason."""

    def strengthened(self, original: str, mutated: str) -> str:
        """The text with the stronger change where the mutation made its own."""
        if self.stronger is None:
            return mutated
        pattern, replacement = self.stronger
        pairs = zip(original.splitlines(), mutated.splitlines(), strict=True)
        return "\n".join(re.sub(pattern, replacement, a) if a != b else a for a, b in pairs)


_STEPS = (*range(1, 19), *range(255, 259), 271, 272, 273, *range(511, 515))
_THREE_PHASE = Equivalent(
    "the loop's first test: chunks are ceil(T / length), so that every chunk begins before T and has a step; begin and "
    "end are never equal",
    tuple({"B": 1, "T": steps, "H": 3} for steps in _STEPS),
    (r"setp\.ge\.s64(\s+%p\d+),.*;", r"setp.ne.u32\1, 0, 0;"),
)
_ROOT = Equivalent(
    "the carry at the root goes to the thread's only reader of it, itself, in a register: the word in shared memory is "
    "written again before anybody reads it, and the one behind it is padding",
    tuple({"B": 1, "T": steps, "H": channels} for steps in (1, 64, 65, 128, 129, 300) for channels in (1, 8, 9)),
    (r"st\.shared\.f32\s+\[(%r\d+)\], %f\d+;", r"st.shared.f32 [\1], 0f7FC00000; st.shared.f32 [\1+4], 0f7FC00000;"),
)
EQUIVALENT: Mapping[tuple[str, str, str], Equivalent] = {
    ("scan/blelloch", "shared index off by one", "1:81"): _ROOT,
    ("scan/blelloch_unpadded", "shared index off by one", "1:81"): _ROOT,
    ("scan/three_phase", "bound off by one", "1:28"): _THREE_PHASE,
    ("scan/three_phase", "bound off by one", "1:64"): _THREE_PHASE,
    ("scan/look_back_fixed", "bound off by one", "3:166"): Equivalent(
        "the first test of the loop over a group's earlier tiles: a warp whose number is their count waits for the "
        "summary of its own tile, which warp 0 has published before it waits for anything, and keeps it in a place of "
        "the window behind those that are read (a group has more places than a block has warps)",
        tuple({"B": 1, "T": 64 * tiles - 3, "H": 2} for tiles in (*range(1, 20), 32, 33, 40, 63, 64, 66)),
    ),
}
"""(variant, operator, line of the source) → why nothing can be seen of it."""


def seen(variant: str, sizes: Mapping[str, int], original: Mapping[Any, Any], changed: Mapping[Any, Any]) -> str:
    """What of the change shows at one shape, in any schedule: empty where nothing does."""
    shape = Shape.of("float32", **sizes)
    for schedule in SCHEDULES:
        options = replace(schedule.options, idle_limit=IDLE_LIMIT)
        try:
            want, before = _run(variant, shape, original, options)
            got, after = _run(variant, shape, changed, options)
        except SimulationFault as fault:
            return f"{shape}, {schedule.name}: {fault}"
        if before:
            return f"{shape}, {schedule.name}: the kernel as it is, is accused: {before[0]}"
        if after:
            return f"{shape}, {schedule.name}: {after[0]}"
        if apart := [name for name in want if want[name] != got[name]]:
            return f"{shape}, {schedule.name}: other bits in {', '.join(apart)}"
    return ""


def _run(variant: str, shape: Shape, binaries: Mapping[Any, Any], options: Any) -> tuple[dict[str, bytes], list[str]]:
    """Every output's bytes, and the findings."""
    operation = catalog().operation(variant.partition("/")[0])
    inputs, _ = make_set(operation, shape, InputSet(operation.regimes[0], 0))
    memory, tensors = Memory(), operation.tensors(shape)
    memory.fill(tensors, inputs)
    counted = run_plan(Case(variant, shape).plan(), shape.dtype, memory, binaries, ARCH, options)
    found = [f.text for counts in counted if counts is not None for f in counts.findings if f.fault]
    return {t.name: memory.array(t.name).tobytes() for t in tensors if t.compared}, found
