"""Two reports counter by counter: which kernel of one is which of the other, and what was counted of each.

Kernels are matched by their whole name (template arguments included), grid, block and the workbench's range around
them; what is left without the range, then by whole name, then by name without template arguments, each in the order in
which they ran first. A report of one kernel is compared with another of one, whatever they are called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

from workbench.foreign import is_file
from workbench.problem import Problem
from workbench.profile.import_report import UNNAMED
from workbench.profile.kernel_names import short_name, told_apart
from workbench.profile.metrics import figures as counter_figures
from workbench.profile.metrics import figures_of
from workbench.profile.read import read_launches
from workbench.store.counters import read_launches as read_stored
from workbench.store.launch import Launch
from workbench.views.runs import RunSummary, run_summary

SAME = 0.02
"""Counters that are apart by no more than this share are not called different: so much launches of a kernel differ."""


@dataclass(frozen=True)
class Side:
    """One of the two reports."""

    name: str
    launches: Sequence[Launch]

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(launch.device for launch in self.launches))


@dataclass(frozen=True)
class Kernel:
    """The launches of one kernel with one grid and block in one range of the workbench."""

    signature: str
    grid: int | None
    block: int | None
    record: str
    """The key of the record that they ran for; empty outside of the workbench's ranges."""
    launches: tuple[Launch, ...]


@dataclass(frozen=True)
class Match:
    """A kernel of A and the same one of B."""

    a: Kernel
    b: Kernel
    by: str


@dataclass(frozen=True)
class Matched:
    """What two reports have in common."""

    matches: tuple[Match, ...]
    only_a: tuple[Kernel, ...]
    only_b: tuple[Kernel, ...]
    notes: tuple[str, ...]


def is_report(text: str, profiles: Path) -> bool:
    """Whether an operand names a file, or a run that a report was imported as."""
    if is_file(text):
        return True
    try:
        run = run_summary(text, profiles)
    except Problem:
        return False
    return "imported_from" in run.environment


def read_side(text: str, profiles: Path) -> Side:
    """A report's file, or a run with counters. Raises Problem for what is neither."""
    file = Path(text)
    if is_file(file):
        return Side(file.name, list(read_launches(file)))
    return side_of_run(run_summary(text, profiles))


def side_of_run(run: RunSummary) -> Side:
    """The launches of a run that has counters. Raises Problem for another."""
    launches = list(chain.from_iterable(read_stored(run.path).values())) if run.counters else []
    if not launches:
        why = run.beside_problem or f"workbench import FILE.ncu-rep --run {run.name} brings some"
        raise Problem(
            f"{run.name}: this run has no counters that a report could be compared with; {why}", exit_status=2
        )
    return Side(run.name, launches)


def match(a: Side, b: Side) -> Matched:
    """Kernels of A beside those of B, in the order of A."""
    rest_a, rest_b = _kernels(a.launches), _kernels(b.launches)
    order = {id(kernel): place for place, kernel in enumerate(rest_a)}
    found: list[Match] = []
    for by, identity in STEPS:
        waiting: dict[Hashable, list[Kernel]] = {}
        for kernel in rest_b:
            waiting.setdefault(identity(kernel), []).append(kernel)
        for kernel in rest_a:
            if others := waiting.get(identity(kernel)):
                found.append(Match(kernel, others.pop(0), by))
        taken = {id(kernel) for one in found for kernel in (one.a, one.b)}
        rest_a = [kernel for kernel in rest_a if id(kernel) not in taken]
        rest_b = [kernel for kernel in rest_b if id(kernel) not in taken]
    if not found and len(rest_a) == len(rest_b) == 1:
        found, rest_a, rest_b = [Match(rest_a[0], rest_b[0], "the only kernel of each")], [], []
    found.sort(key=lambda one: order[id(one.a)])
    return Matched(tuple(found), tuple(rest_a), tuple(rest_b), tuple(_notes(a, b)))


STEPS: tuple[tuple[str, Callable[[Kernel], Hashable]], ...] = (
    ("name, grid, block, range", lambda one: (one.signature, one.grid, one.block, one.record)),
    ("name, grid, block", lambda one: (one.signature, one.grid, one.block)),
    ("name", lambda one: one.signature),
    ("name without template arguments", lambda one: short_name(one.signature)),
)
"""What kernels are matched by, the surest first."""


def _kernels(launches: Sequence[Launch]) -> list[Kernel]:
    found: dict[tuple[str, int | None, int | None, str], list[Launch]] = {}
    for launch in launches:
        record = launch.ranges[-1] if launch.ranges else ""
        record = "" if record.startswith(f"{UNNAMED}.") else record
        values = figures_of(launch)
        grid, block = (None if (n := values.get(name)) is None else int(n) for name in ("grid_blocks", "block_threads"))
        found.setdefault((launch.demangled, grid, block, record), []).append(launch)
    return [Kernel(*identity, tuple(own)) for identity, own in found.items()]


def _notes(a: Side, b: Side) -> list[str]:
    if a.devices != b.devices:
        return [f"A was profiled on {', '.join(a.devices)}, B on {', '.join(b.devices)}: times are not alike"]
    return []


def names_of(matched: Matched) -> list[str]:
    """What to call each match: the kernel's name in A as short as tells it apart, with grid and block, or the record's
    key, where several share it."""
    kernels = [one.a for one in matched.matches]
    names = told_apart(one.signature for one in kernels)
    found = [names[one.signature] for one in kernels]
    for more in (lambda one: f"{one.grid}×{one.block}", lambda one: one.record):
        kinds = Counter(name for name, _ in {(name, more(one)) for name, one in zip(found, kernels, strict=True)})
        found = [f"{name} ({more(one)})" if kinds[name] > 1 else name for name, one in zip(found, kernels, strict=True)]
    return found


def kernel_pairs(matched: Matched) -> pd.DataFrame:
    """A row per match: the columns of the figures' table `report_pairs`. Times are means per launch."""
    rows = []
    for name, one in zip(names_of(matched), matched.matches, strict=True):
        a, b = _mean(one.a.launches, "duration_s"), _mean(one.b.launches, "duration_s")
        differing = [row for row in _figures(one) if row[5] is None or abs(row[5] - 1) > SAME]
        rows.append({
            "kernel": name, "matched_by": one.by, "launches_a": len(one.a.launches), "launches_b": len(one.b.launches),
            "grid_a": one.a.grid, "grid_b": one.b.grid, "duration_a_s": a, "duration_b_s": b,
            "b_over_a": b / a if a and b is not None else None, "differing": len(differing),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


PAIR_COLUMNS = [
    "kernel", "matched_by", "launches_a", "launches_b", "grid_a", "grid_b", "duration_a_s", "duration_b_s", "b_over_a",
    "differing",
]  # fmt: skip
COUNTER_COLUMNS = ["kernel", "group", "counter", "unit", "value_a", "value_b", "b_over_a"]


def figure_pairs(matched: Matched) -> pd.DataFrame:
    """The workbench's figures of each match beside each other, a row each: COUNTER_COLUMNS. Values are means per
    launch, in base units; a share is one of 1."""
    rows = [
        (name, *row)
        for name, one in zip(names_of(matched), matched.matches, strict=True)
        for row in _figures(one)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COUNTER_COLUMNS)


def counter_pairs(matched: Matched) -> pd.DataFrame:
    """Every counter of each match under the profiler's own name, a row each: COUNTER_COLUMNS without a group."""
    rows = []
    for name, one in zip(names_of(matched), matched.matches, strict=True):
        sides = (one.a.launches, one.b.launches)
        metrics = dict.fromkeys(metric for launch in chain(*sides) for metric in launch.metrics)
        units = {metric: unit for launch in chain(*sides) for metric, unit in launch.units.items()}
        for metric in sorted(metrics):
            a, b = (_mean_of([launch.number(metric) for launch in own]) for own in sides)
            if a is not None or b is not None:
                rows.append((name, "", metric, units.get(metric, ""), a, b, _over(b, a)))
    return pd.DataFrame(rows, columns=COUNTER_COLUMNS).drop(columns="group")


def _figures(one: Match) -> list[tuple[str, str, str, float | None, float | None, float | None]]:
    found = []
    for name, entry in counter_figures().items():
        a, b = _mean(one.a.launches, name), _mean(one.b.launches, name)
        if a is not None or b is not None:
            found.append((entry.group, entry.title, entry.unit, a, b, 1.0 if a == b == 0 else _over(b, a)))
    return found


def _mean(launches: Sequence[Launch], figure: str) -> float | None:
    entry = counter_figures()[figure]
    return _mean_of([entry.of(launch) for launch in launches])


def _mean_of(values: Sequence[float | None]) -> float | None:
    """The mean; None where one is missing: a mean of some launches would pass for that of all."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _over(b: float | None, a: float | None) -> float | None:
    return b / a if a and b is not None else None
