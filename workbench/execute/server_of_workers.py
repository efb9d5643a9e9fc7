"""The coordinator's end of the server of workers: starts it, asks it for processes, and has them ended.

Nothing here imports numpy or what stands on it: a command starts the server first of all, which then imports torch
beside whatever the command itself imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from workbench.execute.processes import MARK, end_marked, end_tree
from workbench.execute.tail import Tail
from workbench.problem import Problem

START_TIMEOUT_S = 120.0
"""A first worker waits for the server's import of torch; on a cold disk that is many seconds."""
SERVER_TIMEOUT_S = 30.0
"""For a request to a server that has served one already."""
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from workbench.execute.server import main; main(int(sys.argv[1]))"
)


class ServerEnded(Exception):
    """The server is gone or does not answer; the text says how."""


class Server:
    """The coordinator's end of the process that workers are forked from."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.open = 0
        """Workers that are not closed yet."""
        self._patience_s = START_TIMEOUT_S
        self._requests = 0
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
        self._requests += 1
        packet = json.dumps({**request, "number": self._requests}).encode()
        try:
            socket.send_fds(self._control, [packet], list(files))
            answer = self._answer()
            while answer["number"] != self._requests:  # who asked for it was interrupted before it came
                answer = self._answer()
            self._patience_s = SERVER_TIMEOUT_S
            return answer
        except (OSError, EOFError, ValueError) as error:
            raise ServerEnded(self._give_up(error)) from None

    def _answer(self) -> dict[str, Any]:
        if not select.select([self._control], [], [], self._patience_s)[0]:
            raise TimeoutError(f"no answer within {self._patience_s:g} s")
        packet = self._control.recv(4096)
        if not packet:
            raise EOFError
        answer: dict[str, Any] = json.loads(packet)
        return answer

    def _give_up(self, error: Exception) -> str:
        """Ends what is left of it; how it ended, in words."""
        self._control.close()
        if isinstance(error, TimeoutError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        status = self._process.returncode
        text = str(error) if isinstance(error, TimeoutError) else ending(status)
        return with_words(text, self._tail)


_server: Server | None = None


def start_server() -> None:
    """Starts importing what workers need, beside whatever else goes on. Problem where no process can be started."""
    global _server
    if _server is None or not _server.alive:
        _server = Server()


def start_process(files: list[int]) -> tuple[Server, int]:
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


def exit_code(status: int | None) -> int | None:
    return None if status is None else os.waitstatus_to_exitcode(status)


def ending(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"


def with_words(text: str, tail: Tail) -> str:
    """The text, and behind it what the process printed last."""
    words = tail.last_words()
    return f"{text}; it printed last: {words}" if words else text
