"""Reads the CSV pages of ncu: `ncu -i FILE --csv --page raw` (a row a launch) and the long form (a row a metric).

Before the header stand ncu's log lines (`==PROF== …`) and whatever the profiled program printed. The raw page has
a second row of units, scaled for reading, so that values are brought to base units here. Where ncu ran with
`--nvtx`, two columns hold the ranges around each launch.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.execute.ranges import DOMAIN, RECORD_KEY
from workbench.foreign import reading
from workbench.problem import Problem
from workbench.profile.launches import own_range
from workbench.profile.numbers import READ_AS, Fraction, fraction_of, is_nothing, number_of
from workbench.profile.page_text import HEADER, LONGEST_LINE, NUMBER, page_records, text_lines
from workbench.profile.units import base_unit
from workbench.store.launch import Launch, Rule, Value

FIELDS_BEHIND = 6
"""What stands behind a range's domain and name: payload's type and value, colour's, message's."""
NO_METRICS = {
    "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Kernel Time", "Context", "Stream", "Block Size",
    "Grid Size", "Device", "CC", "Section Name", "Metric Name", "Metric Unit", "Metric Value", "Rule Name",
    "Rule Type", "Rule Description", "Estimated Speedup Type", "Estimated Speedup", "Range Name",
}  # fmt: skip
RANGE_COLUMNS = ("thread Domain:Push/Pop_Range", "Id:Domain:Start/Stop_Range", "Id:Domain:Start/End_Range")
RANGE = re.compile(rf'(?:^|[":\s])(?:{DOMAIN}:([a-z0-9_.-]+)|<default domain>:({RECORD_KEY.pattern}))(?=[":\s]|$)')
ROW_NUMBER = re.compile(NUMBER)
NUMERIC = re.compile(r"^\W*\d")
"""What begins with a digit was meant as a number."""
RULE_KINDS = {"OPT": "optimization", "WRN": "warning", "INF": "none", "ERR": "error", "OK": "ok"}

EXPORT = (
    "import the .ncu-rep itself, which holds the numbers and not their spelling, or export it again: ncu -i FILE --csv"
)
REFUSED = {
    Fraction.BOTH: "some of its numbers have a decimal comma and some a decimal point",
    Fraction.OPEN: "its numbers may have a point before a fraction or between thousands (none of them shows which)",
}

Row = dict[str, str]


csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True)
class _Page:
    """The file, and how its numbers are written."""

    path: Path
    fraction: Fraction
    delimiter: str


def read_csv(path: Path) -> Iterator[Launch]:
    """The launches of a CSV page, in order. Raises Problem where it is no such page, is cut short or is empty."""
    count = 0
    with reading(path, "not as ncu writes its pages", "export it again with ncu -i FILE --csv --page raw"):
        page = _page(path)
        for header, units, rows in _tables(page):
            read = _long if "Metric Name" in header else _raw
            for launch in read(page, units, rows):
                count += 1
                yield launch
    if count == 0:
        raise Problem(f"{path}: a page with no kernel in it; nothing ran inside the profiled ranges, profile again")


def looks_like_csv(path: Path) -> bool:
    """Whether a header of ncu's pages stands in the file."""
    return any(HEADER.search(line) for line in text_lines(path))


def _page(path: Path) -> _Page:
    """Looks through the file once for what its numbers show."""
    header = next((found[0] for line in text_lines(path) if (found := HEADER.search(line))), None)
    if header is None:
        raise Problem(f"{path}: not an Nsight Compute report; import a .ncu-rep or the output of ncu --csv --page raw")
    delimiter = header[-1]
    fraction = fraction_of(_metric_cells(csv.reader(page_records(path), delimiter=delimiter)))
    if fraction not in READ_AS:
        raise Problem(f"{path}: {REFUSED[fraction]}; {EXPORT}")
    return _Page(path, fraction, delimiter)


def _metric_cells(rows: Iterable[list[str]]) -> Iterator[str]:
    """The cells that hold values of metrics; other columns have points under any locale (`8.9`: a capability)."""
    chosen: list[int] = []
    for row in rows:
        if row[:1] == ["ID"]:
            chosen = [k for k, name in enumerate(row) if name == "Metric Value" or name not in NO_METRICS]
        else:
            yield from (row[k] for k in chosen if k < len(row))


def _tables(page: _Page) -> Iterator[tuple[list[str], Mapping[str, str], Iterator[Row]]]:
    """Each table of the file (one process of several may print its own): header, unit of each column, rows."""
    path = page.path
    reader = csv.reader(page_records(path), delimiter=page.delimiter)
    pending: list[list[str]] = [next(row for row in reader if _is_header(row))]
    while pending:
        header = pending.pop()
        second = next(reader, [])
        has_units = len(second) == len(header) and not second[0].strip()
        units = dict(zip(header, second, strict=True)) if has_units else {}
        rows = _rows(path, header, [] if has_units else [second], reader, pending)
        yield header, units, rows
        for _ in rows:  # a reader that stopped early must not leave half a table for the next one
            pass


def _is_header(row: list[str]) -> bool:
    return row[:1] == ["ID"] and "Kernel Name" in row


def _rows(
    path: Path, header: list[str], first: list[list[str]], reader: Iterator[list[str]], pending: list[list[str]]
) -> Iterator[Row]:
    # The details page writes its rows of metrics without the columns of rules.
    needed = header.index("Metric Value") + 1 if "Metric Value" in header else len(header)

    def cells() -> Iterator[list[str]]:
        yield from first
        yield from reader

    for row in cells():
        if _is_header(row):
            pending.append(row)
            return
        if not row or not ROW_NUMBER.fullmatch(row[0].strip()):
            continue  # what the profiled program printed
        if len(row) < needed:
            raise Problem(
                f"{path}: cut short at launch {row[0]} ({len(row)} of {len(header)} columns); export it again"
            )
        yield dict(zip(header, row, strict=False))


# --------------------------------------------------------------------------------------------------- the raw page


def _raw(page: _Page, units: Mapping[str, str], rows: Iterable[Row]) -> Iterator[Launch]:
    base_units: dict[str, str] = {}
    for row in rows:
        names = (name for name in row if name not in NO_METRICS and not name.startswith(RANGE_COLUMNS))
        yield _launch(page, row, ((name, row[name], units.get(name, "")) for name in names), base_units)


def _launch(
    page: _Page, row: Row, cells: Iterable[tuple[str, str, str]], units: dict[str, str], rules: Sequence[Rule] = ()
) -> Launch:
    """A launch of its row (the first of several), and of its metrics as (name, value, unit); `units` gets their base
    units."""
    metrics, missing = _context(row), []
    for name, text, unit in cells:
        factor, units[name] = base_unit(unit)
        value = _value(page, name, text, unit)
        if value is None:
            missing.append(name)
        else:
            metrics[name] = value * factor if isinstance(value, float) else value
    device, process = _identity(row)
    return Launch(
        kernel=row["Kernel Name"],
        metrics=metrics,
        units=units,
        ranges=_ranges(row),
        rules=tuple(rules),
        missing=tuple(missing),
        own_ranges=_own_ranges(row),
        device_number=device,
        process=process,
    )


def _value(page: _Page, column: str, text: str, unit: str) -> Value | None:
    """A number, a text, or None for what is missing. Problem where there is a unit and no number."""
    stripped = text.strip()
    number = number_of(stripped, page.fraction)
    if number is not None:
        return number if math.isfinite(number) else None
    if is_nothing(stripped):
        return None
    if unit and NUMERIC.search(stripped):
        raise Problem(f"{page.path}: {column} {stripped!r:.60} {unit} is no number in a form that is known; {EXPORT}")
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
        sizes = re.findall(r"\d+", row.get(column) or "")
        # More digits than a launch can have are somebody else's text.
        if sizes and all(len(size) <= 10 for size in sizes):
            metrics[metric] = float(math.prod(map(int, sizes)))
    return metrics


def _ranges(row: Row) -> tuple[str, ...]:
    # the push/pop column stands first and the innermost range is last: process-wide ranges go in front
    return tuple(named or keyed for cell in reversed(_range_cells(row)) for named, keyed in RANGE.findall(cell))


def _own_ranges(row: Row) -> tuple[str, ...]:
    """Ranges of the profiled program itself, outermost first."""
    found = [_domain_and_name(text) for cell in reversed(_range_cells(row)) for text in _range_texts(cell)]
    return tuple(own_range(n) for domain, n in found if n and domain != DOMAIN and not RECORD_KEY.fullmatch(n))


def _range_texts(cell: str) -> list[str]:
    """Of `1  "DOMAIN:NAME:…" "DOMAIN:NAME:…" ` what is quoted; else the cell `ID:DOMAIN:NAME:…` without its number."""
    quoted = re.findall(r'"([^"]*)"', cell)
    return quoted or [re.sub(r"^\s*\d+:", "", cell)]


def _domain_and_name(text: str) -> tuple[str, str]:
    """Names may hold colons themselves: `aten::mm`."""
    domain, *fields = text.split(":")
    return domain, ":".join(fields[:-FIELDS_BEHIND] if len(fields) > FIELDS_BEHIND else fields[:1]).strip()


def _range_cells(row: Row) -> list[str]:
    return [cell or "" for name, cell in row.items() if name.startswith(RANGE_COLUMNS)]


def _identity(row: Row) -> tuple[str, str]:
    """Device and process, which tell launches of one kernel apart."""
    return row.get("Device") or "", row.get("Process ID") or ""


# --------------------------------------------------------------------------------------------------- the long form


def _long(page: _Page, units: Mapping[str, str], rows: Iterable[Row]) -> Iterator[Launch]:
    """A row a metric or a rule; rows of one launch stand together under its ID (and process)."""
    place: tuple[str, ...] | None = None
    collected: list[Row] = []
    for row in rows:
        here = (row.get("Process ID", ""), row.get("Device", ""), row["ID"])
        if place is not None and here != place:
            yield _of_rows(page, collected)
            collected = []
        place = here
        collected.append(row)
    if collected:
        yield _of_rows(page, collected)


def _of_rows(page: _Page, rows: list[Row]) -> Launch:
    cells: list[tuple[str, str, str]] = []
    rules: list[Rule] = []
    for row in rows:
        name, unit = row.get("Metric Name", ""), row.get("Metric Unit", "")
        if (name, unit) == ("Memory Throughput", "%"):
            name = "Memory Throughput %"  # another section has a figure of this name in bytes per second
        if name:
            cells.append((name, row.get("Metric Value", ""), unit))
        if row.get("Rule Name"):
            speedup = _value(page, "Estimated Speedup", row.get("Estimated Speedup", ""), "")
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
    return _launch(page, rows[0], cells, {}, rules)
