"""Kernels with one thing taken away or weakened, and what the checkers make of each.

    python -m tests.campaign.mutations [VARIANT]

A mutation is textual: an operator changes every instruction that one line of the source became. Those that change
nothing that could be seen stand in equivalent.py, each with its reason; that they cannot be seen is checked as well.
Ends with an error where fewer of the others than BAR are found and named, where one of those is found after all, and
where a kernel as it is, is accused.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.campaign.equivalent import EQUIVALENT, seen
from tests.simulate.simulated_case import ARCH, Case, binaries, catalog, run
from workbench.check.case import InputSet
from workbench.check.examine import Verdict, examine
from workbench.compile import Unit, unit_of
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

TAILS = ({"H": 36}, {"H": 5}, {"T": 257, "H": 36})
"""Further sizes, for bounds that decide nothing at the first: whole vectors that end inside a warp, fewer channels than
a warp has lanes, and a last tile of one step."""

BAR = 0.95
"""Of all mutations that can be seen: the least share that is found and named."""

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
    original: str
    unit: Unit

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.variant, self.operator, self.line)


def cases_of(variant: str) -> list[Case]:
    """Its problems, from the operation's small one on."""
    operation = catalog().operation(variant.partition("/")[0])
    sizes = dict(operation.small)
    for word, steps in LONGER.items():
        if word in variant:
            sizes.update({"B": 1, "T": steps})
    return [Case(variant, Shape.of("float32", **{**sizes, **tail})) for tail in ({}, *TAILS)]


def units_of_kernels(variant: str) -> list[Unit]:
    case = cases_of(variant)[0]
    leaves = leaves_of(case.plan().steps)
    return list(dict.fromkeys(unit_of(s, case.shape.dtype, ARCH) for s in leaves if isinstance(s, Kernel)))


def unchanged(variant: str) -> Mapping[Unit, Any]:
    """What the variant's kernels are, as compiled."""
    case = cases_of(variant)[0]
    return binaries(case.plan(), case.shape.dtype)


def executed(variant: str) -> set[int]:
    """Lines of its PTX that run at one of the shapes."""
    counted = [c for case in cases_of(variant) for c in run(case)[1] if c is not None]
    return {i.address for c in counted for i, times in zip(c.program.instructions, c["executed"], strict=True) if times}


def mutations(variant: str) -> Iterator[Mutation]:
    """All of a variant at instructions that are executed, in the order of operators and lines."""
    runs = executed(variant)
    known = unchanged(variant)
    for unit in units_of_kernels(variant):
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
                yield Mutation(variant, operator, line, whole, "\n".join(lines), unit)


def written(text: str, folder: Path) -> Path:
    path = folder / f"{zlib.crc32(text.encode())}.ptx"
    path.write_text(text)
    return path


def judge(mutation: Mutation, folder: Path) -> Verdict:
    """What the checkers make of it: of the first problem that something is wrong in, or of the last."""
    operation = catalog().operation(mutation.variant.partition("/")[0])
    changed = {**unchanged(mutation.variant), mutation.unit: written(mutation.text, folder)}
    for case in cases_of(mutation.variant):
        verdict = examine(case.plan(), operation, case.shape, (InputSet(operation.regimes[0], 0),), changed, ARCH)
        if not verdict.right:
            break
    return verdict


def shows(mutation: Mutation, folder: Path, shapes: Sequence[Mapping[str, int]]) -> str:
    """What can be seen of one that is said to be equivalent, and of what its reason says is harmless too."""
    original, known = unchanged(mutation.variant), EQUIVALENT[mutation.key]
    for text in dict.fromkeys((mutation.text, known.strengthened(mutation.original, mutation.text))):
        changed = {**original, mutation.unit: written(text, folder)}
        for sizes in shapes:
            if told := seen(mutation.variant, sizes, original, changed):
                return told
    return ""


def accused(variant: str) -> str:
    """What is wrong with a variant as it is, at the same problems: empty, or a checker is."""
    operation = catalog().operation(variant.partition("/")[0])
    for case in cases_of(variant):
        sets = (InputSet(operation.regimes[0], 0),)
        verdict = examine(case.plan(), operation, case.shape, sets, unchanged(variant), ARCH)
        if not verdict.right:
            return f"{case.shape}: {verdict.reason}"
    return ""


def main(wanted: str = "") -> None:
    found = named = missed = 0
    wrong: list[str] = []
    met = set()
    chosen = [variant for variant in KERNELS if wanted in variant]
    with TemporaryDirectory(prefix="workbench-") as name:
        folder = Path(name)
        for variant in chosen:
            if told := accused(variant):
                wrong.append(f"{variant}, as it is, is accused: {told}")
            for mutation in mutations(variant):
                label = " | ".join(mutation.key)
                try:
                    verdict = judge(mutation, folder)
                except Problem as problem:
                    print(f"{label}: does not run: {problem}")
                    continue
                if known := EQUIVALENT.get(mutation.key):
                    met.add(mutation.key)
                    told = verdict.reason or shows(mutation, folder, known.shapes)
                    wrong += [f"{label}: said to be equivalent, and is seen: {told}"] if told else []
                    print(f"{label}: equivalent: {known.why}", flush=True)
                    continue
                missed += verdict.right
                found, named = found + (not verdict.right), named + bool(verdict.findings)
                print(f"{label}: {'MISSED' if verdict.right else verdict.reason[:160]}", flush=True)
    wrong += [
        f"{' | '.join(key)}: is no mutation any more" for key in EQUIVALENT if key[0] in chosen and key not in met
    ]
    visible = found + missed
    print(f"{found} of {visible} found, {named} of them named by a checker, {len(met)} equivalent")
    if not wanted and named < BAR * visible:
        wrong.append(f"fewer than {BAR:.0%} are found and named")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
