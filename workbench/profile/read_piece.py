"""Reads a report, or launches FIRST to LAST of it, in a process of its own.

    python -m workbench.profile.read_piece REPORT [FIRST LAST]

NVIDIA's reader never gives back the memory of a report it has opened, up to 4 MB a launch, and is native code that a
broken report may end. A process that ends gives its memory back and takes nobody along. The launches go to stdout as
a pickle: what reads them is this project's own code in both processes.
"""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from pathlib import Path

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
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"ended with status {done.returncode}"]
        raise Problem(f"{report}: NVIDIA's reader cannot read it ({said[-1][:200]}); copy it again, or profile again")
    launches: list[Launch] = pickle.loads(done.stdout)
    return launches


def main(report: Path, *piece: int) -> None:
    import ncu_report

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if not piece:
        pickle.dump(list(launches_of(ncu_report, report)), sys.stdout.buffer)
        return
    with temporary_folder() as folder:
        part = folder / "piece.ncu-rep"
        read_blocks(report).write_piece(piece[0], piece[1], part)
        pickle.dump(list(launches_of(ncu_report, part)), sys.stdout.buffer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
