"""An object in a process of its own: what it crashes, hangs or overwrites is its own.

`Worker("module:Class", *arguments)` makes the object in a fresh process; `call("method", …)` runs a method there.
Processes are forked from one server that has imported torch already, so that each costs milliseconds, and a variant
never shares an address space with another.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from workbench.execute.host_memory import GuardBroken
from workbench.problem import Problem
from workbench.temporary import clear_left_over, own_sockets

START_TIMEOUT_S = 120.0
"""A first worker waits for the server's import of torch; on a cold disk that is many seconds."""

PRELOADED = "workbench.execute.preload"
"""What the server imports, once for all its workers."""


class WorkerCrashed(Exception):
    """The process ended, or the method raised what nobody foresaw; the text says how."""


class WorkerTimeout(Exception):
    """The method did not come back in time; the process was killed."""


FAILURES = (WorkerCrashed, WorkerTimeout, GuardBroken, Problem)
"""What a call may raise on account of what it runs."""

_context = multiprocessing.get_context("forkserver")


def start_server() -> None:
    """Starts importing what workers need, beside whatever else goes on. Clears what killed processes have left."""
    _tidy()
    _context.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


@functools.cache
def _tidy() -> None:
    """Once per process."""
    own_sockets()
    clear_left_over()


class Worker:
    """The coordinator's handle of an object in another process. Not thread-safe."""

    def __init__(self, factory: str, *arguments: Any) -> None:
        start_server()
        self._connection, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, factory, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._began = time.monotonic()
        self._started = False

    def start(self, method: str, *arguments: Any) -> Worker:
        """Begins a call, which `finish` collects; returns itself. Several workers can so be busy at once."""
        self._ready()
        try:
            self._connection.send((method, arguments))
        except (BrokenPipeError, ConnectionError):
            raise WorkerCrashed(self._death()) from None
        self._began = time.monotonic()
        return self

    def finish(self, timeout_s: float) -> Any:
        """The result of the call begun, `timeout_s` after its start at the latest. Raises WorkerTimeout, WorkerCrashed,
        or the Problem that the method raised."""
        kind, value = self._receive(timeout_s)
        if kind == "value":
            return value
        if kind == "problem":
            raise Problem(value)
        if kind == "guard":
            raise GuardBroken(value)
        raise WorkerCrashed(value)

    def call(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        self.start(method, *arguments)
        return self.finish(timeout_s)

    @property
    def connection(self) -> Connection:
        """Readable when the call begun has something to say: for `multiprocessing.connection.wait`."""
        return self._connection

    def release(self) -> None:
        """Tells the process to end, without waiting for it."""
        with contextlib.suppress(OSError):
            self._connection.close()

    def close(self) -> None:
        self.release()
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
        self._process.join(5.0)

    def _ready(self) -> None:
        if not self._started:
            self.finish(START_TIMEOUT_S)
            self._started = True

    def _receive(self, timeout_s: float) -> tuple[str, Any]:
        try:
            if not self._connection.poll(max(0.0, self._began + timeout_s - time.monotonic())):
                self._process.kill()
                raise WorkerTimeout(f"no answer within {timeout_s:.3g} s")
            reply: tuple[str, Any] = self._connection.recv()
            return reply
        except (EOFError, ConnectionError):
            raise WorkerCrashed(self._death()) from None

    def _death(self) -> str:
        self._process.join(5.0)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with exit status {code}"


def close_all(workers: Iterable[Worker]) -> None:
    """Closes them together: each takes some milliseconds to give its memory back."""
    ending = list(workers)
    for worker in ending:
        worker.release()
    for worker in ending:
        worker.close()


def _serve(connection: Connection, factory: str, arguments: tuple[Any, ...]) -> None:
    """The other process: makes the object, then answers calls until the coordinator is gone."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target: Any = None

    def make() -> None:
        nonlocal target
        module, _, name = factory.partition(":")
        target = getattr(importlib.import_module(module), name)(*arguments)

    connection.send(_answer(make))
    while True:
        try:
            method, parameters = connection.recv()
        except (EOFError, ConnectionError):
            os._exit(0)
        connection.send(_answer(lambda: getattr(target, method)(*parameters)))  # noqa: B023 - called at once


def _answer(action: Any) -> tuple[str, Any]:
    try:
        return ("value", action())
    except Problem as problem:
        return ("problem", str(problem))
    except GuardBroken as broken:
        return ("guard", str(broken))
    except Exception as error:  # whatever a variant raises costs that variant its record
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:300]
        return ("error", f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})")


def _die_with_parent() -> None:
    """A coordinator killed outright takes its server with it, and the server its workers, busy or not.

    The server lives for as long as anybody holds the other end of a pipe that it watches, and every worker is born
    with that end open, under a name that multiprocessing keeps to itself: one that hangs would keep the server, and
    so itself, alive for ever.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    with contextlib.suppress(OSError, AttributeError):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
