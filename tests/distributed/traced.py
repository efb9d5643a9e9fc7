"""Traces of two ranks as torch.profiler writes them: the second comes a second late to two collectives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def traced(folder: Path) -> None:
    """Each rank: computes, sums, computes, sums, in 4 s since 100 s; the bases of their clocks differ."""
    folder.mkdir(parents=True)
    for rank, base_s in ((0, 60), (1, 90)):
        spans = [("aten::mm", 0, 0.5 + rank), ("gloo:all_reduce", 0.5 + rank, 2)]
        spans += [(name, begin + 2, end + 2) for name, begin, end in spans]
        spans.append(("_SequenceScan", 0, 4))  # an autograd function is drawn around what it waits for
        events = [_event(name, 100 - base_s + begin, 100 - base_s + end) for name, begin, end in spans]
        data = {
            "distributedInfo": {"rank": rank}, "baseTimeNanoseconds": int(base_s * 1e9),
            "traceEvents": [*events, {"ph": "M", "name": "process_name"}],
        }  # fmt: skip
        (folder / f"trace-{rank}.json").write_text(json.dumps(data))


def _event(name: str, begin_s: float, end_s: float) -> dict[str, Any]:
    kind = "user_annotation" if name.startswith("gloo:") else "cpu_op"
    return {"ph": "X", "cat": kind, "name": name, "ts": begin_s * 1e6, "dur": (end_s - begin_s) * 1e6}
