"""`workbench train` as a user runs it: weights, restarts, checkpoints read by other ranks, and what is refused."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.distributed.mixer import STEPS
from tests.distributed.trainings import ENVIRONMENT, TASK, command, difference, left_over, ranks_of
from workbench.cli import main
from workbench.distributed.launch import Machines, start
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


def test_a_killed_rank_costs_steps_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rank is killed after the first checkpoint; its command goes on from it and ends with the weights of a training
    that nobody disturbed. (tests.campaign.ranks kills ranks among others, and commands, at random moments.)"""
    out = tmp_path / "out"

    def kill() -> None:
        while not any((out / "checkpoints").glob("step-*")):
            time.sleep(0.05)  # the tests' own limit of time ends this
        ranks_of(out)[0].kill()

    monkeypatch.setenv("STEP_PAUSE_S", "0.15")
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    options = ["--checkpoint-every", 4, "--restarts", 3]
    monkeypatch.setattr(sys, "argv", ["workbench", *command(out, *options)[3:]])
    killer = Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert difference(out) < 1e-12
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["ranks"], found["steps"]) == (1, STEPS) and found["restarts"] >= 1
    assert "resumed_at" in (out / "rank-0.jsonl").read_text()
    assert found["last_loss"] < found["first_loss"]
    assert left_over(out) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--data", 3], "4 sequences are not divided by 3 ranks: choose a divisor"),
        (["--sequence", 5], "24 time steps are not divided by 5 ranks: choose a divisor"),
        (["--tensor", 3], "8 channels of layers.0.gate are not divided by 3 tensor ranks: choose a divisor"),
        (["--pipeline", "time", "--stages", 3], "stage 2 of 3 has no weights: fewer --stages, or another cut"),
        (["--steps", 0], "--steps 0: at least 1"),
        (["--pipeline", "space"], "--pipeline space: batch or time"),
        (["--pipeline", "time", "--data", 2], "a pipeline is a line of --stages ranks"),
        (["--pipeline", "batch", "--parts", 3], "4 sequences are not divided into 3 parts: choose a divisor"),
        (["--machines", 3, "--address", "a:1", "--data", 4], "4 ranks are not divided by 3 machines: choose a divisor"),
        (["--machines", 2, "--data", 2], "--machines over 1 need --address HOST:PORT"),
        (["--machine", 1], "--machine 1: they count from 0 to 0"),
        (["--address", "here"], "--address here: HOST:PORT, with a port between 1 and 65535"),
        (["--scaling", "1,3"], "4 sequences are not divided by 3 ranks: choose a divisor"),
        (["--scaling", "1,2", "--data", 2], "--scaling sets the numbers of ranks: leave --data"),
        (["--scaling", "1,2", "--along", "tensor", "--weak"], "a batch grows along data or sequence"),
        (["--scaling", "1,2", "--along", "time"], "--along time: data, sequence, tensor, pipeline"),
        (["--scaling", "1,2", "--pipeline", "time"], "--scaling of a pipeline is"),
        (["--carry", "pigeon"], "--carry pigeon: gather or chain"),
        (["--sequence", 2, "--average-every", 2], "weights averaged every few steps are for data parallel ranks alone"),
    ],
)
def test_what_does_not_fit_is_one_line(
    options: list[object], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert line in told(["--out", tmp_path / "out", *options], TASK, capsys, monkeypatch)
    assert not (tmp_path / "out").exists()


MODELS = """
import torch

class Task:
    def model(self):
        {model}

    def batch(self, step):
        return torch.zeros(4, 24, 6), torch.zeros(4, 24, 6)

    def loss(self, output, target):
        return output.sum()

def make():
    return Task()
"""


@pytest.mark.parametrize(
    ("model", "options", "line"),
    [
        ("return torch.nn.Linear(6, 6)", ["--sequence", 2], "no module of Linear has a scan: nothing carries a state"),
        ("return torch.nn.Linear(6, 6)", ["--tensor", 2], "Linear has no tensor_plan(): which layers are split"),
        ("return torch.nn.Linear(6, 6)", ["--pipeline", "batch"], "Linear has no stages(count): where it can be cut"),
        ("raise OSError('no weights here')", ["--tensor", 2], "task.py:make: model(): OSError: no weights here"),
    ],
)
def test_a_model_that_lacks_what_a_scheme_needs_starts_no_rank(
    model: str, options: list[object], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "task.py").write_text(MODELS.format(model=model))
    assert line in told(["--out", tmp_path / "out", *options], f"{tmp_path / 'task.py'}:make", capsys, monkeypatch)
    assert not (tmp_path / "out").exists()


def test_a_torch_without_ranks_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.distributed.is_available", lambda: False)
    assert "built without torch.distributed" in told(["--out", tmp_path / "out"], TASK, capsys, monkeypatch)


def test_more_ranks_than_gpus_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for options in (["--data", 2], ["--scaling", "1,2"]):
        line = told(["--out", tmp_path / "out", *options], TASK, capsys, monkeypatch)
        assert "2 ranks, and 1 GPU on this machine: each rank has its own" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    line = told(["--out", tmp_path / "file" / "out"], TASK, capsys, monkeypatch)
    assert "file/out: Not a directory; name a folder that can be written" in line


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


def started(folder: Path, count: int, machines: Machines, timeout_s: float = 60.0) -> str:
    """What ranks end with that are started and cannot go on."""
    training = Training(TASK, str(folder), steps=STEPS, sizes=Sizes(data=count), timeout_s=timeout_s)
    with pytest.raises(Problem) as end:
        start(training, count, 0, machines)
    assert left_over(folder) == []
    return str(end.value)


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        line = started(tmp_path, 2, Machines(address=f":{holder.getsockname()[1]}"))
    assert "the port is taken by another program" in line and "\n" not in line


def test_a_machine_that_is_not_reached_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    line = started(tmp_path, 2, Machines(2, 1, address), timeout_s=1.0)
    assert line.startswith(f"the first machine is not reached at {address}: ") and "\n" not in line
