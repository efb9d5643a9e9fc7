"""All ranks' traces as one, on one clock, to open in Perfetto (https://ui.perfetto.dev) or chrome://tracing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from workbench.distributed.trace import aligned, events_of, files_of, traces


def together(folder: Path) -> bytes:
    """One Chrome trace (JSON, gzip): a process per rank, and one more for each device that it used. Times are from the
    first event of any rank. Raises Problem for a trace that is none."""
    _, later = aligned(traces(folder))
    ranks = sorted((events_of(file) for file in files_of(folder)), key=lambda one: one[0])
    begin = min((event["ts"] + 1e6 * later.get(rank, 0.0) for rank, events in ranks for event in events), default=0.0)
    made: list[dict[str, Any]] = []
    processes: dict[tuple[int, str], int] = {}
    for rank, events in ranks:
        for event in events:
            place = str(event.get("pid", "")) if event.get("cat") in DEVICE else ""
            process = processes.setdefault((rank, place), len(processes) + 1)
            at = event["ts"] + 1e6 * later.get(rank, 0.0) - begin
            made.append({**event, "ts": round(at, 3), "pid": process})
    named = [
        {
            "ph": "M", "name": kind, "pid": process, "tid": 0,
            "args": {"name": f"rank {rank}" + (f", device {place}" if place else "")} if kind == "process_name"
            else {"sort_index": process},
        }
        for (rank, place), process in processes.items()
        for kind in ("process_name", "process_sort_index")
    ]  # fmt: skip
    text = json.dumps({"traceEvents": named + made, "displayTimeUnit": "ms"}, default=str)
    return gzip.compress(text.encode(), compresslevel=5, mtime=0)


DEVICE = ("kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation")
"""Kinds of events that lie on a device, whose number their `pid` is."""
