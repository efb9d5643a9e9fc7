"""Shares of what is possible as the working set grows out of one cache after the other: none over 103 % is unexplained.

A sweep of the CPU's scans over T = 64 to 65,536, at an H whose rows do not end on cache lines and at one whose do: sets
from 26 kB to 400 MB. Cold times are held against memory, hot ones against the level that holds their data.
`python -m tests.bench.caches PROFILES RUN` prints the table of a run that was swept so, in Markdown.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tests.bench.figure import Figure
from workbench.model.figures import OVER, UNEXPLAINED
from workbench.quantity import quantity
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import run_summary

SWEEP = (
    "scan", "--variants", "scan/scalar,scan/simd,scan/streaming", "--B", "1", "--T", "64:65536:x4", "--H", "33,512",
    "--device", "cpu",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder:
        command = [sys.executable, "-m", "workbench", "sweep", *SWEEP, "--name", "caches", "--profiles", folder]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield from figures_of(timed_of(Path(folder), "caches"))


def timed_of(profiles: Path, run: str) -> pd.DataFrame:
    """The records of a run that have a time, with derived figures."""
    records = read_records([run_summary(run, profiles)], Filter()).frame
    return records[records["time.median_s"].notna()]


def figures_of(timed: pd.DataFrame) -> Iterator[Figure]:
    over = timed["over"].dropna()
    yield Figure("times of scans, T = 64 … 65,536, H = 33 and 512", len(timed), "")
    yield Figure("of them on a disturbed machine", int(timed["disturbed"].astype(bool).sum()), "")
    yield Figure(f"over {quantity(OVER, '%')}, with a reason", int((over != UNEXPLAINED).sum()), "")
    yield Figure(f"over {quantity(OVER, '%')}, unexplained", int((over == UNEXPLAINED).sum()), "", 0)
    yield Figure("cold: largest share of the limit", float(timed["share_of_limit"].max()), "%")
    for level, own in timed.groupby("hot.lives_in"):
        yield Figure(f"hot, fits in {level}: largest share of the limit", float(own["hot.share_of_limit"].max()), "%")


def table(timed: pd.DataFrame) -> str:
    """The shares by working set, the smallest first."""
    head = ("T", "H", "variant", "working set", "fits in", "cold, % of the best possible", "cold, % of its own model",
            "hot, % of the best possible", "hot, % of its own model", "over 103 %")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---:|---:|---|---:|---|---:|---:|---:|---:|---|"]
    shares = ["share_of_limit", "share_of_floor", "hot.share_of_limit", "hot.share_of_floor"]
    for row in timed.sort_values(["time.working_set_bytes", "variant"]).to_dict("records"):
        of = [quantity(row[share], "%") for share in shares]
        set_of = quantity(row["time.working_set_bytes"], "B")
        told = [row["over"]] if isinstance(row["over"], str) else []
        notes = "; ".join([*told, *(["disturbed"] if row["disturbed"] else [])])
        lives_in = row["hot.lives_in"] if isinstance(row["hot.lives_in"], str) else "memory"
        cells = [f"{row['shape.T']:,}", str(row["shape.H"]), row["variant"], set_of, lives_in, *of, notes]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(timed_of(Path(sys.argv[1]), sys.argv[2])))
