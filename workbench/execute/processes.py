"""Processes by what Linux tells of them: whose child one is, and which server it descends from."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MARK = "WORKBENCH_SERVER"
"""Environment variable that names the server a process descends from. A process keeps the environment of its start
through every fork, so that the mark stays where a parent's id is lost."""
PATIENCE_S = 5.0


def prctl(option: int, value: int) -> None:
    """The system call; where there is none, nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def hold_through_interrupts() -> None:
    """SIGINT, SIGTERM and SIGHUP go to a whole group; those who serve end with their coordinator and not before it. A
    handler that does nothing, since an ignored signal would stay ignored in whatever these processes start."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)


def children(parent: int) -> set[int]:
    """Ids of its living children and of those that nobody has waited for."""
    return {pid for pid, its_parent in _parents().items() if its_parent == parent}


def descendants(ancestor: int) -> set[int]:
    """Its children, theirs, and so on."""
    parents = _parents()
    found: set[int] = set()
    fresh = {ancestor}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def marked(token: str) -> set[int]:
    """Ids of all processes that descend from the server of this token, however far."""
    wanted = f"{MARK}={token}".encode()
    found = set()
    for pid in _ids():
        with contextlib.suppress(OSError), Path(f"/proc/{pid}/environ").open("rb") as file:
            if wanted in file.read().split(b"\0"):
                found.add(pid)
    return found


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_tree(pid: int) -> None:
    """Ends a process that is not this one's child, and all that descends from it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)  # so that it starts no more of them
    kill((pid, *descendants(pid)))


def end_marked(token: str) -> None:
    """Ends whatever descends from the server of this token, until nothing does."""
    deadline = time.monotonic() + PATIENCE_S
    times_none = 0  # one may be born while the others are looked at
    while times_none < 2 and time.monotonic() < deadline:
        left = {pid for pid in marked(token) if not is_zombie(pid)}
        kill(left)
        times_none = 0 if left else times_none + 1
        time.sleep(0.01)


def is_zombie(pid: int) -> bool:
    """Whether it has ended and only its parent does not know it yet."""
    fields = _stat(pid)
    return fields is None or fields[0] in ("Z", "X")


def _ids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]


def _parents() -> dict[int, int]:
    found = {}
    for pid in _ids():
        fields = _stat(pid)
        if fields is not None:
            found[pid] = int(fields[1])
    return found


def _stat(pid: int) -> list[str] | None:
    """State, parent and so on: what stands behind the name, which may hold anything; None where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return None
