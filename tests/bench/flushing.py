"""The `workbench` command, which also writes down how long its workers flushed caches: `python -m tests.bench.flushing
FILE ARGUMENTS…`."""

from __future__ import annotations

import sys
from pathlib import Path

from workbench.cli import main
from workbench.measure.plausible import Timed
from workbench.measure.variant_timer import Block
from workbench.sweep.variant_process import VariantProcess


def counted_main(file: Path) -> None:
    """Cold blocks are the only ones that flush."""
    total, timed_block = 0.0, VariantProcess._timed_block

    def counting(process: VariantProcess, seconds: float) -> tuple[Block, Timed]:
        nonlocal total
        block, timed = timed_block(process, seconds)
        total += timed.flushing_s
        return block, timed

    VariantProcess._timed_block = counting  # type: ignore[method-assign]
    try:
        main()
    finally:
        file.write_text(repr(total))


if __name__ == "__main__":
    counted_main(Path(sys.argv.pop(1)))
