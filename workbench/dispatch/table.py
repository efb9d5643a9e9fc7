"""The dispatch table: what was fastest at each shape that somebody measured, as JSON that a person can read."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.declare import Setting
from workbench.durable import write_whole
from workbench.foreign import reading

FORMAT = 1
COMMITTED = Path(__file__).parent
"""Tables that come with the project, a file each."""


@dataclass(frozen=True)
class Entry:
    """The fastest variant of one operation and pass at one shape on one machine."""

    operation: str
    pass_: str
    device: str
    """`cpu` or `cuda`."""
    machine: str
    """The device's name as its records carry it."""
    dtype: str
    sizes: Mapping[str, int]
    variant: str
    settings: Mapping[str, Setting]
    median_s: float
    low_s: float
    high_s: float
    run: str
    tie: tuple[str, ...] = field(default=())
    """Variants that are not slower beyond doubt, by the rule of comparisons: the measurement does not say more."""


def write_table(path: Path, entries: tuple[Entry, ...]) -> None:
    write_whole(path, table_text(entries).encode())


def table_text(entries: tuple[Entry, ...]) -> str:
    """What a file of these entries holds: an entry a line."""
    rows = [{name.rstrip("_"): value for name, value in asdict(entry).items()} for entry in entries]
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return (
        f'{{"format": {FORMAT}, "entries": [\n  {lines}\n]}}\n' if rows else f'{{"format": {FORMAT}, "entries": []}}\n'
    )


@functools.cache
def read_table(path: Path) -> tuple[Entry, ...]:
    """Raises Problem for a file that is no table of this format."""
    with reading(path, "not a dispatch table", "write it again with workbench dispatch --export"):
        table = json.loads(path.read_text())
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']}, this workbench reads {FORMAT}")
        return tuple(_entry(row) for row in table["entries"])


def _entry(row: Mapping[str, Any]) -> Entry:
    values = {("pass_" if name == "pass" else name): value for name, value in row.items()}
    entry = Entry(**{**values, "tie": tuple(values.get("tie", ()))})
    if not all(isinstance(size, int) and size > 0 for size in entry.sizes.values()):
        raise ValueError(f"sizes {dict(entry.sizes)} are not positive whole numbers")
    return entry


def committed() -> tuple[Entry, ...]:
    """The entries of every table that comes with the project."""
    return tuple(entry for file in sorted(COMMITTED.glob("*.json")) for entry in read_table(file))
