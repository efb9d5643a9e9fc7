"""Traces of two ranks as torch.profiler writes them: the second comes a second late to two collectives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.distributed import links
from workbench.distributed.cost import CARRIES, COLLECTIVES, cost
from workbench.distributed.links import Links


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


ALPHA_S, BETA_S = 1e-4, 1e-9


def recorded(folder: Path, ranks: int = 2, **training: Any) -> None:
    """Two ranks' traces, and what a training writes beside them: links of exactly these α and β, steps of 1 s."""
    traced(folder)
    write_lines(folder, ranks, [1.0] * 12)
    passed = {
        "batch": 16, "steps": 4096, "weights": 1 << 20, "scans": 2, "state": 1 << 14, "rows": 2, "row_output": 1 << 22,
        "channels": 64, "between": 1 << 22,
    }  # fmt: skip
    write_facts(folder, ranks, passed, **training)
    samples: dict[str, dict[int, list[float]]] = {}
    for name in (*COLLECTIVES, *CARRIES):
        samples[name] = {}
        for size in (1024, 1 << 20):
            hops, moved = cost(name, ranks, size)
            samples[name][size] = [hops * ALPHA_S + moved * BETA_S] * 3
    links.write(Links(ranks, "gloo", samples), folder)


def write_lines(folder: Path, ranks: int, seconds: Sequence[float]) -> None:
    """What ranks write of their steps: all as long, in each step."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in range(ranks):
        lines = [
            {"rank": rank, "attempt": 0, "step": step, "start_s": 0.0, "seconds": long, "loss": 2.0 - 0.1 * step}
            for step, long in enumerate(seconds)
        ]
        (folder / f"rank-{rank}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_facts(
    folder: Path, ranks: int, passed: dict[str, int] | None = None, unseen: str = "", **training: Any
) -> None:
    fields = {
        "sizes": {"data": 1, "sequence": ranks, "tensor": 1}, "pipeline": None, "parts": 4, "traced_steps": 2,
        "grown": 1, **training,
    }  # fmt: skip
    found = {
        "training": fields, "ranks": ranks, "device": "cpu", "cores": 2, "threads": 1, "torch": "2", "passed": passed,
        "unseen": unseen,
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(found))
