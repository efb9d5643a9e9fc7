"""Reads a report, or launches FIRST to LAST of it, in a process of its own.

    python -m workbench.profile.read_piece REPORT [FIRST LAST]

NVIDIA's reader never gives back the memory of a report it has opened, up to 4 MB a launch, and is native code that a
broken report may end. A process that ends gives its memory back and takes nobody along. The launches go to stdout as
a pickle: what reads them is this project's own code in both processes.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

from workbench.foreign import printable
from workbench.problem import Problem
from workbench.profile.launches import launches_of
from workbench.profile.report_blocks import read_blocks
from workbench.store.launch import Launch
from workbench.temporary import temporary_folder

TIMEOUT_S = 120.0
MEMORY_BYTES = 8 << 30


def read_piece(report: Path, first: int | None = None, last: int | None = None) -> list[Launch]:
    """Launches first to last (exclusive) of a report, or all of it, read by another process. Raises Problem."""
    command = [sys.executable, "-m", "workbench.profile.read_piece", str(report.resolve())]
    command += [] if first is None else [str(first), str(last)]
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
    launches: list[Launch] = pickle.loads(done.stdout)
    return launches


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main(report: Path, *piece: int) -> int:
    # What native code prints must not stand among the launches.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        import ncu_report

        with temporary_folder() as folder:
            part = folder / "piece.ncu-rep" if piece else report
            if piece:
                read_blocks(report).write_piece(piece[0], piece[1], part)
            try:
                pickle.dump(list(launches_of(ncu_report, part)), out)
            except Problem as problem:
                print(str(problem).removeprefix(f"{part}: "), file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
