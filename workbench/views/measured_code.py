"""The machine code that an imported report carries, with what the profiler counted of each instruction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench.profile.read_code import Instruction, read_code
from workbench.store.counters import REPORTS
from workbench.views.query import kept
from workbench.views.runs import RunSummary

PAGES = (".csv", ".txt", ".log")
"""Reports that are pages of text: they hold no machine code."""


def measured_code(run: RunSummary, kernel: str) -> pd.DataFrame:
    """An instruction a row, in the order of the code, of a kernel by its whole name: the columns of the figures' table
    `measured_lines`. Empty where no report of the run has counters by instruction. Raises Problem for one that cannot
    be read."""
    files = reports_of(run)
    key = ("measured code", tuple((file, file.stat().st_mtime_ns) for file in files), kernel)
    return kept(key, lambda: _of(files, kernel))


def reports_of(run: RunSummary) -> list[Path]:
    """The reports that were imported into a run, and that may hold machine code."""
    folder = run.path / REPORTS
    return [file for file in sorted(folder.glob("*")) if file.is_file() and file.suffix not in PAGES]


def _of(files: Sequence[Path], kernel: str) -> pd.DataFrame:
    for file in files:
        if code := read_code(file, kernel):
            return pd.DataFrame([_row(one) for one in code])
    return pd.DataFrame()


def _row(one: Instruction) -> dict[str, object]:
    counted = one.counted
    ideal = {"excess": ("sectors", "sectors_ideal"), "conflicts": ("wavefronts", "wavefronts_ideal")}
    beyond = {
        name: counted[all_] - counted[least] for name, (all_, least) in ideal.items() if {all_, least} <= set(counted)
    }
    named = {
        name: counted[name] for name in ("executed", "threads", "sectors", "wavefronts", "samples") if name in counted
    }
    return {
        "file": one.file,
        "line": one.line or None,
        "address": f"{one.address:04x}",
        **{f"ncu.{name}": count for name, count in (named | beyond).items()},
        "ncu.stall": one.stall or None,
        # The reader has no words for machine code before sm_75.
        "text": None if one.sass.startswith("???") else one.sass,
    }


def by_line(code: pd.DataFrame) -> pd.DataFrame:
    """The same counts by source line, the hottest first; empty where it was compiled without line information."""
    with_line = code[code["line"].notna()] if len(code) else code
    if with_line.empty:
        return with_line
    counts = [name for name in code.columns if name.startswith("ncu.") and name != "ncu.stall"]
    found = with_line.groupby(["file", "line"], sort=False)[counts].sum().reset_index()
    found["instructions_of_line"] = with_line.groupby(["file", "line"], sort=False).size().to_numpy()
    first = "ncu.samples" if "ncu.samples" in counts else "ncu.executed"
    return found.sort_values(first, ascending=False, kind="stable", ignore_index=True)
