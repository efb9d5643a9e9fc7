"""A variant's source beside what the compiler made of it: instructions per source line, their mix by architecture."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from workbench.catalog import Catalog
from workbench.compile.catalogue import BuildRow, build_catalogue, survey_shape
from workbench.compile.facts import listing_of
from workbench.compile.toolkit import run_tool
from workbench.compile.units import Binary
from workbench.steps import kind_of, leaves_of

_PLACE = re.compile(r'^\s*//## File "([^"]+)", line (\d+)')
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*$")
_FUNCTION = re.compile(r"^\s*\.section\s+\.text\.([^,\s]+)")


@dataclass(frozen=True)
class Line:
    """One machine instruction and the source line that it comes from."""

    address: int
    text: str
    kind: str
    """Its class, as in the SASS mix."""
    file: Path | None
    line: int


def compiled(catalog: Catalog, key: str, archs: Iterable[str], dtype: str) -> list[BuildRow]:
    """Every kernel of a variant on every architecture: from the build cache, or compiled now."""
    return build_catalogue(catalog, [catalog.variant(key)], list(archs), [dtype])


def mix(rows: Iterable[BuildRow]) -> pd.DataFrame:
    """Instructions by class: columns kernel, arch, kind, count. Static counts, from the compiler's output."""
    found = [
        (row.fact.kernel, row.fact.arch, kind, count)
        for row in rows
        if row.fact is not None
        for kind, count in row.fact.sass_mix.items()
        if kind != "total"
    ]
    return pd.DataFrame(found, columns=["kernel", "arch", "kind", "count"])


def resources(rows: Iterable[BuildRow]) -> pd.DataFrame:
    """Registers, shared memory, spills, occupancy: a row per kernel and architecture."""
    facts = [row.fact.model_dump(exclude={"sass_mix", "source"}) for row in rows if row.fact is not None]
    return pd.DataFrame(facts)


@lru_cache(maxsize=32)
def lines_of(binary: Binary, kernel: str) -> tuple[Line, ...]:
    """The instructions of one kernel with the source lines that nvdisasm names. Problem where the tool is missing."""
    kinds = {instruction.address: instruction.kind for instruction in listing_of(binary, kernel).instructions}
    found: list[Line] = []
    inside, file, number = False, None, 0
    for text in run_tool("nvdisasm", "-c", "-ndf", "-g", str(binary.path)).splitlines():
        section = _FUNCTION.match(text)
        if section:
            inside = section[1] == kernel
            continue
        if not inside:
            continue
        place = _PLACE.match(text)
        if place:
            file, number = Path(place[1]), int(place[2])
            continue
        instruction = _INSTRUCTION.match(text)
        if instruction and int(instruction[1], 16) in kinds:  # padding behind the code is none of its instructions
            address = int(instruction[1], 16)
            found.append(Line(address, instruction[2].rstrip(" ;"), kinds[address], file, number))
    return tuple(found)


def listing(lines: Iterable[Line], only: int | None = None, source: Path | None = None) -> str:
    """The machine code with a comment wherever the source line changes; of one line of `source` where `only` is set."""
    found: list[str] = []
    last: tuple[Path | None, int] | None = None
    for line in lines:
        if only is not None and (
            line.line != only or source is None or line.file is None or line.file.name != source.name
        ):
            continue
        if (line.file, line.line) != last:
            last = (line.file, line.line)
            found.append(f"// {line.file.name if line.file else '?'}:{line.line}")
        found.append(f"  {line.address:04x}  {line.text}")
    return "\n".join(found)


def files(rows: Iterable[BuildRow]) -> list[Path]:
    """The sources of a variant's kernels, each once."""
    return list(dict.fromkeys(row.unit.source for row in rows if row.unit is not None))


def sources_of(catalog: Catalog, operation: str, name: str) -> Path | None:
    """The folder of a variant's sources; None where the catalogue does not know it."""
    found = next((v for v in catalog.variants.get(operation, []) if v.name == name), None)
    if found is None:
        return None
    shape = survey_shape(catalog.operation_of(found), found, catalog.operation_of(found).dtypes[0])
    if found.supports(shape) is not None:
        return None
    steps = leaves_of(found.plan(shape, found.default_settings()).steps)
    return next((source.path.parent for step in steps if (source := kind_of(step).source(step)) is not None), None)


def calls(catalog: Catalog, key: str, dtype: str) -> list[tuple[str, str]]:
    """The library calls of a variant, as (name, Python source), each once; empty where it has none."""
    variant = catalog.variant(key)
    operation = catalog.operation_of(variant)
    shape = survey_shape(operation, variant, dtype)
    if variant.supports(shape) is not None:
        return []
    found: dict[str, str] = {}
    for step in leaves_of(variant.plan(shape, variant.default_settings()).steps):
        function = kind_of(step).python_source(step)
        if function is not None:
            try:
                found.setdefault(function.__qualname__, inspect.getsource(function))
            except (OSError, TypeError, AttributeError):
                found.setdefault(repr(function), "")
    return list(found.items())


def source_lines(lines: Iterable[Line], source: Path) -> dict[int, int]:
    """The lines of a source that machine code came of, in their order, and how many instructions each has."""
    counts = Counter(line.line for line in lines if line.file is not None and line.file.name == source.name)
    return {number: counts[number] for number in sorted(counts)}
