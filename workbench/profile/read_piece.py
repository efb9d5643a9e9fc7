"""Reads one piece of a report in a process of its own: `python -m workbench.profile.read_piece REPORT FIRST LAST`.

NVIDIA's reader never gives back the memory of a report it has opened, up to 4 MB a launch. A process that ends does.
The launches go to stdout as a pickle.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from workbench.profile.report_blocks import read_blocks
from workbench.store.launch import Launch
from workbench.temporary import temporary_folder


def read_piece(report: Path, first: int, last: int) -> list[Launch]:
    """Launches first to last (exclusive) of a report, read by another process."""
    command = [sys.executable, "-m", "workbench.profile.read_piece", str(report.resolve()), str(first), str(last)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, check=False, cwd=root)
    if done.returncode:
        raise RuntimeError(f"{report}: launches {first} to {last} cannot be read: {done.stderr.decode()[-500:]}")
    launches: list[Launch] = pickle.loads(done.stdout)
    return launches


def main(report: Path, first: int, last: int) -> None:
    import ncu_report

    from workbench.profile.read_report import launches_of

    with temporary_folder() as folder:
        piece = folder / "piece.ncu-rep"
        read_blocks(report).write_piece(first, last, piece)
        pickle.dump(list(launches_of(ncu_report, piece)), sys.stdout.buffer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
