"""Calls of several workers at once: for work that no clock is involved in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from workbench.execute.channel import bounded
from workbench.execute.failures import FAILURES
from workbench.execute.worker import Worker

Begin = Callable[[], Worker]
"""Starts a call of a worker, new or old, and hands the worker over; may raise one of FAILURES."""
Outcome = tuple[int, Any, Exception | None]
"""Which of the calls it was, what it returned, and how it failed."""


def side_by_side(begins: Sequence[Begin], timeout_s: float, at_once: int | None = None) -> Iterator[Outcome]:
    """Each call's outcome as soon as it is there, never more than `at_once` (as many as cores) under way.

    Each has `timeout_s` from its own start; one that takes longer is ended. Workers stay open: whoever began them
    closes them.
    """
    waiting = list(enumerate(begins))[::-1]
    running: dict[Any, tuple[int, Worker, float]] = {}
    slots = at_once or len(os.sched_getaffinity(0))
    while waiting or running:
        while waiting and len(running) < slots:
            place, begin = waiting.pop()
            try:
                worker = begin()
            except FAILURES as failure:
                yield place, None, failure
                continue
            running[worker.connection] = place, worker, time.monotonic() + bounded(timeout_s)
        if not running:
            continue
        first = min(deadline for _, _, deadline in running.values())
        readable = wait(list(running), timeout=bounded(first - time.monotonic()))
        ready = [c for c in readable if running[c][1].arrived()]  # half an answer keeps nobody else waiting
        late = [c for c, (_, _, deadline) in running.items() if deadline <= time.monotonic()]
        for connection in ready or late:
            place, worker, _ = running.pop(connection)
            try:
                yield place, worker.result(timeout_s), None
            except FAILURES as failure:
                yield place, None, failure
