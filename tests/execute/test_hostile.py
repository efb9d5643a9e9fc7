"""Whatever lives in a worker may write anywhere, print, fork and kill: it costs its own call and nothing else."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from workbench.execute import server_of_workers as module
from workbench.execute.failures import WorkerCrashed, WorkerTimeout
from workbench.execute.processes import is_zombie, marked
from workbench.execute.side_by_side import side_by_side
from workbench.execute.tail import KEPT
from workbench.execute.worker import Worker
from workbench.problem import Problem

HALF = b"\x00\x00\x7f\xff{"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


class Hostile:
    """Lives in a worker process."""

    def echo(self, word: str) -> str:
        return word

    def write(self, data: bytes, then: str = "") -> None:
        """To every socket, then sleeps or stops."""
        for entry in os.scandir("/proc/self/fd"):
            if str(Path(entry.path).readlink() if Path(entry.path).exists() else "").startswith("socket:"):
                os.write(int(entry.name), data)
        if then == "sleep":
            time.sleep(3600)
        if then == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)

    def unspeakable(self) -> None:
        raise Unspeakable

    def print(self, megabytes: int, end: bool) -> None:
        for _ in range(megabytes):
            os.write(1, b"x" * (1 << 20))
        print("in Python")
        ctypes.CDLL(None).puts(b"in C")
        os.write(2, b"the \x1b[31mend\n")
        if end:
            os._exit(3)

    def leave(self) -> int:
        """A child in a session of its own whose parent is gone; the parent's id."""
        between = os.fork()
        if between == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(3600)
            os._exit(0)
        os.waitpid(between, 0)  # from here on the child is there, and its parent is not
        return os.getpid()

    def leave_and_hang(self) -> None:
        self.leave()
        time.sleep(3600)

    def kill_server(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)


NAME = "tests.execute.test_hostile:Hostile"


NO_PROCESS = 2**22 + 1
"""Beyond the largest id that Linux gives."""


@pytest.fixture
def hostile() -> Iterator[Worker]:
    worker = Worker(NAME)
    worker.call("echo", "", timeout_s=60)
    yield worker
    worker.close()


def others(token: str) -> set[int]:
    """Living processes of a server, without itself."""
    server = module._server._process.pid if module._server else 0
    return {pid for pid in marked(token) if not is_zombie(pid)} - {server}


def waited_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("then", ["sleep", "stop"])
def test_half_a_message_is_waited_for_until_the_limit_and_no_longer(hostile: Worker, then: str) -> None:
    with pytest.raises(WorkerTimeout, match=r"no answer within 0\.3 s"):
        hostile.call("write", HALF, then, timeout_s=0.3)


def test_half_a_message_keeps_nobody_else_waiting(hostile: Worker) -> None:
    other = Worker(NAME)
    begins = [partial(hostile.start, "write", HALF, "sleep"), partial(other.start, "echo", "b")]
    outcomes = list(side_by_side(begins, 1.0, 2))
    other.close()
    assert outcomes[0] == (1, "b", None)
    assert outcomes[1][0] == 0 and isinstance(outcomes[1][2], WorkerTimeout)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x05hello",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x0280",
        b"\x00\x00\xc3\x50" + b"[" * 50_000,
        (answer := b'{"call": 1, "kind": "value", "value": null}') and len(answer).to_bytes(4, "big") + answer,
        (answer := b'{"call": 3, "kind": "value", "value": "x"}') and len(answer).to_bytes(4, "big") + answer,
        (answer := b'{"call": 3, "kind": "raise", "value": "x"}') and len(answer).to_bytes(4, "big") + answer,
    ],
    ids=["words", "long", "empty", "number", "deep", "earlier", "type", "kind"],
)
def test_what_is_no_answer_ends_this_worker(hostile: Worker, data: bytes) -> None:
    hostile.start("write", data, "sleep", returns=None)
    with pytest.raises(WorkerCrashed, match="sent what is no answer"):
        hostile.result(60)
    with pytest.raises(WorkerCrashed):
        hostile.call("echo", "", timeout_s=60)


@pytest.mark.parametrize("limit", [math.inf, 1e300])
def test_a_limit_without_end_is_one(hostile: Worker, limit: float) -> None:
    assert hostile.call("echo", "a", timeout_s=limit) == "a"
    assert list(side_by_side([partial(hostile.start, "echo", "b")], limit)) == [(0, "b", None)]


def test_an_exception_that_cannot_be_told_is_told_by_its_type(hostile: Worker) -> None:
    with pytest.raises(WorkerCrashed, match=r"^Unspeakable \(test_hostile\.py:\d+\)$"):
        hostile.call("unspeakable", timeout_s=60)


def test_what_is_printed_goes_nowhere_but_into_a_reason(hostile: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    hostile.call("print", 64, False, timeout_s=60)
    with pytest.raises(WorkerCrashed, match=r"ended with exit status 3; it printed last: …x+in Python in C the \\x1b"):
        hostile.call("print", 64, True, timeout_s=60)
    assert len(hostile._tail._kept) <= KEPT
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("how", ["closed", "hangs", "dies"])
def test_children_do_not_outlive_their_worker(hostile: Worker, how: str) -> None:
    token = hostile._server.token
    hostile.call("leave", timeout_s=60)
    left = others(token) - {hostile._pid}
    assert left, "a child should be there by now"
    if how == "hangs":
        with pytest.raises(WorkerTimeout):
            hostile.call("leave_and_hang", timeout_s=0.3)
    elif how == "dies":
        with pytest.raises(WorkerCrashed):
            hostile.call("print", 0, True, timeout_s=60)
    hostile.close()
    assert not left & others(token)


def test_an_answer_that_nobody_waited_for_is_not_the_next_one(hostile: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks may be interrupted between request and answer; the next answer is still that of the next request."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hostile._server, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hostile._server.end(NO_PROCESS, 0.0)
    another = Worker(NAME)
    assert another._pid not in (0, NO_PROCESS, hostile._pid)
    another.close()


def test_a_server_that_is_killed_takes_nobody_with_it(hostile: Worker) -> None:
    other = Worker(NAME)
    other.call("leave", timeout_s=60)
    first = module._server
    assert first is not None
    hostile.call("kill_server", timeout_s=60)
    assert other.call("echo", "still here", timeout_s=60) == "still here"
    later = Worker(NAME)
    assert later.call("echo", "a new one", timeout_s=60) == "a new one"
    assert module._server is not first
    for worker in (later, other, hostile):
        worker.close()
    assert waited_for(lambda: not others(first.token)), "what the old server's workers left"


@pytest.mark.parametrize(
    ("python", "reason"),
    [("/no/such/python", "No such file or directory"), ("/bin/false", "ended with exit status 1")],
)
def test_a_server_that_cannot_start_is_a_problem_in_one_line(
    monkeypatch: pytest.MonkeyPatch, python: str, reason: str
) -> None:
    monkeypatch.setattr(module, "_server", None)
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(Problem, match=reason) as raised:
        Worker(NAME)
    assert "\n" not in str(raised.value)


KILLED = f"""
import sys
from workbench.execute.worker import Worker
worker = Worker({NAME!r})
worker.call("leave", timeout_s=60)
worker.start("leave_and_hang")
print("ready", flush=True)
worker.result(3600)
"""


def test_nothing_outlives_a_coordinator_that_is_killed(tmp_path: Path) -> None:
    """Not even children in sessions of their own; and the output that the coordinator had is closed."""
    environment = {**os.environ, "OF_THIS_TEST": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.kill()
    output, _ = process.communicate(timeout=60)
    assert output == b""

    def left() -> list[str]:
        wanted = f"OF_THIS_TEST={tmp_path}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(entry.name)
            except OSError:
                continue
        return found

    assert waited_for(lambda: not left()), left()


def test_an_interrupt_of_the_whole_group_leaves_no_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = KILLED.replace("worker.result(3600)", "signal.pause()").replace("import sys", SAYS_SO)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
        start_new_session=True, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == "interrupted\n" and process.returncode == 130


SAYS_SO = """
import os, signal
def end(*_):
    print("interrupted", flush=True)
    os._exit(130)
signal.signal(signal.SIGINT, end)
"""
