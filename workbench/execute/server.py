"""The server: a process that has imported what workers need, and forks one whenever the coordinator asks.

It is also the one who cleans up. A worker adopts what its variant's children leave behind (Linux: child subreaper), and
the server what a worker leaves: once a worker has ended, whatever is still there of its descendants is ended too, those
in a session of their own among them. When the coordinator is gone, however it went, its end of the socket is closed:
all workers end, all that they started, and the server itself.

A request is one packet of JSON, with descriptors beside it; so is the answer:

    {"do": "start"} and the worker's descriptors (channel, output, files)   → {"pid"} or {"error"}
    {"do": "end", "pid", "grace_s"}                                         → {"status", "killed"}

Both bear a number: of a request whose sender was interrupted the answer still comes, before that of the next.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from workbench.execute.processes import (
    PATIENCE_S,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    children,
    hold_through_interrupts,
    kill,
    prctl,
)

PRELOADED = "workbench.execute.preload"
"""What the server imports, once for all its workers."""
PACKET = 4096
MOST_FILES = 16


def main(control: int) -> None:
    """Serves requests on the socket of this descriptor until its other end is closed."""
    hold_through_interrupts()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # An import takes seconds, and there is nothing yet to clean up: so long it simply dies with its coordinator.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    importlib.import_module(PRELOADED)
    prctl(PR_SET_PDEATHSIG, 0)
    _Server(socket.socket(fileno=control)).run()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._alive: set[int] = set()
        self._statuses: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._woken.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(1 << 12)
                self._reap()
            if self._control.fileno() in ready and not self._serve_one():
                break
        kill(self._alive)
        self._alive.clear()
        self._clear()

    def _serve_one(self) -> bool:
        """One request; False where the coordinator is gone."""
        try:
            packet, files, _, _ = socket.recv_fds(self._control, PACKET, MOST_FILES)
            if not packet:
                return False
            request = json.loads(packet)
            answer = self._start(files) if request["do"] == "start" else self._end(request["pid"], request["grace_s"])
            self._control.send(json.dumps({**answer, "number": request["number"]}).encode())
        except OSError:
            return False
        return True

    def _start(self, files: list[int]) -> dict[str, Any]:
        try:
            pid = os.fork()
        except OSError as error:
            return {"error": f"no process can be started ({error.strerror})"}
        if not pid:
            self._be_worker(files)
        for descriptor in files:
            os.close(descriptor)
        self._alive.add(pid)
        return {"pid": pid}

    def _be_worker(self, files: list[int]) -> None:
        """The forked process; it never comes back."""
        from workbench.execute.serve import serve

        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for ours in (self._control, self._woken, self._wake):
                ours.close()
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            channel, output, *others = files
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            serve(socket.socket(fileno=channel), others)
            status = 0
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(status)

    def _end(self, pid: int, grace_s: float) -> dict[str, Any]:
        """Waits `grace_s` for a worker to end by itself, then ends it; its wait status, once it and its are gone."""
        self._wait_for(pid, grace_s)
        killed = pid in self._alive
        if killed:
            kill([pid])
            self._wait_for(pid, PATIENCE_S)
        self._clear()
        return {"status": self._statuses.pop(pid, None), "killed": killed}

    def _wait_for(self, pid: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._reap()
        while pid in self._alive and time.monotonic() < deadline:
            time.sleep(0.001)
            self._reap()

    def _reap(self) -> None:
        """Takes in who has ended; where a worker has, what it left behind goes too."""
        ended = False
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid in self._alive:
                    self._alive.discard(pid)
                    self._statuses[pid] = status
                    ended = True
        if ended:
            self._clear()

    def _clear(self) -> None:
        """Ends every child that is no worker. What those leave behind comes here in turn, until nothing is left."""
        deadline = time.monotonic() + PATIENCE_S
        while (strays := children(os.getpid()) - self._alive) and time.monotonic() < deadline:
            kill(strays)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
