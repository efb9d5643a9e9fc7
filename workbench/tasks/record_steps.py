"""Times of single training steps, written beside trainings and read again: `steps.jsonl`, a line per size."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch

from workbench.durable import write_whole
from workbench.execute.this_machine import device_name
from workbench.foreign import reading
from workbench.quantity import quantity
from workbench.statistics.intervals import ratio_interval
from workbench.tasks.parts import clock_here

FILE = "steps.jsonl"


def write_steps(
    folder: Path, name: str, sizes: Mapping[str, int], found: Mapping[str, Sequence[Sequence[float]]], device: str
) -> dict[str, Any]:
    """Puts a size's times, subject → (forward, backward) seconds of each step, in place of earlier ones of the same
    name. Returns the line."""
    line = {
        "name": name,
        "sizes": dict(sizes),
        "seconds": {subject: [list(pair) for pair in pairs] for subject, pairs in found.items()},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name("cuda" if device.startswith("cuda") else "cpu"),
        "clock": clock_here(device),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__},
        "load": os.getloadavg()[0],
    }
    folder.mkdir(parents=True, exist_ok=True)
    kept = [other for other in read_steps(folder) if other["name"] != name]
    lines = sorted([*kept, line], key=lambda one: str(one["created"]))
    write_whole(folder / FILE, "".join(json.dumps(one) + "\n" for one in lines).encode())
    return line


def read_steps(folder: Path) -> tuple[dict[str, Any], ...]:
    """Lines in the order in which they were measured; none where nothing was. Raises Problem for a file that is
    another."""
    file = folder / FILE
    if not file.exists():
        return ()
    with reading(file, "corrupt, not the times of steps", "remove it, and measure again"):
        lines = tuple(dict(json.loads(line)) for line in file.read_text().splitlines())
        for line in lines:
            steps_text([line], next(iter(line["seconds"])))
        return lines


def steps_text(lines: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """A table in Markdown per size: forward, backward, both, and how many times the baseline takes as long, with its
    interval."""
    blocks = []
    for line in lines:
        sizes = " ".join(f"{axis}={size}" for axis, size in line["sizes"].items())
        blocks += [
            f"{line['name']} ({sizes}), {line['device']}, {line['created'][:10]}, load {line['load']:.1f}:",
            "",
            f"| layer | forward | backward | training step | {baseline} over it | interval |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        whole = {subject: [sum(pair) for pair in pairs] for subject, pairs in line["seconds"].items()}
        for subject, pairs in line["seconds"].items():
            times = [quantity(median(pair[place] for pair in pairs), "s") for place in (0, 1)]
            ratio, interval = "–", "–"
            if baseline in whole:
                low, high = ratio_interval(whole[subject], whole[baseline])
                ratio = quantity(median(whole[baseline]) / median(whole[subject]), "x")
                interval = f"{quantity(low, 'x')} – {quantity(high, 'x')}"
            cells = [*times, quantity(median(whole[subject]), "s"), ratio, interval]
            blocks.append(f"| {subject} | {' | '.join(cells)} |")
        blocks.append("")
    return "\n".join(blocks).strip()
