"""Ranks beside each other: what each did when, who came last to the collectives, what share of the time went where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pandas as pd

from workbench.distributed.trace import RankTrace, both, without

PARTS = 2000
"""A stretch that is shorter than this part of the whole, and a gap that is, are not drawn apart."""


def trainings(profiles: Path) -> tuple[Path, ...]:
    """Folders of the profiles folder in which `workbench train` wrote, the newest first."""
    found = {file.parent for pattern in ("*/rank-*.jsonl", "*/trace-*.json") for file in profiles.glob(pattern)}
    return tuple(sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True))


def stretches(ranks: Sequence[RankTrace]) -> pd.DataFrame:
    """rank, what (computing, hidden or exposed communication), begin_s since the first rank's first event, seconds."""
    begin = min((float(trace.whole[0, 0]) for trace in ranks if len(trace.whole)), default=0.0)
    end = max((float(trace.whole[0, 1]) for trace in ranks if len(trace.whole)), default=0.0)
    least = (end - begin) / PARTS
    rows = []
    for trace in ranks:
        for what, intervals in (
            ("computing", without(trace.compute, trace.communication)),
            ("hidden communication", both(trace.communication, trace.compute)),
            ("exposed communication", without(trace.communication, trace.compute)),
        ):
            drawn: list[list[float]] = []
            for first, last in intervals:
                if drawn and first - drawn[-1][1] < least:
                    drawn[-1][1] = last
                else:
                    drawn.append([first, last])
            rows += [(trace.rank, what, first - begin, last - first) for first, last in drawn if last - first >= least]
    return pd.DataFrame(rows, columns=["rank", "what", "begin_s", "seconds"])


def shares(ranks: Sequence[RankTrace]) -> pd.DataFrame:
    """A row per rank: rank, total_s, and the shares computing, hidden and exposed communication, neither; they sum to
    1 but for what is hidden, which counts as computing too."""
    times = [trace.time() for trace in ranks]
    return pd.DataFrame(
        [
            (
                time.rank, time.total_s, time.compute_s / time.total_s, time.overlap_s / time.total_s,
                time.exposed_s / time.total_s, time.other_s / time.total_s,
            )
            for time in times if time.total_s
        ],
        columns=["rank", "total_s", "computing", "hidden", "exposed", "neither"],
    )  # fmt: skip


def arrivals(ranks: Sequence[RankTrace]) -> pd.DataFrame:
    """A row per rank: to how many collectives it came last, and its median lateness in those, in seconds after the
    first. Collectives are those that every rank took part in equally often, matched by name and order; a rank that
    waits long is not late, the one that all wait for is."""
    came: list[dict[str, list[float]]] = []
    for trace in ranks:
        by_name: dict[str, list[float]] = defaultdict(list)
        for name, at in trace.collectives:
            by_name[name].append(at)
        came.append(by_name)
    shared = [n for n in came[0] if len({len(by_name.get(n, ())) for by_name in came}) == 1] if came else []
    last: Counter[int] = Counter()
    late: dict[int, list[float]] = defaultdict(list)
    total = 0
    for name in shared:
        for moments in zip(*(by_name[name] for by_name in came), strict=True):
            total += 1
            place = max(range(len(moments)), key=moments.__getitem__)
            last[place] += 1
            late[place].append(moments[place] - min(moments))
    return pd.DataFrame(
        [
            (trace.rank, last[place], total, median(late[place]) if late[place] else None)
            for place, trace in enumerate(ranks)
        ],
        columns=["rank", "last", "collectives", "late_s"],
    )
