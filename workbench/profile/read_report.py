"""Reads `.ncu-rep` files with NVIDIA's own reader (the `ncu_report` wheel: no GPU, no driver, no ncu)."""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from workbench.foreign import reading
from workbench.problem import Problem
from workbench.profile.read_piece import read_piece
from workbench.profile.report_blocks import Blocks, read_blocks
from workbench.store.launch import Launch

PIECE = 25
"""Launches read at a time. NVIDIA's reader keeps all it touched, up to 4 MB a launch, until the file is closed."""

ZSTD = b"\x28\xb5\x2f\xfd"
"""How a `.ncu-repz` starts: a report under Zstandard, which NVIDIA's reader takes as a whole."""


def read_report(path: Path, processes: int = 2) -> Iterator[Launch]:
    """The launches of a report, in order.

    A report of many launches is read in pieces by `processes` processes, so that memory stays bounded.
    Raises Problem where the file is no report, is cut short, or holds no launch.
    """
    if importlib.util.find_spec("ncu_report") is None:
        raise Problem(f"{path}: NVIDIA's report reader is missing; pip install ncu-report")
    with reading(path, "not as Nsight Compute writes its reports", "copy it again, or profile again"):
        found = False
        for launch in read_piece(path) if compressed(path) else _in_pieces(read_blocks(path), processes):
            found = True
            yield launch
    if not found:
        raise Problem(f"{path}: a report with no kernel in it; nothing ran inside the profiled ranges, profile again")


def compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ZSTD)) == ZSTD


def _in_pieces(blocks: Blocks, processes: int) -> Iterator[Launch]:
    """Pieces in order, so many at a time, each by a process of its own."""
    ran_in = blocks.processes
    if not ran_in:
        return
    with ThreadPoolExecutor(processes) as pool:
        waiting: deque[tuple[int, int, Future[list[Launch]]]] = deque()
        for first, last in blocks.pieces(PIECE):
            waiting.append((first, last, pool.submit(read_piece, blocks.path, first, last)))
            # no more results wait in memory than processes run
            if len(waiting) > processes:
                yield from _finished(*waiting.popleft(), ran_in)
        while waiting:
            yield from _finished(*waiting.popleft(), ran_in)


def _finished(first: int, last: int, piece: Future[list[Launch]], ran_in: Sequence[str]) -> Iterator[Launch]:
    """The launches of a piece, each with the process that it ran in."""
    launches = piece.result()
    known = ran_in[first:last] if len(launches) == last - first else [""] * len(launches)
    for launch, process in zip(launches, known, strict=True):
        yield replace(launch, process=process)
