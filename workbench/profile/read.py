"""Reads what a profiler left, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.problem import Problem
from workbench.profile.failures import explain_log
from workbench.profile.other_tools import what_it_is
from workbench.profile.page_text import log_lines
from workbench.profile.read_csv import looks_like_csv, read_csv
from workbench.profile.read_report import ZSTD, read_report
from workbench.profile.report_blocks import MAGIC
from workbench.store.launch import Launch


def read_launches(path: Path) -> Iterator[Launch]:
    """The launches of a `.ncu-rep` or of a CSV page, told apart by what is in them and not by their names.

    Raises Problem for what is missing, unreadable, empty, cut short, or neither.
    """
    try:
        if path.exists() and not path.is_file():
            # A pipe gives its bytes once, a device gives them without end.
            raise Problem(f"{path}: no file but a folder, pipe or device; save the report into a file and import that")
        with path.open("rb") as file:
            start = file.read(4)
        if start.startswith((MAGIC, ZSTD)) or not start:
            return read_report(path)
        other = what_it_is(path)
        if _is_page(path, other):
            return read_csv(path)
        said = "" if other else "\n".join(log_lines(path))
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a .ncu-rep or the output of ncu --csv --page raw") from None
    if other is not None:
        raise Problem(f"{path}: {other}")
    if said:
        raise Problem(f"{path}: the log of ncu without a page of counters: {explain_log(said)}")
    if path.suffix in (".ncu-rep", ".ncu-repz", ".nsight-cuprof-report"):
        return read_report(path)
    raise Problem(f"{path}: not an Nsight Compute report; import a .ncu-rep or the output of ncu --csv --page raw")


def _is_page(path: Path, other: str | None) -> bool:
    """Whether a header of ncu's pages stands in the file, whatever else the profiled program may have printed."""
    try:
        return looks_like_csv(path)
    except Problem:  # lines as long as other tools write them
        if other is None:
            raise
        return False
