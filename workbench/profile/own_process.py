"""NVIDIA's reader in a process of its own.

It never gives back the memory of a report that it has opened, up to 4 MB a launch, and is native code that a broken
report may end. A process that ends gives its memory back and takes nobody along. What it found goes to stdout as a
pickle: what reads it is this project's own code in both processes.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.foreign import printable
from workbench.problem import Problem

TIMEOUT_S = 120.0
MEMORY_BYTES = 8 << 30


def answer_of(module: str, report: Path, *words: str) -> Any:
    """What `python -m MODULE REPORT WORDS…` gives by `give`. Raises Problem where it ends in any other way."""
    command = [sys.executable, "-m", module, str(report.resolve()), *words]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, capture_output=True, check=False, cwd=root, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Problem(f"{report}: NVIDIA's reader did not come back within {TIMEOUT_S:.0f} s; copy it again") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        ended = f"ended by {_signal(-done.returncode)}" if done.returncode < 0 else f"status {done.returncode}"
        why = printable(said[-1])[:200] if said and done.returncode > 0 else ended
        raise Problem(f"{report}: NVIDIA's reader cannot read it ({why}); copy it again, or profile again")
    return pickle.loads(done.stdout)


def give(make: Callable[[], Any], read: Path) -> int:
    """In the other process: hands over what `make` returns of the file `read`; the exit status."""
    # What native code prints must not stand among what was found.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            pickle.dump(make(), out)
        except Problem as problem:
            print(str(problem).removeprefix(f"{read}: "), file=sys.stderr)
            return 1
    return 0


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
