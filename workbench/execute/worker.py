"""An object in a process of its own: what it crashes, hangs or overwrites is its own.

`Worker("module:Class", *arguments)` makes the object in a fresh process; `call("method", …)` runs a method there.
Processes are forked from one server that has imported torch already, so that each costs milliseconds, and a variant
never shares an address space with another. Where a server ends, whoever ended it, the workers that it has started go
on, and the next one comes from a new server.
"""

from __future__ import annotations

import functools
import json
import pickle
import socket
import time
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workbench.execute.channel import Channel, bounded
from workbench.execute.failures import WorkerCrashed, WorkerTimeout, received
from workbench.execute.serve import MAKE
from workbench.execute.server_of_workers import START_TIMEOUT_S, ending, exit_code, start_process, with_words
from workbench.execute.tail import Tail
from workbench.foreign import first_words
from workbench.problem import Problem

GRACE_S = 0.2
"""How long a worker that is not needed any more may take to end by itself."""


class Worker:
    """The coordinator's handle of an object in another process. Not thread-safe."""

    def __init__(self, factory: str, *arguments: Any, files: tuple[int, ...] = ()) -> None:
        """`files`: open descriptors that the object gets as further arguments, as numbers of its own process."""
        ours, theirs = socket.socketpair()
        self._tail = Tail()
        try:
            self._server, self._pid = start_process([theirs.fileno(), self._tail.write, *files])
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
        """Begins a call, which `result` collects; returns itself. Several workers can so be busy at once. `returns` is
        the type of what the method returns: an answer of another is none."""
        self._ready()
        self._returns = _adapter(returns)
        self._send(method, arguments)
        return self

    def result(self, timeout_s: float) -> Any:
        """The result of the call begun, `timeout_s` after its start at the latest. Raises WorkerTimeout, WorkerCrashed,
        or another of FAILURES that the method raised."""
        value = self._receive(timeout_s)
        if isinstance(value, Exception):
            raise value
        return value

    def call(self, method: str, *arguments: Any, timeout_s: float, returns: Any = Any) -> Any:
        self.start(method, *arguments, returns=returns)
        return self.result(timeout_s)

    @property
    def connection(self) -> socket.socket:
        """Readable when the call begun has something to say: for `multiprocessing.connection.wait`."""
        return self._channel.socket

    def arrived(self) -> bool:
        """Takes in what the worker has sent, without waiting; whether `result` would now return or raise at once."""
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
            self.result(START_TIMEOUT_S)
            self._is_made = True

    def _send(self, method: str, arguments: tuple[Any, ...]) -> None:
        self._began = time.monotonic()
        self._calls += 1
        try:
            self._channel.send(pickle.dumps((self._calls, method, arguments)))
        except OSError:
            raise WorkerCrashed(self._death()) from None

    def _receive(self, timeout_s: float) -> Any:
        """The value of the answer, or the failure that it tells of. Whatever is wrong with it is this worker's end
        alone."""
        try:
            body = self._channel.receive(self._began + bounded(timeout_s))
            answer = json.loads(body)
            kind, value = answer["kind"], answer["value"]
            if answer["call"] != self._calls:
                raise ValueError("an answer to no call")
            return self._returns.validate_python(value) if kind == "value" else received(kind, value)
        except TimeoutError:
            self._kill()
            raise WorkerTimeout(with_words(f"no answer within {timeout_s:.3g} s", self._tail)) from None
        except (EOFError, OSError):
            raise WorkerCrashed(self._death()) from None
        except Exception as error:  # bytes that are no answer
            self._kill()
            what = "of another type" if isinstance(error, ValidationError) else first_words(error)
            raise WorkerCrashed(with_words(f"sent what is no answer ({what})", self._tail)) from None

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
            self._ended = "closed its connection" if killed else ending(exit_code(status))
        return with_words(self._ended, self._tail)


def close_all(workers: Iterable[Worker]) -> None:
    """Closes them together: each takes some milliseconds to give its memory back."""
    every = list(workers)
    for worker in every:
        worker.release()
    for worker in every:
        worker.close()


@functools.cache
def _adapter(expected: Any) -> TypeAdapter[Any]:
    return TypeAdapter(expected)
