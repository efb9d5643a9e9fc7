"""Ranks find each other, after a restart too, and none waits longer than it was told to."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tests.distributed.ranks import on_ranks
from workbench.distributed.mesh import Sizes, _require_same, _within, agreed, ranks, versions
from workbench.problem import Problem

TIMEOUT_S = 20.0


def sums_of_attempts(rank: int, size: int) -> list[float]:
    """torchrun's store outlives an attempt: of two, the second rank comes late to the second."""
    found = []
    for attempt in range(2):
        os.environ["TORCHELASTIC_RESTART_COUNT"] = str(attempt)
        if rank == attempt == 1:
            time.sleep(2.0)  # the first one reads its address meanwhile, if there is any to read
        with ranks(Sizes(data=size), TIMEOUT_S):
            value = torch.tensor(float(rank + 10 * attempt))
            dist.all_reduce(value)
            found.append(float(value))
    return found


def test_a_second_attempt_reads_no_address_of_the_first(tmp_path: Path) -> None:
    assert on_ranks(2, sums_of_attempts, folder=tmp_path, joined=False) == [[1.0, 21.0]] * 2


def timeouts(rank: int, size: int) -> list[float]:
    with ranks(Sizes(data=2, sequence=2), TIMEOUT_S) as mesh:
        groups = [mesh[name].get_group() for name in ("data", "sequence", "tensor")]
        groups += [dist.group.WORLD, mesh["data", "sequence"]._flatten("both").get_group(), dist.new_group([0, 1])]
        mine = [group for group in groups if dist.get_rank(group) >= 0]
        return [group._get_backend(torch.device("cpu")).options._timeout.total_seconds() for group in mine]


@pytest.mark.thorough
def test_every_group_of_a_mesh_waits_as_long_as_it_was_told_to(tmp_path: Path) -> None:
    """Torch's own default, which a mesh takes, is half an hour."""
    for found in on_ranks(4, timeouts, folder=tmp_path, joined=False):
        assert len(found) >= 5 and set(found) == {TIMEOUT_S}


def alone(rank: int, size: int) -> str:
    os.environ["WORLD_SIZE"] = "2"
    try:
        with ranks(Sizes(data=2), 1.0):
            return "joined"
    except ConnectionError as error:
        return str(error)


def test_a_rank_whose_others_never_come_raises(tmp_path: Path) -> None:
    (found,) = on_ranks(1, alone, folder=tmp_path, joined=False)
    assert found.startswith("the others are not reached at 127.0.0.1:")


def test_joining_ends_in_time_whatever_it_waits_for() -> None:
    with pytest.raises(TimeoutError, match=r"not within 0\.1 s"):
        _within(0.1, lambda: time.sleep(3600))
    with pytest.raises(ValueError, match="its own"):
        _within(60.0, lambda: int("its own"))
    assert _within(60.0, lambda: 3) == 3


def test_a_rank_with_another_version_is_named() -> None:
    store = dist.HashStore()
    _require_same(store, 0, versions())
    _require_same(store, 1, versions())
    with pytest.raises(
        Problem, match=rf"rank 2 on .+ has torch 1\.0, the first {re.escape(torch.__version__)}: install"
    ):
        _require_same(store, 2, {**versions(), "torch": "1.0"})


def test_ranks_of_an_attempt_meet_whatever_others_have_left() -> None:
    """Machines count their restarts each for itself; words of ranks that are gone stay in the store."""
    store = dist.HashStore()

    def attempt(names: dict[int, str]) -> set[str]:
        with ThreadPoolExecutor(len(names)) as ranks:
            size = len(names)
            return set(ranks.map(lambda rank: agreed(store, rank, size, names[rank], 20.0), names))

    first = attempt({0: "attempt-0", 1: "attempt-0", 2: "attempt-0"})
    again = attempt({2: "attempt-0", 1: "attempt-1", 0: "attempt-1"})
    assert len(first) == len(again) == 1 and first != again
    assert next(iter(again)).startswith("attempt-1-"), "as the first rank counts"
    with pytest.raises(TimeoutError, match=r"^ranks 1, 2 did not come$"):
        agreed(store, 0, 3, "attempt-2", 0.2)
    with pytest.raises(TimeoutError, match=r"^the first rank did not come$"):
        agreed(store, 1, 3, "attempt-2", 0.2)
