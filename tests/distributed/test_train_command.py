"""`workbench train` as a user runs it: weights, restarts, checkpoints read by other ranks, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.distributed.mixer import STEPS, trained_alone
from tests.distributed.ranks import free_port
from workbench.cli import main

ROOT = Path(__file__).parents[2]
TASK = f"{ROOT / 'tests' / 'distributed' / 'mixer.py'}:make"


def train(*options: object, task: str = TASK, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench.cli", "train", task, *map(str, options)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=env)


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


def difference(out: Path) -> float:
    alone = trained_alone()
    found = torch.load(out / "weights.pt")
    assert found.keys() == alone.keys()
    return max(float((found[name] - value).norm() / value.norm()) for name, value in alone.items())


def left_over(out: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]


def test_ranks_train_to_the_weights_of_one_process_and_are_traced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = train("--out", out, "--sequence", 2, "--steps", STEPS, "--trace", 2, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert difference(out) < 1e-12
    assert (found["ranks"], found["steps"], found["restarts"]) == (2, STEPS, 0)
    assert found["last_loss"] < found["first_loss"]
    assert [time["rank"] for time in found["times"]] == [0, 1]
    for rank in found["times"]:
        assert 0 < rank["communication_s"] < rank["total_s"] and 0 < rank["compute_s"] < rank["total_s"]
    assert left_over(out) == []


def test_a_pipeline_over_blocks_of_time(tmp_path: Path) -> None:
    done = train("--out", tmp_path / "out", "--pipeline", "time", "--parts", 3, "--steps", STEPS)
    assert done.returncode == 0, done.stderr
    assert difference(tmp_path / "out") < 1e-12
    assert done.stdout.startswith(f"{STEPS} steps on 2 ranks, ")


def test_a_killed_rank_costs_a_restart_and_nothing_else(tmp_path: Path) -> None:
    """A rank is killed after the first checkpoint; the training ends with the weights of one that was not disturbed."""
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "workbench.cli", "train", TASK, "--out", str(out), "--data", "2", "--steps", str(STEPS),
        "--checkpoint-every", "4", "--restarts", "5", "--json",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "STEP_PAUSE_S": "0.2"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        killed = False
        while not killed and process.poll() is None:
            time.sleep(0.05)
            if any(out.glob("checkpoints/step-*")):
                ranks = [p for p in left_over(out) if "workbench.distributed" in p.cmdline() and "RANK" in p.environ()]
                ranks = [p for p in ranks if p.environ().get("RANK") == "1"]
                if ranks:
                    ranks[0].kill()
                    killed = True
        stdout, stderr = process.communicate(timeout=300)
    assert killed and process.returncode == 0, stderr
    assert json.loads(stdout)["restarts"] >= 1
    assert difference(out) < 1e-12
    assert left_over(out) == []


def test_checkpoints_are_read_by_another_number_of_ranks(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = train("--out", out, "--data", 2, "--sharded", "--steps", 8, "--checkpoint-every", 4)
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-00000004", "step-00000008"]
    second = train("--out", out, "--steps", STEPS)
    assert second.returncode == 0, second.stderr
    assert difference(out) < 1e-12
    assert any("resumed_at" in line for line in (out / "rank-0.jsonl").read_text().splitlines())


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


def test_an_error_of_a_rank_is_told_with_its_rank(tmp_path: Path) -> None:
    done = train("--out", tmp_path / "out", "--data", 2, "--restarts", 0, FAIL_AT="1:3")
    assert done.returncode == 1
    assert done.stderr.startswith("workbench: rank 1: RuntimeError: planted at step 3 (all that the ranks wrote: ")
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    import socket

    port = free_port()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        done = train("--out", tmp_path / "out", "--data", 2, "--port", port, "--restarts", 0)
    assert done.returncode == 1
    assert "the port is taken by another program" in done.stderr and done.stderr.count("\n") == 1
