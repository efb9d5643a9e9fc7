"""Reads what a profiler left, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.problem import Problem
from workbench.profile.failures import explain
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
        with path.open("rb") as file:
            start = file.read(4)
        other = what_it_is(path)
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; name a .ncu-rep or the output of ncu --csv --page raw") from None
    if other is not None:
        raise Problem(f"{path}: {other}")
    if start.startswith((MAGIC, ZSTD)) or not start or (path.suffix == ".ncu-rep" and not looks_like_csv(path)):
        return read_report(path)
    if not looks_like_csv(path):
        said = "\n".join(log_lines(path))
        if said:
            failure = explain(said, 0, path)
            raise failure if failure is not None else Problem(f"{path}: ncu's log alone, without a page; profile again")
    return read_csv(path)
