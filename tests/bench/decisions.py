"""How long the commands that decide take over 100,000 made-up records: in a process of their own, the best of three."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure
from tests.dashboard.synthetic import many_runs

PROMISED_SECONDS = 2.0
REPEATS = 3
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    (200, 500, ("best", "scan", "--T", "512", "--H", "1024", "--dtype", "bfloat16")),
    (200, 500, ("ablate", "scan", "--dtype", "bfloat16")),
    (2, 50_000, ("compare", "synthetic-0000", "synthetic-0001")),
)
"""Runs, records of each, and a command over them."""


def measure() -> Iterator[Figure]:
    made: dict[tuple[int, int], Path] = {}
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder:
        for runs, records, words in COMMANDS:
            profiles = made.setdefault((runs, records), Path(folder) / f"{runs}")
            if not profiles.exists():
                many_runs(profiles, runs, records)
            seconds = min(_seconds((*words, "--profiles", str(profiles))) for _ in range(REPEATS))
            yield Figure(f"{words[0]} on {runs * records:,} records", seconds, "s", PROMISED_SECONDS)


def _seconds(words: tuple[str, ...]) -> float:
    script = Path(sys.executable).with_name("workbench")
    start = time.perf_counter()
    subprocess.run([script, *words], stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
    return time.perf_counter() - start
