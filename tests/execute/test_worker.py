"""An object in a process of its own: results, problems, crashes and hangs come back as what they are."""

from __future__ import annotations

import ctypes
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.declared import DeclarationError
from workbench.execute.bound import Violation
from workbench.execute.failures import LacksModule, WorkerCrashed, WorkerTimeout
from workbench.execute.host_memory import GuardBroken
from workbench.execute.worker import Worker
from workbench.problem import Problem, SourceError

ROOT = Path(__file__).parents[2]

RAISED: dict[str, Exception] = {
    "problem": Problem("mend it"),
    "declaration": DeclarationError("variants.py:3: write a tuple"),
    "source": SourceError("does not compile"),
    "guard": GuardBroken("wrote outside h"),
    "violation": Violation("changed its input"),
    "like_a_violation": ValueError("Violation: changed its input"),
}


class Subject:
    """What the tests put into a worker."""

    def __init__(self, word: str) -> None:
        if word == "refuse":
            raise Problem("refused")
        self.word = word

    def repeat(self, times: int) -> str:
        return self.word * times

    def process(self) -> int:
        return os.getpid()

    def fault(self, kind: str) -> None:
        if kind == "segfault":
            ctypes.string_at(0)
        if kind == "exit":
            os._exit(3)
        if kind == "hang":
            time.sleep(3600)
        if kind == "module":
            importlib.import_module("no_such_package.inner")
        raise RAISED.get(kind, ValueError("odd\nthing"))


@pytest.fixture
def worker() -> Worker:
    return Worker("tests.execute.test_worker:Subject", "ab")


def test_calls_are_answered_by_the_same_object_elsewhere(worker: Worker) -> None:
    assert worker.call("repeat", 3, timeout_s=60) == "ababab"
    first = worker.call("process", timeout_s=60)
    assert first == worker.call("process", timeout_s=60) != os.getpid()
    worker.close()


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("segfault", WorkerCrashed, "killed by SIGSEGV"),
        ("exit", WorkerCrashed, "ended with exit status 3"),
        ("other", WorkerCrashed, r"ValueError: odd thing \(test_worker.py:\d+\)"),
        ("problem", Problem, "mend it"),
        ("guard", GuardBroken, "wrote outside h"),
        ("declaration", DeclarationError, "write a tuple"),
        ("source", SourceError, "does not compile"),
        ("violation", Violation, "changed its input"),
        ("module", LacksModule, "^no module no_such_package$"),
        ("like_a_violation", WorkerCrashed, "Violation: changed its input"),
    ],
)
def test_failures_keep_their_kind(worker: Worker, kind: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as raised:
        worker.call("fault", kind, timeout_s=60)
    assert type(raised.value) is error
    worker.close()


def test_a_hanging_call_is_ended(worker: Worker) -> None:
    worker.call("repeat", 1, timeout_s=60)
    start = time.monotonic()
    with pytest.raises(WorkerTimeout, match=r"no answer within 0\.2 s"):
        worker.call("fault", "hang", timeout_s=0.2)
    worker.close()
    assert time.monotonic() - start < 30


def test_after_a_crash_every_call_fails(worker: Worker) -> None:
    with pytest.raises(WorkerCrashed):
        worker.call("fault", "exit", timeout_s=60)
    with pytest.raises(WorkerCrashed):
        worker.call("repeat", 1, timeout_s=60)
    worker.close()


def test_an_object_that_cannot_be_made_says_so() -> None:
    worker = Worker("tests.execute.test_worker:Subject", "refuse")
    with pytest.raises(Problem, match="refused"):
        worker.call("repeat", 1, timeout_s=60)
    worker.close()


def test_the_server_is_started_before_anything_heavy_is_imported() -> None:
    code = (
        "import workbench.execute.server_of_workers, sys; print([m for m in ('numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
