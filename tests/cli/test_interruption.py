"""What a sweep and other commands do when they are asked to end, and when another hand wants the same run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import warm
from tests.campaign.kills import lines
from tests.campaign.sweeps import NEW, RECORDS, alive_in
from tests.known_ceilings import COMMAND
from workbench.store.run_folder import open_run


class Begun:
    """A command in a session and with temporary files of its own, without torch, whose import takes the longest."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.tmp = folder / "tmp"
        self.tmp.mkdir(exist_ok=True)
        stub = folder / "without" / "torch.py"
        stub.parent.mkdir(exist_ok=True)
        stub.write_text("raise ImportError('left out')\n")
        paths = os.pathsep.join([str(stub.parent), *sys.path])
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, start_new_session=True, text=True,
            env={**os.environ, "TMPDIR": str(self.tmp), "PYTHONPATH": paths}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_until(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not there():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        """Its status and what it said; nothing of it is left."""
        _, errors = self.process.communicate(timeout=120)
        deadline = time.monotonic() + 60
        while alive_in(self.process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive_in(self.process.pid) and not list(self.tmp.iterdir())
        return self.process.returncode, errors


@pytest.mark.parametrize(
    "signals",
    [
        ((signal.SIGINT, True),),
        pytest.param(
            ((signal.SIGTERM, False), (signal.SIGHUP, True), (signal.SIGINT, True)), marks=pytest.mark.thorough
        ),
    ],
    ids=["one", "each"],
)
def test_a_sweep_ended_by_any_signal_says_how_to_go_on(
    tmp_path: Path, signals: tuple[tuple[signal.Signals, bool], ...]
) -> None:
    run = tmp_path / "profiles" / "r"
    words: tuple[str, ...] = (*NEW, "--name", "r")
    before: list[str] = []
    for number, group in signals:
        sweep = Begun(tmp_path, "sweep", *words)
        count = len(before)
        sweep.wait_until(lambda count=count: len(lines(run)) > count)  # type: ignore[misc]
        (os.killpg if group else os.kill)(sweep.process.pid, number)
        status, errors = sweep.end()
        assert status == 128 + number, errors
        last = errors.splitlines()[-1]
        assert last == "workbench: interrupted; workbench sweep --resume r goes on from here" and "Trace" not in errors
        after = lines(run)
        assert after[: len(before)] == before
        before, words = after, ("--resume", "r")
    status, errors = Begun(tmp_path, "sweep", *words).end()
    assert status == 0, errors
    assert lines(run)[: len(before)] == before
    assert len(lines(run)) == RECORDS and set(Counter(r.key for r in open_run(run).records()).values()) == {1}
    assert {p.name for p in run.iterdir()} == {"run.json", "records.parquet"}


def test_another_hand_is_told_who_writes_and_changes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "profiles" / "r"
    sweep = Begun(tmp_path, "sweep", *NEW, "--name", "r")
    sweep.wait_until(lambda: bool(lines(run)))
    sweep.process.send_signal(signal.SIGSTOP)
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    for words in (("finish", "r"), ("sweep", "--resume", "r")):
        other = warm.run(*words, folder=tmp_path)
        said = f"r: is being written by process {sweep.process.pid}; wait for it, or stop it"
        assert other.returncode == 1 and said in other.stderr and other.stderr.count("\n") == 1, other.stderr
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before
    sweep.process.send_signal(signal.SIGCONT)
    status, errors = sweep.end()
    assert status == 0, errors
    assert len(open_run(run).records()) == RECORDS


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.thorough),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.thorough),
    ],
)
def test_other_commands_end_with_the_status_of_their_signal(tmp_path: Path, number: int, status: int) -> None:
    faulty = Path(__file__).parents[1] / "sweep" / "faulty"
    check = Begun(tmp_path, "check", "--kernels", str(faulty), "--variants", "hangs", "--timeout", "120")
    check.wait_until(lambda: len(alive_in(check.process.pid)) >= 2)
    os.killpg(check.process.pid, number)
    ended, errors = check.end()
    assert ended == status and errors.splitlines()[-1] == "workbench: interrupted" and "Traceback" not in errors


LIBRARY = """
import os, signal, sys, types
from workbench import cli

def command():
    "Stands for a library in which an interruption arrives, and which makes an error of its own of it."
    try:
        os.kill(os.getpid(), {number})
        signal.sigtimedwait([], 1)
    except KeyboardInterrupt:
        raise RuntimeError("Query interrupted") from None

sys.modules["library"] = types.SimpleNamespace(command=command)
cli.COMMANDS = (("query", "library"), ("other", "library"))
sys.argv = ["workbench", "query"]
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_that_a_library_makes_an_error_of_is_one(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY.format(number=int(number))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + number, "workbench: interrupted\n")
