"""`workbench train` as a user runs it: weights, restarts, checkpoints read by other ranks, and what is refused."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.mixer import STEPS
from tests.distributed.trainings import ENVIRONMENT, TASK, command, difference, left_over, ranks_of
from workbench.cli import main
from workbench.distributed.launch import start
from workbench.distributed.loop import Training
from workbench.distributed.mesh import Sizes
from workbench.problem import Problem


def told(options: list[object], task: str, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> str:
    """The line that the command ends with, in this process: no rank is to be started."""
    patch.setattr(sys, "argv", ["workbench", "train", task, *map(str, options)])
    patch.setattr("workbench.distributed.launch.start", lambda *_: pytest.fail("ranks were started"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code not in (0, None)
    error = capture.readouterr().err
    assert error.startswith("workbench: ") and error.count("\n") == 1
    return error


def wait_for(what: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    """What is waited for, or a failure where the process ends before it comes."""
    while True:
        found = what()
        if found:
            return found
        assert process.poll() is None, f"ended with status {process.returncode}"
        time.sleep(0.05)


def test_killed_ranks_and_a_killed_command_cost_steps_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rank is killed after the first checkpoint, which its command mends; then the command is, and nothing of it
    stays. Another command goes on, with other ranks, and ends with the weights of a training that nobody disturbed."""
    out = tmp_path / "out"
    env = {**ENVIRONMENT, "STEP_PAUSE_S": "0.2"}
    first = command(out, "--data", 2, "--sharded", "--checkpoint-every", 4, "--restarts", 1)
    with subprocess.Popen(first, stdout=subprocess.DEVNULL, env=env) as process:
        checkpoints = out / "checkpoints"
        wait_for(lambda: any(checkpoints.glob("step-*")), process)
        wait_for(lambda: ranks_of(out).get(1), process).kill()
        wait_for(lambda: "resumed_at" in (out / "rank-1.jsonl").read_text(), process)
        wait_for(lambda: (checkpoints / "step-00000012").exists(), process)
        process.kill()
    while left_over(out):  # the tests' own limit of time ends this
        time.sleep(0.05)
    monkeypatch.setattr(sys, "argv", ["workbench", *command(out, "--sequence", 2, "--trace", 2)[3:]])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert difference(out) < 1e-12
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["ranks"], found["steps"], found["restarts"]) == (2, STEPS, 1)
    assert found["last_loss"] < found["first_loss"]
    assert [time["rank"] for time in found["times"]] == [0, 1]
    for rank in found["times"]:
        assert 0 < rank["communication_s"] < rank["total_s"] and 0 < rank["compute_s"] < rank["total_s"]
    assert left_over(out) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--data", 3], "4 sequences are not divided by 3 ranks: choose a divisor"),
        (["--sequence", 5], "24 time steps are not divided by 5 ranks: choose a divisor"),
        (["--steps", 0], "--steps 0: at least 1"),
        (["--pipeline", "space"], "--pipeline space: batch or time"),
        (["--pipeline", "time", "--data", 2], "a pipeline is a line of --stages ranks"),
        (["--pipeline", "batch", "--parts", 3], "4 sequences are not divided into 3 parts: choose a divisor"),
        (["--carry", "pigeon"], "--carry pigeon: gather or chain"),
        (["--sequence", 2, "--average-every", 2], "weights averaged every few steps are for data parallel ranks alone"),
    ],
)
def test_what_does_not_fit_is_one_line(
    options: list[object], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert line in told(["--out", tmp_path / "out", *options], TASK, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def make(): return 3\n", "what it returns has no model and no batch and no loss; see docs/distributed.md"),
        ("def make(): raise ValueError('no data here')\n", "task.py: ValueError: no data here"),
        ("def other(): pass\n", "has no attribute 'make'"),
        ("def make(:\n", "task.py: SyntaxError: "),
    ],
)
def test_a_task_that_is_none_is_one_line(
    text: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "task.py").write_text(text)
    assert line in told(["--out", tmp_path / "out"], f"{tmp_path / 'task.py'}:make", capsys, monkeypatch)
    assert not (tmp_path / "out").exists()


def started(folder: Path, count: int, port: int = 0) -> str:
    """What ranks end with that are started and cannot go on."""
    training = Training(TASK, str(folder), steps=STEPS, sizes=Sizes(data=count))
    with pytest.raises(Problem) as end:
        start(training, count, most_restarts=0, port=port)
    assert left_over(folder) == []
    return str(end.value)


def test_an_error_of_a_rank_is_told_with_its_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL_AT", "0:3")
    line = started(tmp_path, 1)
    assert line.startswith("rank 0: RuntimeError: planted at step 3 (all that the ranks wrote: ")
    assert "\n" not in line


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        line = started(tmp_path, 2, port=holder.getsockname()[1])
    assert "the port is taken by another program" in line and "\n" not in line
