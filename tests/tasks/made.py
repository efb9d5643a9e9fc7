"""Lines of trainings that nobody did, so that every figure can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def made_training(folder: Path, task: str, qualities: Sequence[float]) -> None:
    """Two epochs of one subject, `middle`, with a seed for each quality at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, quality in enumerate(qualities):
        header = {
            "task": task, "subject": "middle", "seed": seed, "studied": "middles", "steps": 4, "parameters": 90,
            "parameters_studied": 20, "metric": {"name": "error", "unit": "", "lower_is_better": True},
            "goal": {"trivial": 1.0, "meaning": "always 0", "wanted": 0.35}, "settings": {},
            "data": [{"name": "generated", "numbers": 8000}], "clock": "cpu", "device": "a CPU",
            "created": "2026-01-01T00:00:00", "versions": {"torch": "2"},
        }  # fmt: skip
        parts = {"data": 1.0, "middles forward": 2.0, "middles backward": 3.0, "rest": 4.0}
        epochs = [
            {"epoch": 1, "quality": 0.9, "seconds": 50.0, "parts": {"rest": 50.0}, "load": 1.0},
            {"epoch": 2, "quality": quality, "seconds": 10.0, "parts": parts, "load": 2.0},
        ]
        end = {
            "ended": "", "more": {"weights": 1.0 + seed}, "one_more_layer_s": 7.0,
            "operators": {"aten": 0.75, "mine": 0.25},
        }  # fmt: skip
        lines = [header, *epochs, end]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"task-{task}-middle-{seed}.jsonl").write_text(text)
