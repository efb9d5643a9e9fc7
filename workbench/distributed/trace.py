"""Where a rank's time goes, from the Chrome trace that torch.profiler wrote of it (or of anybody's training).

Communication is what the collectives' own names say: gloo's are annotations `gloo:…`, NCCL's are kernels `nccl…`.
Computing is what ran on the device (kernels) where the trace has any, else torch's operators on the host.
Sums are over the union of intervals: what runs at the same time counts once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.foreign import reading
from workbench.quantity import quantity

COMMUNICATION = re.compile(r"^(gloo:|nccl:|nccl(Dev)?Kernel)", re.IGNORECASE)
BETWEEN_TWO = re.compile(r"send|recv", re.IGNORECASE)
OPERATOR = re.compile(r"^(?!_?c10d|autograd::)\w+::")
"""What computes on the host: `aten::mm`. An autograd function (`AddmmBackward0`, one of your own) and the engine's
`autograd::…` are drawn around what they call, waits for other ranks too."""

Intervals = NDArray[np.float64]
"""(N, 2): begin and end in seconds, disjoint and in order."""


@dataclass(frozen=True)
class RankTime:
    """One rank's traced time, in seconds."""

    rank: int
    total_s: float
    compute_s: float
    communication_s: float
    overlap_s: float
    """Communication while something is computed."""

    @property
    def exposed_s(self) -> float:
        """Communication that nothing hides."""
        return self.communication_s - self.overlap_s

    @property
    def other_s(self) -> float:
        """Neither: the host between operators, waits of a pipeline."""
        return self.total_s - self.compute_s - self.exposed_s

    def text(self) -> str:
        def share(seconds: float) -> str:
            return quantity(seconds / self.total_s if self.total_s else None, "%")

        total = quantity(self.total_s, "s")
        return (
            f"rank {self.rank}: computing {share(self.compute_s)}, exposed communication {share(self.exposed_s)}, "
            f"hidden communication {share(self.overlap_s)}, neither {share(self.other_s)} of {total}"
        )


@dataclass(frozen=True)
class RankTrace:
    """One rank's trace: intervals in seconds since a moment that all ranks of a machine share."""

    rank: int
    whole: Intervals
    """One interval, from the first event to the end of the last; none of an empty trace."""
    compute: Intervals
    communication: Intervals
    collectives: tuple[tuple[str, float], ...]
    """Each collective of a group (no sends between two): its name, and when the rank came to it, in order."""

    def time(self) -> RankTime:
        shared = length(both(self.compute, self.communication))
        return RankTime(self.rank, length(self.whole), length(self.compute), length(self.communication), shared)


def rank_times(folder: Path) -> tuple[RankTime, ...]:
    """Of every `trace-RANK.json` of a training's folder. Raises Problem for one that is no Chrome trace."""
    return tuple(trace.time() for trace in traces(folder))


def traces(folder: Path) -> tuple[RankTrace, ...]:
    """Every `trace-*.json` of a folder, by rank. Raises Problem for one that is no Chrome trace."""
    return tuple(sorted((read(file) for file in folder.glob("trace-*.json")), key=lambda trace: trace.rank))


def read(file: Path) -> RankTrace:
    """One trace. Raises Problem for a file that is none."""
    with reading(file, "corrupt, not a Chrome trace", "trace again, by torch.profiler's export_chrome_trace"):
        data: dict[str, Any] = json.loads(file.read_text())
        rank = int(data.get("distributedInfo", {}).get("rank", 0))
        base_us = float(data.get("baseTimeNanoseconds", 0)) / 1e3
        events = [
            {**e, "ts": e["ts"] + base_us} for e in data["traceEvents"] if e.get("ph") == "X" and e.get("dur", 0) > 0
        ]
        return _trace(rank, events)


def _trace(rank: int, events: Sequence[dict[str, Any]]) -> RankTrace:
    passing = [e for e in events if COMMUNICATION.match(str(e.get("name", "")))]
    kernels = [e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    operators = kernels or [e for e in events if e.get("cat") == "cpu_op"]
    compute = union(
        e for e in operators
        if not COMMUNICATION.match(str(e["name"])) and (kernels or OPERATOR.match(str(e["name"])))
    )  # fmt: skip
    everything = union(events)
    whole = np.array([[everything[0, 0], everything[-1, 1]]]) if len(everything) else everything
    together = sorted((float(e["ts"]) / 1e6, str(e["name"])) for e in passing if not BETWEEN_TWO.search(str(e["name"])))
    return RankTrace(rank, whole, compute, union(passing), tuple((name, at) for at, name in together))


def union(events: Iterable[dict[str, Any]]) -> Intervals:
    """The disjoint intervals that events (microseconds) cover."""
    spans = sorted((float(e["ts"]) / 1e6, (float(e["ts"]) + float(e["dur"])) / 1e6) for e in events)
    merged: list[list[float]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return np.array(merged, dtype=np.float64).reshape(-1, 2)


def both(a: Intervals, b: Intervals) -> Intervals:
    """What lies in both."""
    found = []
    i = j = 0
    while i < len(a) and j < len(b):
        begin, end = max(a[i, 0], b[j, 0]), min(a[i, 1], b[j, 1])
        if begin < end:
            found.append([begin, end])
        if a[i, 1] < b[j, 1]:
            i += 1
        else:
            j += 1
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def without(a: Intervals, b: Intervals) -> Intervals:
    """What of `a` does not lie in `b`."""
    if not len(a):
        return a
    edges = np.concatenate(([a[0, 0]], b.reshape(-1), [a[-1, 1]]))
    gaps = edges.reshape(-1, 2)
    return both(a, gaps[gaps[:, 0] < gaps[:, 1]])


def length(intervals: Intervals) -> float:
    return float((intervals[:, 1] - intervals[:, 0]).sum())
