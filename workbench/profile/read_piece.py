"""Reads a report, or launches FIRST to LAST of it, in a process of its own.

python -m workbench.profile.read_piece REPORT [FIRST LAST]
"""

from __future__ import annotations

import sys
from pathlib import Path

from workbench.profile.launches import launches_of
from workbench.profile.own_process import answer_of, give
from workbench.profile.report_blocks import read_blocks
from workbench.store.launch import Launch
from workbench.temporary import temporary_folder


def read_piece(report: Path, first: int | None = None, last: int | None = None) -> list[Launch]:
    """Launches first to last (exclusive) of a report, or all of it, read by another process. Raises Problem."""
    piece = () if first is None else (str(first), str(last))
    launches: list[Launch] = answer_of("workbench.profile.read_piece", report, *piece)
    return launches


def main(report: Path, *piece: int) -> int:
    with temporary_folder() as folder:
        part = folder / "piece.ncu-rep" if piece else report

        def read() -> list[Launch]:
            import ncu_report

            if piece:
                read_blocks(report).write_piece(piece[0], piece[1], part)
            return list(launches_of(ncu_report, part))

        return give(read, part)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
