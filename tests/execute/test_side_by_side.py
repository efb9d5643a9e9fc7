"""Calls of several workers at once: each outcome once, no more under way than allowed, each with a limit of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from workbench.execute.failures import WorkerCrashed, WorkerTimeout
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import Worker, close_all
from workbench.problem import Problem


class Sleeper:
    """Lives in a worker process."""

    def doze(self, seconds: float) -> tuple[float, float]:
        start = time.monotonic()
        time.sleep(seconds)
        return start, time.monotonic()

    def meet(self, folder: Path, name: str, count: int) -> tuple[float, float]:
        """Comes back once `count` calls have begun, however slowly they do."""
        start = time.monotonic()
        (folder / name).touch()
        while len(list(folder.iterdir())) < count:
            time.sleep(0.005)
        return start, time.monotonic()

    def die(self) -> None:
        raise ValueError("odd")


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    made = [Worker("tests.execute.test_side_by_side:Sleeper") for _ in range(4)]
    for worker in made:
        worker.call("doze", 0.0, timeout_s=60.0)
    yield made
    close_all(made)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_no_more_are_under_way_than_allowed(workers: list[Worker], at_once: int, tmp_path: Path) -> None:
    begins = [partial(worker.start, "meet", tmp_path, str(i), at_once) for i, worker in enumerate(workers)]
    found = {place: times for place, times, failure in side_by_side(begins, 60.0, at_once) if failure is None}
    assert sorted(found) == [0, 1, 2, 3]
    most = max(sum(a <= start < b for a, b in found.values()) for start, _ in found.values())
    assert most == at_once


def test_each_fails_for_itself(workers: list[Worker]) -> None:
    def refuse() -> Worker:
        raise Problem("not this one")

    begins = [partial(workers[0].start, "doze", 60.0), refuse, partial(workers[1].start, "die"),
              partial(workers[2].start, "doze", 0.0)]  # fmt: skip
    outcomes = {place: failure for place, _, failure in side_by_side(begins, 0.5, 4)}
    assert isinstance(outcomes[0], WorkerTimeout) and str(outcomes[0]) == "no answer within 0.5 s"
    assert isinstance(outcomes[1], Problem) and isinstance(outcomes[2], WorkerCrashed) and outcomes[3] is None


def test_a_limit_counts_from_the_call_s_own_start(workers: list[Worker]) -> None:
    begins = [partial(worker.start, "doze", 0.4) for worker in workers]
    assert [failure for _, _, failure in side_by_side(begins, 1.0, 1)] == [None] * 4
