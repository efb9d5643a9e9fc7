"""Where a rank's time goes, from the Chrome trace that torch.profiler wrote of it (or of anybody's training).

Communication is what the collectives' own names say: gloo's are annotations `gloo:…`, NCCL's are kernels `nccl…`, or,
where no kernel was traced, annotations `nccl:…`.
Computing is what ran on the device (kernels) where the trace has any, else torch's operators on the host.
Of a pipeline of ours the annotations of its steps and parts tell when a stage had no part to work on: its bubble.
Sums are over the union of intervals: what runs at the same time counts once.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.foreign import printable, reading
from workbench.problem import Problem
from workbench.quantity import quantity

COMMUNICATION = re.compile(r"^(gloo:|nccl:|nccl\w*Kernel)", re.IGNORECASE)
ASKED = re.compile(r"^nccl:", re.IGNORECASE)
"""The host's word for what a kernel of NCCL does later; a trace draws it on the device once more."""
BETWEEN_TWO = re.compile(r"send|recv", re.IGNORECASE)
OPERATOR = re.compile(r"^(?!_?c10d|autograd::)\w+::")
"""What computes on the host: `aten::mm`. An autograd function (`AddmmBackward0`, one of your own) and the engine's
`autograd::…` are drawn around what they call, waits for other ranks too."""
PASSING = re.compile(r"^_?c10d\w*::")
"""What passes tensors to other ranks or waits for theirs, `_c10d_functional::wait_tensor`. An operator that
computes with a tensor that is still on its way is drawn around the wait."""
PIPELINE_STEP, PIPELINE_PART = "pipeline:step", "pipeline:part"
CARRY = re.compile(r"^carry:(gather|chain) (\d{1,15})$")
NAMES = re.compile(r"^trace-.*\.json(\.gz)?$")
KEPT = 128
"""Traces that stay in memory once they are read, which takes seconds: what is kept of one is small."""
MOST_BYTES = 1 << 31
"""Of a trace once it is unpacked."""

Intervals = NDArray[np.float64]
"""(N, 2): begin and end in seconds, disjoint and in order."""


class Call(NamedTuple):
    """One collective of a group, or one passing of a state: when the rank came to it and when it went on."""

    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class RankTime:
    """One rank's traced time, in seconds."""

    rank: int
    total_s: float
    compute_s: float
    communication_s: float
    overlap_s: float
    """Communication while something is computed."""
    exposed_s: float
    """Communication that nothing hides, outside the bubble."""
    bubble_s: float
    """A stage of a pipeline that has no part to work on."""
    pipeline_s: float
    """The pipeline's steps, of which the bubble is a share."""

    @property
    def host_s(self) -> float:
        """Nothing of these: the host between operators, the optimiser's own Python, reading data."""
        return self.total_s - self.compute_s - self.exposed_s - self.bubble_s

    def text(self) -> str:
        def share(seconds: float, of: float = self.total_s) -> str:
            return quantity(seconds / of if of else None, "%")

        total = quantity(self.total_s, "s")
        bubble = f", bubble {share(self.bubble_s)}" if self.pipeline_s else ""
        return (
            f"rank {self.rank}: computing {share(self.compute_s)}, exposed communication {share(self.exposed_s)}"
            f"{bubble}, host {share(self.host_s)} of {total}; {share(self.overlap_s, self.communication_s)} of its "
            "communication is hidden by computing"
        )


@dataclass(frozen=True)
class RankTrace:
    """One rank's trace: intervals in seconds since a moment that all ranks of a machine share."""

    rank: int
    whole: Intervals
    """One interval, from the first event to the end of the last; none of an empty trace."""
    compute: Intervals
    communication: Intervals
    bubble: Intervals
    pipeline: Intervals
    collectives: tuple[Call, ...]
    """Those of a group (no sends between two), in order."""
    carries: tuple[Call, ...] = ()
    """States passed between blocks of time, in order: `carry:gather 4096` has the bytes of one state."""

    @property
    def exposed(self) -> Intervals:
        return without(without(self.communication, self.compute), self.bubble)

    def time(self) -> RankTime:
        return RankTime(
            self.rank, length(self.whole), length(self.compute), length(self.communication),
            length(both(self.compute, self.communication)), length(self.exposed), length(self.bubble),
            length(self.pipeline),
        )  # fmt: skip

    def later(self, seconds: float) -> RankTrace:
        """The same on another clock."""

        def calls(given: tuple[Call, ...]) -> tuple[Call, ...]:
            return tuple(Call(c.name, c.begin_s + seconds, c.end_s + seconds) for c in given)

        return RankTrace(
            self.rank, self.whole + seconds, self.compute + seconds, self.communication + seconds,
            self.bubble + seconds, self.pipeline + seconds, calls(self.collectives), calls(self.carries),
        )  # fmt: skip


def rank_times(folder: Path) -> tuple[RankTime, ...]:
    """Of every trace of a training's folder. Raises Problem for one that is no Chrome trace."""
    return tuple(trace.time() for trace in traces(folder))


def files_of(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(file for file in folder.glob("trace-*.json*") if NAMES.match(file.name)))


def traces(folder: Path) -> tuple[RankTrace, ...]:
    """Every `trace-*.json` (or `.json.gz`) of a folder, by rank. Raises Problem for one that is no Chrome trace, and
    for two of one rank."""
    found: dict[int, tuple[Path, RankTrace]] = {}
    for file in files_of(folder):
        trace = read(file)
        if trace.rank in found:
            raise Problem(
                f"{printable(file)}: of rank {trace.rank}, as {printable(found[trace.rank][0].name)} is; keep one "
                "trace per rank in a folder"
            )
        found[trace.rank] = file, trace
    return tuple(found[rank][1] for rank in sorted(found))


def aligned(ranks: Sequence[RankTrace]) -> tuple[tuple[RankTrace, ...], dict[int, float]]:
    """The traces on one clock, and by how many seconds each rank's was put later.

    Ranks of one machine share a clock already. A collective ends for nobody before all have come: where most do, clocks
    differ, and each is shifted by the median difference of its ends from those of the first rank.
    """
    shared = list(matched([trace.collectives for trace in ranks]))
    broken = sum(min(c.end_s for c in calls) < max(c.begin_s for c in calls) for calls in shared)
    if broken <= len(shared) / 2:
        return tuple(ranks), {}
    by = [median(calls[0].end_s - calls[place].end_s for calls in shared) for place in range(len(ranks))]
    return (
        tuple(trace.later(seconds) for trace, seconds in zip(ranks, by, strict=True)),
        {trace.rank: seconds for trace, seconds in zip(ranks, by, strict=True)},
    )


def matched(everyone: Sequence[Sequence[Call]]) -> Iterator[tuple[Call, ...]]:
    """Calls that every rank made equally often, by name and order: one of each rank."""
    came: list[dict[str, list[Call]]] = []
    for calls in everyone:
        by_name: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            by_name[call.name].append(call)
        came.append(by_name)
    for name in came[0] if came else ():
        if len({len(by_name.get(name, ())) for by_name in came}) == 1:
            yield from zip(*(by_name[name] for by_name in came), strict=True)


def events_of(file: Path) -> tuple[int, list[dict[str, Any]]]:
    """Rank and complete events of a trace, times in microseconds since the epoch. Raises Problem for a file that is no
    trace."""
    with reading(file, "corrupt, not a Chrome trace", "trace again, by torch.profiler's export_chrome_trace"):
        # No number in JSON, and no viewer's: missing.
        data: dict[str, Any] = json.loads(_bytes_of(file), parse_constant=lambda _: None)
        named = re.match(r"trace-(\d{1,9})\.", file.name)
        rank = int(data.get("distributedInfo", {}).get("rank", named.group(1) if named else 0))
        if not 0 <= rank < 1 << 24:
            raise ValueError(f"rank {rank}")
        base_us = float(data.get("baseTimeNanoseconds", 0)) / 1e3
        found = []
        for event in data["traceEvents"]:
            if event.get("ph") != "X":
                continue
            begin, lasts = float(event["ts"]) + base_us, float(event.get("dur", 0))
            if not (math.isfinite(begin) and math.isfinite(lasts)) or abs(begin) > 1e17 or lasts > 1e15:
                raise ValueError("an event at no time")
            if lasts > 0:
                found.append({**event, "ts": begin, "dur": lasts, "name": str(event.get("name", ""))})
        return rank, found


def _bytes_of(file: Path) -> bytes:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
        data: bytes = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("over 2 GiB")
    return data


def read(file: Path) -> RankTrace:
    """One trace. Raises Problem for a file that is none."""
    try:
        stamp = file.stat().st_mtime_ns, file.stat().st_size
    except OSError:
        stamp = 0, 0  # whoever opens it says why
    return _read(file, *stamp)


@lru_cache(maxsize=KEPT)
def _read(file: Path, changed_ns: int, size: int) -> RankTrace:
    rank, events = events_of(file)
    with reading(file, "corrupt, not a Chrome trace", "trace again, by torch.profiler's export_chrome_trace"):
        return _trace(rank, events)


def _trace(rank: int, events: Sequence[dict[str, Any]]) -> RankTrace:
    passing = [e for e in events if COMMUNICATION.match(e["name"])]
    done = [e for e in passing if not ASKED.match(e["name"])]
    passing = done if any(e.get("cat") == "kernel" for e in done) else passing
    kernels = [e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    if kernels:
        compute = union(e for e in kernels if not COMMUNICATION.match(e["name"]))
    else:
        compute = _computed([e for e in events if e.get("cat") == "cpu_op"])
    everything = union(events)
    whole = np.array([[everything[0, 0], everything[-1, 1]]]) if len(everything) else everything
    # The host's annotations alone: a trace of a GPU draws each once more over what it launched.
    noted = [e for e in events if e.get("cat") == "user_annotation"]
    steps = union(e for e in noted if e["name"] == PIPELINE_STEP)
    idle = without(steps, union(e for e in noted if e["name"] == PIPELINE_PART))
    return RankTrace(
        rank, whole, compute, union(passing), without(idle, compute), steps,
        _calls(e for e in passing if not BETWEEN_TWO.search(e["name"])),
        _calls(e for e in noted if CARRY.match(e["name"])),
    )  # fmt: skip


def _computed(operators: Iterable[dict[str, Any]]) -> Intervals:
    """When any thread of the host computed."""
    threads: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in operators:
        threads[f"{event.get('pid')} {event.get('tid')}"].append(event)
    found = [
        without(
            union(e for e in own if OPERATOR.match(e["name"]) and not COMMUNICATION.match(e["name"])),
            union(e for e in own if PASSING.match(e["name"])),
        )
        for own in threads.values()
    ]
    return _disjoint((begin, end) for intervals in found for begin, end in intervals.tolist())


def _calls(events: Iterable[dict[str, Any]]) -> tuple[Call, ...]:
    found = (Call(e["name"], e["ts"] / 1e6, (e["ts"] + e["dur"]) / 1e6) for e in events)
    return tuple(sorted(found, key=lambda call: (call.begin_s, call.name)))


def union(events: Iterable[dict[str, Any]]) -> Intervals:
    """The disjoint intervals that events (microseconds) cover."""
    return _disjoint((float(e["ts"]) / 1e6, (float(e["ts"]) + float(e["dur"])) / 1e6) for e in events)


def _disjoint(spans: Iterable[tuple[float, float]]) -> Intervals:
    merged: list[list[float]] = []
    for begin, end in sorted(spans):
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
