"""Starts the ranks of a training on this machine by torchrun, and tells in one line what went wrong with them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from workbench.distributed.loop import Training
from workbench.foreign import first_words
from workbench.problem import Problem

PATIENCE_S = 10.0
LOG = "torchrun.log"


def start(
    training: Training, count: int, most_restarts: int, port: int = 0, told: Callable[[], None] | None = None
) -> None:
    """Runs `count` ranks to their end; lost ones are started again with all others, `most_restarts` times, from the
    newest checkpoint. `told` is called some times per second. Raises Problem with the first cause; no rank stays."""
    folder = Path(training.folder)
    for old in folder.glob("failed-*.json"):
        old.unlink()
    where = ["--standalone"] if port == 0 else [f"--master-port={port}"]
    command = [
        sys.executable, "-m", "torch.distributed.run", *where, f"--nproc-per-node={count}",
        f"--max-restarts={most_restarts}", "--monitor-interval=0.2", "-m", "workbench.distributed", training.as_json(),
    ]  # fmt: skip
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count)), **os.environ}
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.25)
                if told is not None:
                    told()
                if any(own for own, *_ in _failures(folder)):
                    break  # what a user must mend is the same after a restart
        finally:
            _end(process)
    if process.returncode or any(own for own, *_ in _failures(folder)):
        raise Problem(_why(folder, process.returncode))


def _end(process: subprocess.Popen[bytes]) -> None:
    """torchrun ends its ranks when it is asked to end; ranks end when torchrun is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _why(folder: Path, status: int) -> str:
    """The first cause: a rank's own problem before that of another which waited for it in vain."""
    log = folder / LOG
    found = _failures(folder)
    if found:
        own, rank, text = min(found, key=lambda f: (not f[0], _waits(f[2]), f[1]))
        return text if own else f"rank {rank}: {text} (all that the ranks wrote: {log})"
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    killed = re.search(r"exitcode\s*:\s*(-?\d+)", "\n".join(lines))
    if killed:
        return f"a rank ended with status {killed[1]}; see {log}"
    taken = next((line for line in lines if "EADDRINUSE" in line or "address already in use" in line), None)
    if taken:
        return "the port is taken by another program: choose another by --port, or leave it out"
    return f"torchrun ended with status {status}; see {log}" + (
        f" ({first_words(Exception(lines[-1]))})" if lines else ""
    )


def _failures(folder: Path) -> list[tuple[bool, str, str]]:
    """Of each rank that ended by an error: whether a user can mend it, the rank, the text."""
    found = []
    for file in sorted(folder.glob("failed-*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            entry = json.loads(file.read_text())
            found.append((bool(entry["own"]), str(entry["rank"]), str(entry["text"])))
    return found


def _waits(text: str) -> bool:
    """Whether a rank's end is that of another: it waited in a collective, or its connection was closed."""
    return any(
        sign in text for sign in ("Connection closed", "Timed out", "timed out", "Connection reset", "Broken pipe")
    )
