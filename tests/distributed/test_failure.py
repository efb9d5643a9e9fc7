"""Of several ranks that failed, the line names the one that began it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.distributed.failure import Failure, told
from workbench.distributed.launch import ALONE, Machines, _why
from workbench.problem import Problem

LOG = Path("log")
CLOSED = Failure.of(RuntimeError("Connection closed by peer [127.0.0.1]:1"), 0)


@pytest.mark.parametrize(
    ("failures", "line"),
    [
        ([CLOSED, Failure.of(Problem("mend this"), 1), Failure.of(ValueError("no"), 2)], "mend this"),
        ([CLOSED, Failure.of(ValueError("no"), 2)], "rank 2: ValueError: no (all that the ranks wrote: log)"),
        (
            [CLOSED],
            "ranks 1, 2 did not come: rank 0 waited: RuntimeError: Connection closed by peer [127.0.0.1]:1 (all that "
            "the ranks wrote: log)",
        ),
    ],
)
def test_the_first_cause_is_told(failures: list[Failure], line: str) -> None:
    assert told(failures, 3, LOG) == line


def test_a_failure_is_written_read_and_forgotten(tmp_path: Path) -> None:
    CLOSED.write(str(tmp_path))
    (tmp_path / "failed-1.json").write_text("{")
    assert Failure.all_of(str(tmp_path)) == [CLOSED]
    Failure.forget(str(tmp_path), 0)
    Failure.forget(str(tmp_path), 0)
    assert Failure.all_of(str(tmp_path)) == []


def test_ranks_that_nccl_has_ended_name_the_one_that_did_not_come() -> None:
    """Its watchdog aborts whoever waits too long, in C++: of that the log alone tells, as of any attempt before."""
    gave_up = (
        "[rank{rank}]:[E1206 18:44:12.7 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation "
        "timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=5000) ran for 5013 ms"
    )
    ended = "E1206 elastic/multiprocessing/api.py:984] failed (exitcode: -6) local_rank: 0 (pid: 7) of binary: python"
    lines = [gave_up.format(rank=1), ended, gave_up.format(rank=0), gave_up.format(rank=2), ended]
    told_of = _why([], 3, lines, ALONE, LOG, 1)
    assert told_of == "rank 1 did not come: rank 0 waited in allreduce until NCCL gave up; see log"


def test_a_rank_that_a_signal_has_ended_has_its_number_among_all() -> None:
    """torchrun counts the ranks of each machine from 0."""
    lines = ["E1206 elastic/multiprocessing/api.py:984] failed (exitcode: -9) local_rank: 1 (pid: 7) of binary: python"]
    assert _why([], 6, lines, ALONE, LOG, 1) == "rank 1 was ended by signal 9; see log"
    assert _why([], 6, lines, Machines(3, 2, "a:1"), LOG, 1) == "rank 5 was ended by signal 9; see log"
