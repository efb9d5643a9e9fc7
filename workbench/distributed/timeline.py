"""Ranks beside each other: what each did when, who came last to the collectives, what share of the time went where."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pandas as pd

from workbench.distributed.cost import bubble
from workbench.distributed.links import Links
from workbench.distributed.trace import CARRY, RankTrace, both, matched, without
from workbench.durable import PART

LEFT = ("rank-*.jsonl", "trace-*.json", "trace-*.json.gz", "ranks-*/rank-*.jsonl")
"""What is in the folder of a training, of somebody's traces, or of a training on several numbers of ranks."""
PARTS = 2000
"""A stretch that is shorter than this part of the whole, and a gap that is, are not drawn apart."""


def trainings(profiles: Path) -> tuple[Path, ...]:
    """Folders of the profiles folder with trainings, or with traces of somebody's, the newest first."""
    whole = [folder for folder in profiles.glob("*") if not folder.name.startswith(PART)]
    found = [folder for folder in whole if any(any(folder.glob(pattern)) for pattern in LEFT)]
    return tuple(sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True))


def find_training(name: str, profiles: Path) -> Path | None:
    """A training by its folder's path, or by its name in the profiles folder; None where there is none."""
    for folder in (profiles / name, Path(name)) if name.strip() else ():
        try:
            if any(any(folder.glob(pattern)) for pattern in LEFT):
                return folder
        except (OSError, ValueError):  # a name too long, or with a null in it, names nothing
            continue
    return None


def stretches(ranks: Sequence[RankTrace]) -> pd.DataFrame:
    """rank, what (computing, hidden or exposed communication, bubble), begin_s since the first rank's first event,
    seconds."""
    begin = min((float(trace.whole[0, 0]) for trace in ranks if len(trace.whole)), default=0.0)
    end = max((float(trace.whole[0, 1]) for trace in ranks if len(trace.whole)), default=0.0)
    least = (end - begin) / PARTS
    rows = []
    for trace in ranks:
        for what, intervals in (
            ("computing", without(trace.compute, trace.communication)),
            ("hidden communication", both(trace.communication, trace.compute)),
            ("exposed communication", trace.exposed),
            ("bubble", trace.bubble),
        ):
            drawn: list[list[float]] = []
            for first, last in intervals:
                if drawn and first - drawn[-1][1] < least:
                    drawn[-1][1] = last
                else:
                    drawn.append([first, last])
            rows += [(trace.rank, what, first - begin, last - first) for first, last in drawn if last - first >= least]
    return pd.DataFrame(rows, columns=["rank", "what", "begin_s", "seconds"])


def shares(ranks: Sequence[RankTrace], pipeline: tuple[int, int] | None = None) -> pd.DataFrame:
    """A row per rank: rank, traced_s, and the shares of it: computing, exposed communication, bubble, host_share, which
    sum to 1; overlap, the share of its communication that computing hides; and of a pipeline of so many stages and
    parts bubble_of_steps, measured, and bubble_modelled. Missing is what a rank has none of."""
    modelled = bubble(*pipeline) if pipeline else None
    return pd.DataFrame(
        [
            (
                time.rank, time.total_s, time.compute_s / time.total_s, time.exposed_s / time.total_s,
                time.bubble_s / time.total_s if time.pipeline_s else None, time.host_s / time.total_s,
                time.overlap_s / time.communication_s if time.communication_s else None,
                time.bubble_s / time.pipeline_s if time.pipeline_s else None, modelled if time.pipeline_s else None,
            )
            for time in (trace.time() for trace in ranks) if time.total_s
        ],
        columns=[
            "rank", "traced_s", "computing", "exposed", "bubble", "host_share", "overlap", "bubble_of_steps",
            "bubble_modelled",
        ],
    )  # fmt: skip


def arrivals(ranks: Sequence[RankTrace]) -> pd.DataFrame:
    """A row per rank: to how many collectives it came last, and its median lateness in those, in seconds after the
    first. Collectives are those that every rank took part in equally often, matched by name and order; a rank that
    waits long is not late, the one that all wait for is."""
    last: Counter[int] = Counter()
    late: dict[int, list[float]] = defaultdict(list)
    total = 0
    for calls in matched([trace.collectives for trace in ranks]):
        total += 1
        moments = [call.begin_s for call in calls]
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


def carries(ranks: Sequence[RankTrace], links: Links | None) -> pd.DataFrame:
    """A row per way in which states passed between blocks of time: carry, state_bytes, taken_in (the measurement of the
    links, or the training's own steps), median carry_s (in steps from when the last rank came until all went on), and
    carry_modelled_s by α and β of the links (missing where none were measured)."""
    rows: list[tuple[object, ...]] = []
    if links:
        rows += [(carry, size, "links alone", seconds, model) for carry, size, seconds, model in links.carries()]
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    for calls in matched([trace.carries for trace in ranks]):
        found = CARRY.match(calls[0].name)
        if found:
            seconds = max(call.end_s for call in calls) - max(call.begin_s for call in calls)
            taken[found.group(1), int(found.group(2))].append(max(0.0, seconds))
    for (carry, size), every in sorted(taken.items()):
        modelled = links.modelled_s(carry, len(ranks), size) if links else None
        rows.append((carry, size, f"{len(every)} in steps", median(every), modelled))
    return pd.DataFrame(rows, columns=["carry", "state_bytes", "taken_in", "carry_s", "carry_modelled_s"])


def link_rows(links: Links) -> pd.DataFrame:
    """A row per collective: collective, alpha_s and link_bandwidth with their intervals (missing where more bytes cost
    no more), fit_worst."""
    rows = []
    for name, fit in links.fits.items():
        rate = [x if math.isfinite(x) else None for x in vars(fit.bandwidth).values()]
        rows.append((name, *vars(fit.alpha_s).values(), *rate, fit.worst))
    return pd.DataFrame(
        rows,
        columns=[
            "collective", "alpha_s", "alpha_low_s", "alpha_high_s", "link_bandwidth", "link_bandwidth_low",
            "link_bandwidth_high", "fit_worst",
        ],
    )  # fmt: skip
