"""Of several ranks that failed, the line names the one that began it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.distributed.failure import Failure, told
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
