"""Reads the CSV pages of ncu: `ncu -i FILE --csv --page raw` (a row a launch) and the long form (a row a metric).

Before the header stand ncu's log lines (`==PROF== …`) and whatever the profiled program printed. The raw page has
a second row of units, scaled for reading, so that values are brought to base units here. Where ncu ran with
`--nvtx`, two columns hold the ranges around each launch.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workbench.execute.ranges import DOMAIN, RECORD_KEY
from workbench.problem import Problem
from workbench.profile.units import base_unit
from workbench.store.launch import Launch, Rule, Value

NO_METRICS = {
    "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Kernel Time", "Context", "Stream", "Block Size",
    "Grid Size", "Device", "CC", "Section Name", "Metric Name", "Metric Unit", "Metric Value", "Rule Name",
    "Rule Type", "Rule Description", "Estimated Speedup Type", "Estimated Speedup", "Range Name",
}  # fmt: skip
RANGE_COLUMNS = ("thread Domain:Push/Pop_Range", "Id:Domain:Start/Stop_Range", "Id:Domain:Start/End_Range")
RANGE = re.compile(rf'(?:^|[":\s])(?:{DOMAIN}:([a-z0-9_.-]+)|<default domain>:({RECORD_KEY.pattern}))(?=[":\s]|$)')
THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
NO_VALUE = {"", "n/a", "nan", "-nan", "(nan)", "no data"}
RULE_KINDS = {"OPT": "optimization", "WRN": "warning", "INF": "none", "ERR": "error", "OK": "ok"}

Row = dict[str, str]


def read_csv(path: Path) -> Iterator[Launch]:
    """The launches of a CSV page, in order. Raises Problem where it is no such page, is cut short or is empty."""
    count = 0
    for header, units, rows in _tables(path):
        read = _long if "Metric Name" in header else _raw
        for launch in read(path, units, rows):
            count += 1
            yield launch
    if count == 0:
        raise Problem(f"{path}: a page with no kernel in it; nothing ran inside the profiled ranges, profile again")


def looks_like_csv(path: Path) -> bool:
    """Whether a header of ncu's pages stands in the file."""
    return any(_is_header(line) for line in _lines(path))


def _lines(path: Path) -> Iterator[str]:
    """The file's lines, less ncu's log. A shell of Windows redirects into UTF-16; its mark says so."""
    with path.open("rb") as file:
        start = file.read(3)
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        yield from (line for line in file if not line.startswith("=="))


def _is_header(line: str) -> bool:
    return line.startswith(('"ID",', "ID,")) and "Kernel Name" in line


def _tables(path: Path) -> Iterator[tuple[list[str], Mapping[str, str], Iterator[Row]]]:
    """Each table of the file (one process of several may print its own): header, unit of each column, rows."""
    lines = _lines(path)
    first = next((line for line in lines if _is_header(line)), None)
    if first is None:
        raise Problem(f"{path}: not an Nsight Compute report; import a .ncu-rep or the output of ncu --csv --page raw")
    reader = csv.reader(_complete(path, lines))
    pending: list[list[str]] = [next(csv.reader([first]))]
    while pending:
        header = pending.pop()
        second = next(reader, [])
        has_units = len(second) == len(header) and not second[0].strip()
        units = dict(zip(header, second, strict=True)) if has_units else {}
        rows = _rows(path, header, [] if has_units else [second], reader, pending)
        yield header, units, rows
        for _ in rows:  # a reader that stopped early must not leave half a table for the next one
            pass


def _complete(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """The lines, with a Problem where the last one is not whole."""
    last = "\n"
    for last in lines:
        yield last
    if not last.endswith(("\n", '"')):
        raise Problem(f"{path}: cut short in its last line; copy it again or export it again")


def _rows(
    path: Path, header: list[str], first: list[list[str]], reader: Iterator[list[str]], pending: list[list[str]]
) -> Iterator[Row]:
    def cells() -> Iterator[list[str]]:
        yield from first
        yield from reader

    for row in cells():
        if row[:1] == ["ID"] and "Kernel Name" in row:
            pending.append(row)
            return
        if not row or not row[0].strip().isdigit():
            continue  # what the profiled program printed
        if len(row) < len(header):
            raise Problem(
                f"{path}: cut short at launch {row[0]} ({len(row)} of {len(header)} columns); export it again"
            )
        yield dict(zip(header, row, strict=False))


# --------------------------------------------------------------------------------------------------- the raw page


def _raw(path: Path, units: Mapping[str, str], rows: Iterable[Row]) -> Iterator[Launch]:
    bases = {name: base_unit(unit) for name, unit in units.items()}
    base_units: dict[str, str] = {}
    for row in rows:
        metrics, missing = _context(row), []
        for name, text in row.items():
            if name in NO_METRICS or name.startswith(RANGE_COLUMNS):
                continue
            factor, unit = bases.get(name, (1.0, ""))
            base_units[name] = unit
            value = _value(path, name, text)
            if value is None:
                missing.append(name)
            else:
                metrics[name] = value * factor if isinstance(value, float) else value
        yield Launch(row["Kernel Name"], metrics, base_units, _ranges(row), (), tuple(missing))


def _value(path: Path, column: str, text: str) -> Value | None:
    """A number, a text, or None for what is missing. Commas are thousands; a decimal comma is refused, since
    `1,234` could then be either."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else None
    stripped = text.strip()
    if stripped.lower() in NO_VALUE:
        return None
    if THOUSANDS.fullmatch(stripped):
        return float(stripped.replace(",", ""))
    if re.fullmatch(r"[-+]?[\d.]+,\d+", stripped):
        raise Problem(f"{path}: {column} {stripped} has a decimal comma; export it again with LC_ALL=C")
    return text


def _context(row: Row) -> dict[str, Value]:
    """What stands in the columns that are no metrics, under the names that reports use."""
    metrics: dict[str, Value] = {}
    major, _, minor = row.get("CC", "").partition(".")
    if major.isdigit() and minor.isdigit():
        metrics["device__attribute_compute_capability_major"] = float(major)
        metrics["device__attribute_compute_capability_minor"] = float(minor)
    device = row.get("Device", "")
    if device and not device.isdigit():
        metrics["device__attribute_display_name"] = device
    for column, metric in (("Block Size", "launch__block_size"), ("Grid Size", "launch__grid_size")):
        sizes = [int(size) for size in re.findall(r"\d+", row.get(column, "").replace(",", " "))]
        if sizes:
            metrics[metric] = float(math.prod(sizes))
    return metrics


def _ranges(row: Row) -> tuple[str, ...]:
    cells = [cell for name, cell in row.items() if name.startswith(RANGE_COLUMNS)]
    # the push/pop column stands first and the innermost range is last: process-wide ranges go in front
    return tuple(named or keyed for cell in reversed(cells) for named, keyed in RANGE.findall(cell or ""))


# --------------------------------------------------------------------------------------------------- the long form


def _long(path: Path, units: Mapping[str, str], rows: Iterable[Row]) -> Iterator[Launch]:
    """A row a metric or a rule; rows of one launch stand together under its ID (and process)."""
    place: tuple[str, str] | None = None
    collected: list[Row] = []
    for row in rows:
        here = (row.get("Process ID", ""), row["ID"])
        if place is not None and here != place:
            yield _of_rows(path, collected)
            collected = []
        place = here
        collected.append(row)
    if collected:
        yield _of_rows(path, collected)


def _of_rows(path: Path, rows: list[Row]) -> Launch:
    first = rows[0]
    metrics, units, missing, rules = _context(first), {}, [], []
    for row in rows:
        name = row.get("Metric Name", "")
        if name:
            factor, units[name] = base_unit(row.get("Metric Unit", ""))
            value = _value(path, name, row.get("Metric Value", ""))
            if value is None:
                missing.append(name)
            else:
                metrics[name] = value * factor if isinstance(value, float) else value
        if row.get("Rule Name"):
            speedup = _value(path, "Estimated Speedup", row.get("Estimated Speedup", ""))
            rules.append(
                Rule(
                    rule=row["Rule Name"],
                    title=row["Rule Name"],
                    section=row.get("Section Name", ""),
                    message=" ".join(row.get("Rule Description", "").split()),
                    kind=RULE_KINDS.get(row.get("Rule Type", ""), row.get("Rule Type", "none").lower()),
                    speedup_type=row.get("Estimated Speedup Type") or None,
                    estimated_speedup_percent=speedup if isinstance(speedup, float) else None,
                )
            )
    return Launch(first["Kernel Name"], metrics, units, _ranges(first), tuple(rules), tuple(missing))
