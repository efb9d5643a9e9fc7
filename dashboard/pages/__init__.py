"""The pages, found by their files: `NN_name.py`, in the order of NN, the order in which one thinks. Each is a module
with a function `page(context)` that lays it out; another file here is another page."""

from __future__ import annotations

import re
from pathlib import Path

FILE = re.compile(r"[0-9]+_([a-z][a-z0-9_]*)")


def found(folder: Path) -> dict[str, str]:
    """What each page is called → its module, in order: `01_ladder.py` → `Ladder`."""
    names = ((FILE.fullmatch(file.stem), file.stem) for file in sorted(folder.glob("*.py")))
    return {name[1].replace("_", " ").capitalize(): stem for name, stem in names if name}
