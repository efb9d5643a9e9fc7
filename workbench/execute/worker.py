"""An object in a process of its own: what it crashes, hangs or overwrites is its own.

`Worker("module:Class", *arguments)` makes the object in a fresh process; `call("method", …)` runs a method there.
Processes are forked from one server that has imported torch already, so that each costs milliseconds, and a variant
never shares an address space with another. Where a server ends, whoever ended it, the workers that it has started go
on, and the next one comes from a new server.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pickle
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workbench.declared import DeclarationError
from workbench.execute.bound import Violation
from workbench.execute.channel import Channel, bounded
from workbench.execute.host_memory import GuardBroken
from workbench.execute.processes import MARK, end_marked, end_tree
from workbench.execute.serve import MAKE
from workbench.execute.tail import Tail
from workbench.foreign import first_words
from workbench.problem import Problem, SourceError

START_TIMEOUT_S = 120.0
"""A first worker waits for the server's import of torch; on a cold disk that is many seconds."""
SERVER_TIMEOUT_S = 30.0
"""For a request to a server that has served one already."""
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from workbench.execute.server import main; main(int(sys.argv[1]))"
)
GRACE_S = 0.2
"""How long a worker that is not needed any more may take to end by itself."""


class WorkerCrashed(Exception):
    """The process ended, or the method raised what nobody foresaw; the text says how."""


class WorkerTimeout(Exception):
    """The method did not come back in time; the process was killed."""


FAILURES = (WorkerCrashed, WorkerTimeout, Violation, Problem)
"""What a call may raise on account of what it runs."""

RAISED: dict[str, type[Exception]] = {
    "declaration": DeclarationError,
    "source": SourceError,
    "problem": Problem,
    "guard": GuardBroken,
    "violation": Violation,
    "error": WorkerCrashed,
}
"""What a call raises for an answer of each kind but `value`."""


class ServerEnded(Exception):
    """The server is gone or does not answer; the text says how."""


class _Server:
    """The coordinator's end of the process that workers are forked from."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.open = 0
        """Workers that are not closed yet."""
        self._patience_s = START_TIMEOUT_S
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._tail = Tail()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL, stdout=self._tail.write, stderr=self._tail.write,
                pass_fds=(theirs.fileno(),), env={**os.environ, MARK: self.token},
            )  # fmt: skip
        except OSError as error:
            self._control.close()
            raise Problem(f"workers cannot be started: {sys.executable}: {error.strerror}") from None
        finally:
            theirs.close()
            self._tail.close_write()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None and self._control.fileno() >= 0

    def start(self, files: list[int]) -> int:
        """A new worker that gets these descriptors; its process id. Raises ServerEnded; Problem where none starts."""
        answer = self._ask({"do": "start"}, files)
        if "pid" not in answer:
            raise Problem(f"workers cannot be started: {answer.get('error')}")
        self.open += 1
        return int(answer["pid"])

    def end(self, pid: int, grace_s: float) -> tuple[int | None, bool]:
        """Sees to it that a worker and all that it started are gone; its wait status where it is known, and whether it
        had to be killed."""
        try:
            answer = self._ask({"do": "end", "pid": pid, "grace_s": grace_s})
        except ServerEnded:
            end_tree(pid)
            return None, True
        return answer["status"], bool(answer["killed"])

    def leave(self) -> None:
        """A worker is closed. What those of a server that is no more have left behind goes with the last of them."""
        self.open -= 1
        if not self.open and not self.alive:
            end_marked(self.token)

    def _ask(self, request: dict[str, Any], files: Iterable[int] = ()) -> dict[str, Any]:
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], list(files))
            if not select.select([self._control], [], [], self._patience_s)[0]:
                raise TimeoutError(f"no answer within {self._patience_s:g} s")
            packet = self._control.recv(4096)
            if not packet:
                raise EOFError
            self._patience_s = SERVER_TIMEOUT_S
            answer: dict[str, Any] = json.loads(packet)
            return answer
        except (OSError, EOFError, ValueError) as error:
            raise ServerEnded(self._give_up(error)) from None

    def _give_up(self, error: Exception) -> str:
        """Ends what is left of it; how it ended, in words."""
        self._control.close()
        if isinstance(error, TimeoutError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        status = self._process.returncode
        text = str(error) if isinstance(error, TimeoutError) else _ending(status)
        return _with_words(text, self._tail)


_server: _Server | None = None


def start_server() -> None:
    """Starts importing what workers need, beside whatever else goes on. Problem where no process can be started."""
    global _server
    if _server is None or not _server.alive:
        _server = _Server()


def _start(files: list[int]) -> tuple[_Server, int]:
    """A worker from the server, or from a new one where that has ended."""
    for last in (False, True):
        start_server()
        assert _server is not None
        try:
            return _server, _server.start(files)
        except ServerEnded as ended:
            if last:
                raise Problem(f"the server of workers does not start: {ended}; workbench doctor may say why") from None
    raise AssertionError


class Worker:
    """The coordinator's handle of an object in another process. Not thread-safe."""

    def __init__(self, factory: str, *arguments: Any, files: tuple[int, ...] = ()) -> None:
        """`files`: open descriptors that the object gets as further arguments, as numbers of its own process."""
        ours, theirs = socket.socketpair()
        self._tail = Tail()
        try:
            self._server, self._pid = _start([theirs.fileno(), self._tail.write, *files])
        except Problem:
            ours.close()
            raise
        finally:
            theirs.close()
            self._tail.close_write()
        self._channel = Channel(ours)
        self._ended: str | None = None
        """How the process ended, once it has."""
        self._is_made = False
        self._closed = False
        self._calls = 0
        self._returns = _adapter(None)
        self._send(MAKE, (factory, arguments))

    def start(self, method: str, *arguments: Any, returns: Any = Any) -> Worker:
        """Begins a call, which `finish` collects; returns itself. Several workers can so be busy at once. `returns` is
        the type of what the method returns: an answer of another is none."""
        self._ready()
        self._returns = _adapter(returns)
        self._send(method, arguments)
        return self

    def finish(self, timeout_s: float) -> Any:
        """The result of the call begun, `timeout_s` after its start at the latest. Raises WorkerTimeout, WorkerCrashed,
        or the Problem or Violation that the method raised."""
        kind, value = self._receive(timeout_s)
        if kind in RAISED:
            raise RAISED[kind](value)
        return value

    def call(self, method: str, *arguments: Any, timeout_s: float, returns: Any = Any) -> Any:
        self.start(method, *arguments, returns=returns)
        return self.finish(timeout_s)

    @property
    def connection(self) -> socket.socket:
        """Readable when the call begun has something to say: for `multiprocessing.connection.wait`."""
        return self._channel.socket

    def arrived(self) -> bool:
        """Takes in what the worker has sent, without waiting; whether `finish` would now return or raise at once."""
        try:
            return self._channel.arrived()
        except (OSError, EOFError, ValueError):
            return True

    def release(self) -> None:
        """Tells the process to end, without waiting for it."""
        self._channel.close()

    def close(self) -> None:
        """Ends the process, and whatever it has started."""
        if self._closed:
            return
        self._closed = True
        self.release()
        if self._ended is None:
            self._server.end(self._pid, GRACE_S)
            self._ended = "closed"
        self._server.leave()

    def _ready(self) -> None:
        if not self._is_made:
            self._returns = _adapter(None)
            self.finish(START_TIMEOUT_S)
            self._is_made = True

    def _send(self, method: str, arguments: tuple[Any, ...]) -> None:
        self._began = time.monotonic()
        self._calls += 1
        try:
            self._channel.send(pickle.dumps((self._calls, method, arguments)))
        except OSError:
            raise WorkerCrashed(self._death()) from None

    def _receive(self, timeout_s: float) -> tuple[str, Any]:
        """The kind and the value of the answer. Whatever is wrong with it is this worker's end alone."""
        try:
            body = self._channel.receive(self._began + bounded(timeout_s))
            answer = json.loads(body)
            kind, value = answer["kind"], answer["value"]
            if answer["call"] != self._calls or kind not in ("value", *RAISED):
                raise ValueError("an answer to no call")
            return kind, (self._returns if kind == "value" else _adapter(str)).validate_python(value)
        except TimeoutError:
            self._kill()
            raise WorkerTimeout(_with_words(f"no answer within {timeout_s:.3g} s", self._tail)) from None
        except (EOFError, OSError):
            raise WorkerCrashed(self._death()) from None
        except Exception as error:  # bytes that are no answer
            self._kill()
            what = "of another type" if isinstance(error, ValidationError) else first_words(error)
            raise WorkerCrashed(_with_words(f"sent what is no answer ({what})", self._tail)) from None

    def _kill(self) -> None:
        self._channel.close()
        if self._ended is None:
            self._server.end(self._pid, 0.0)
            self._ended = "killed by the workbench"

    def _death(self) -> str:
        """How the process ended, in words; it is gone afterwards."""
        self._channel.close()
        if self._ended is None:
            status, killed = self._server.end(self._pid, 5.0)
            self._ended = "closed its connection" if killed else _ending(_exit_code(status))
        return _with_words(self._ended, self._tail)


def close_all(workers: Iterable[Worker]) -> None:
    """Closes them together: each takes some milliseconds to give its memory back."""
    ending = list(workers)
    for worker in ending:
        worker.release()
    for worker in ending:
        worker.close()


@functools.cache
def _adapter(expected: Any) -> TypeAdapter[Any]:
    return TypeAdapter(expected)


def _exit_code(status: int | None) -> int | None:
    return None if status is None else os.waitstatus_to_exitcode(status)


def _ending(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"


def _with_words(text: str, tail: Tail) -> str:
    """The text, and behind it what the process printed last."""
    words = tail.last_words()
    return f"{text}; it printed last: {words}" if words else text
