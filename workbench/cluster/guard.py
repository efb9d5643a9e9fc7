"""Ends a local Ray at once where the command that started it was killed: its agents would go on for over a minute."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil

from workbench.execute.processes import descendants

WATCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from workbench.cluster.guard import end_with; end_with(sys.argv[2:])"
)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """All processes that descend from this one now end with it, however it ends."""
    known = [f"{pid} {began}" for pid in descendants(os.getpid()) if (began := _began(pid)) is not None]
    watching = subprocess.Popen(
        [sys.executable, "-c", WATCH, json.dumps(sys.path), *known], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        assert watching.stdin is not None
        with contextlib.suppress(OSError):
            watching.stdin.write(b"end")  # Ray was ended in good order: nothing is killed
            watching.stdin.close()
        watching.wait()


def end_with(known: list[str]) -> None:
    """Waits until standard input is closed without a word, and kills what is left of these processes."""
    if sys.stdin.buffer.read():
        return
    for one in known:
        pid, began = int(one.split()[0]), float(one.split()[1])
        with contextlib.suppress(psutil.Error):
            if _began(pid) == began:
                psutil.Process(pid).kill()


def _began(pid: int) -> float | None:
    """When, which tells a process from a later one of the same id; None where it is gone."""
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).create_time())
    return None
