"""How long the command line takes to say something: in a process of its own, the best of five."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure

PROMISED_SECONDS = {("--help",): 0.3, ("list",): 0.6}
REPEATS = 5
ROOT = Path(__file__).resolve().parents[2]


def measure() -> Iterator[Figure]:
    for arguments, promised in PROMISED_SECONDS.items():
        seconds = min(seconds_of(arguments) for _ in range(REPEATS))
        yield Figure(f"workbench {' '.join(arguments)}", seconds, "s", promised)


def seconds_of(arguments: tuple[str, ...]) -> float:
    """Wall time of one run of the installed script, its output thrown away."""
    script = Path(sys.executable).with_name("workbench")
    start = time.perf_counter()
    subprocess.run([script, *arguments], stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
    return time.perf_counter() - start
