"""Kernels with one thing taken away or weakened, and what the checkers make of each.

    python -m tests.campaign.mutations [VARIANT]

A mutation is textual: an operator changes every instruction that one line of the source became. Those that change
nothing that could be seen are EQUIVALENT, each with its reason; the share of the others that is found is printed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulate.simulated_case import ARCH, Case, binaries, catalog, run
from workbench.check.case import InputSet
from workbench.check.examine import Verdict, examine
from workbench.compile import unit_of
from workbench.declare import Kernel, Shape
from workbench.problem import Problem
from workbench.steps import leaves_of

OPERATORS = {
    "barrier deleted": (r"^\s*(?:bar|barrier)(?:\.cta)?\.sync\b[^;]*;", ""),
    "warp sync deleted": (r"^\s*bar\.warp\.sync\b[^;]*;", ""),
    "async wait deleted": (r"^\s*cp\.async\.wait_(?:all|group)\b[^;]*;", ""),
    "mbarrier wait ignored": (
        r"^(\s*)mbarrier\.(?:try|test)_wait[^;]*?\s([%\w]+)\s*,[^;]*;", r"\1setp.eq.u32 \2, 0, 0;",
    ),
    "fence deleted": (r"^\s*(?:membar|fence)\b[^;]*;", ""),
    "release relaxed": (r"\.release\.", ".relaxed."),
    "acquire relaxed": (r"\.acquire\.", ".relaxed."),
    "bound off by one": (r"\bsetp\.ge\.([us](?:32|64))\b", r"setp.gt.\1"),
    "shared index off by one": (r"(\bst\.shared(?:\.[fbu]32)?\s+\[[%\w]+)((?:\+\d+)?\])", r"\1+4\2"),
    "global index off by one": (r"(\bst\.global(?:\.[fbu]32)?\s+\[[%\w]+)((?:\+\d+)?\])", r"\1+4\2"),
}  # fmt: skip
"""What is done to an instruction's text: pattern and replacement."""

KERNELS = {
    "gate/fused_shared": ("barrier deleted", "bound off by one"),
    "scan/hillis_steele": ("barrier deleted",),
    "scan/blelloch": ("barrier deleted",),
    "scan/blelloch_unpadded": ("barrier deleted",),
    "scan/warp_shuffle": ("barrier deleted",),
    "scan/vector": ("bound off by one",),
    "scan/three_phase": ("bound off by one",),
    "scan/ring": ("mbarrier wait ignored", "barrier deleted", "warp sync deleted"),
    "scan/look_back_plain": ("release relaxed", "acquire relaxed", "warp sync deleted"),
    "scan/look_back_free": ("barrier deleted",),
    "scan/look_back_fixed": ("barrier deleted",),
    "scan/look_back_ring": ("mbarrier wait ignored", "async wait deleted"),
    "gated_scan/ring": ("mbarrier wait ignored", "barrier deleted", "warp sync deleted"),
}
"""Variants, and operators that must have something to change in each: what a change of a kernel must not lose."""

LONGER = {"ring": 300, "look_back": 1100}
"""Time steps where a variant's name has the word: enough for stages to be used again, for blocks to look back."""

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""(variant, operator, line of the source) → why nothing can be seen of it."""

LINE = re.compile(r"^\s*\.loc\s+(\d+)\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Mutation:
    """One operator at the instructions of one source line."""

    variant: str
    operator: str
    line: str
    """File's number and line."""
    text: str
    """The whole PTX."""
    unit: object

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.variant, self.operator, self.line)


def case_of(variant: str) -> Case:
    operation = catalog().operation(variant.partition("/")[0])
    sizes = dict(operation.small)
    for word, steps in LONGER.items():
        if word in variant:
            sizes.update({"B": 1, "T": steps})
    return Case(variant, Shape.of("float32", **sizes))


def executed(case: Case) -> set[int]:
    """Lines of its PTX that run at the case's shape."""
    counted = [c for c in run(case)[1] if c is not None]
    return {i.address for c in counted for i, times in zip(c.program.instructions, c["executed"], strict=True) if times}


def mutations(variant: str) -> Iterator[Mutation]:
    """All of a variant at instructions that are executed, in the order of operators and lines."""
    case = case_of(variant)
    runs = executed(case)
    plan = case.plan()
    known = binaries(plan, case.shape.dtype)
    for unit in dict.fromkeys(
        unit_of(s, case.shape.dtype, ARCH) for s in leaves_of(plan.steps) if isinstance(s, Kernel)
    ):
        lines = known[unit].path.read_text().splitlines()
        for operator, (pattern, replacement) in OPERATORS.items():
            sites: dict[str, list[int]] = {}
            at = ""
            for number, text in enumerate(lines):
                found = LINE.match(text)
                at = f"{found[1]}:{found[2]}" if found else at
                if re.search(pattern, text) and number + 1 in runs:
                    sites.setdefault(at, []).append(number)
            for line, numbers in sites.items():
                changed = [re.sub(pattern, replacement, t) if k in set(numbers) else t for k, t in enumerate(lines)]
                # Two offsets in one address are one.
                whole = re.sub(r"\+4\+(\d+)\]", lambda m: f"+{4 + int(m[1])}]", "\n".join(changed))
                yield Mutation(variant, operator, line, whole, unit)


def judge(mutation: Mutation, folder: Path) -> Verdict:
    """What the checkers make of it."""
    case = case_of(mutation.variant)
    operation = catalog().operation(case.variant.partition("/")[0])
    plan = case.plan()
    path = folder / f"{abs(hash(mutation.key))}.ptx"
    path.write_text(mutation.text)
    changed = {**binaries(plan, case.shape.dtype), mutation.unit: path}
    return examine(plan, operation, case.shape, (InputSet(operation.regimes[0], 0),), changed, ARCH)


def main(wanted: str = "") -> None:
    found = named = missed = 0
    with TemporaryDirectory(prefix="workbench-") as folder:
        for variant in KERNELS:
            if wanted not in variant:
                continue
            for mutation in mutations(variant):
                try:
                    verdict = judge(mutation, Path(folder))
                except Problem as problem:
                    print(f"{' | '.join(mutation.key)}: does not run: {problem}")
                    continue
                why = EQUIVALENT.get(mutation.key)
                if verdict.right:
                    missed += why is None
                    print(f"{' | '.join(mutation.key)}: {'equivalent: ' + why if why else 'MISSED'}", flush=True)
                    continue
                found, named = found + 1, named + bool(verdict.findings)
                print(f"{' | '.join(mutation.key)}: {verdict.reason[:160]}", flush=True)
    print(f"{found} of {found + missed} found, {named} of them named by a checker")


if __name__ == "__main__":
    main(*sys.argv[1:])
