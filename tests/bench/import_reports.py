"""How long, and in how much memory, a large report is imported: 1,000 launches of 700 metrics each.

`python -m tests.bench.import_reports FILE…` prints the same for reports of one's own.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.profile.metrics import needed_metrics

LAUNCHES = 1000
METRICS = 700
SECONDS_ALLOWED = 15.0
BYTES_ALLOWED = 1e9

ROOT = Path(__file__).resolve().parents[2]

Measured = tuple[str, float, str, float]


def write_page(path: Path, launches: int = LAUNCHES, metrics: int = METRICS) -> None:
    """A CSV raw page of so many launches, with the metrics that figures need and made-up ones up to the count."""
    numbers = random.Random(0)
    names = sorted(name for name in needed_metrics() if "__" in name and "display_name" not in name)
    names += [f"smsp__made_up_counter_{n}.sum" for n in range(metrics - len(names))]
    with path.open("w") as file:
        context = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size"]
        file.write(",".join(f'"{name}"' for name in [*context, "Grid Size", "Device", "CC", *names]) + "\n")
        units = ["usecond" if "time_duration" in name else "Kbyte" if "bytes" in name else "" for name in names]
        file.write(",".join(f'"{unit}"' for unit in ["", *[""] * 10, *units]) + "\n")
        for launch in range(launches):
            values = [f"{numbers.uniform(0, 1e6):,.2f}" for _ in names]
            row = [str(launch), "1", "python", "node", f"kernel_{launch % 50}", "1", "7", "(128, 1, 1)", "(256, 1, 1)"]
            file.write(",".join(f'"{value}"' for value in [*row, "0", "9.0", *values]) + "\n")


def timed_import(report: Path) -> tuple[float, float]:
    """Seconds, and the most bytes that the importing process and its helpers held at once."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.import_reports", "--import", str(report), folder],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        return time.perf_counter() - started, float(done.stdout.split()[-1])


def measure() -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.csv"
        write_page(page)
        seconds, held = timed_import(page)
    title = f"import of {LAUNCHES:,} launches of {METRICS} metrics"
    return [(f"{title}, time", seconds, "s", SECONDS_ALLOWED), (f"{title}, memory", held, "byte", BYTES_ALLOWED)]


def _import(report: Path, profiles: Path) -> None:
    from workbench.profile.import_report import import_as_run

    import_as_run(report, profiles)
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * min(2, os.cpu_count() or 1)
    print((kib + helpers) * 1024)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--import"]:
        _import(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        for name in sys.argv[1:]:
            seconds, held = timed_import(Path(name))
            print(f"{name}: {seconds:.1f} s, {held / 1e6:.0f} MB")
