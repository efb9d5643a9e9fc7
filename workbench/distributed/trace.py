"""Where a rank's time goes, from the Chrome trace that torch.profiler wrote of it (or of anybody's training).

Communication is what the collectives' own names say: gloo's are annotations `gloo:…`, NCCL's are kernels `nccl…`.
Computing is what ran on the device (kernels) where the trace has any, else torch's outermost operators on the host.
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

COMMUNICATION = re.compile(r"^(gloo:|nccl:|nccl(Dev)?Kernel)", re.IGNORECASE)
WRAPPERS = re.compile(r"^(ProfilerStep|Optimizer\.|record_param_comms|c10d::|## )")
"""Annotations around other work: neither computing nor communicating themselves."""

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
            return f"{100 * seconds / self.total_s:.0f} %" if self.total_s else "–"

        return (
            f"rank {self.rank}: computing {share(self.compute_s)}, exposed communication {share(self.exposed_s)}, "
            f"hidden communication {share(self.overlap_s)}, neither {share(self.other_s)} of {self.total_s:.3g} s"
        )


def rank_times(folder: Path) -> tuple[RankTime, ...]:
    """Of every `trace-RANK.json` of a training's folder. Raises Problem for one that is no Chrome trace."""
    return tuple(rank_time(file) for file in sorted(folder.glob("trace-*.json")))


def rank_time(file: Path) -> RankTime:
    """Of one trace. Raises Problem for a file that is none."""
    with reading(file, "corrupt, not a Chrome trace", "trace again, by torch.profiler's export_chrome_trace"):
        data: dict[str, Any] = json.loads(file.read_text())
        rank = int(data.get("distributedInfo", {}).get("rank", 0))
        events = [e for e in data["traceEvents"] if e.get("ph") == "X" and e.get("dur", 0) > 0]
        return _rank_time(rank, events)


def _rank_time(rank: int, events: Sequence[dict[str, Any]]) -> RankTime:
    communication = union(e for e in events if COMMUNICATION.match(str(e.get("name", ""))))
    kernels = [e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    operators = kernels or [e for e in events if e.get("cat") == "cpu_op"]
    compute = union(
        e for e in operators
        if not COMMUNICATION.match(str(e["name"])) and not WRAPPERS.match(str(e["name"]))
    )  # fmt: skip
    everything = union(events)
    total = float(everything[-1, 1] - everything[0, 0]) if len(everything) else 0.0
    return RankTime(rank, total, length(compute), length(communication), length(both(compute, communication)))


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


def length(intervals: Intervals) -> float:
    return float((intervals[:, 1] - intervals[:, 0]).sum())
