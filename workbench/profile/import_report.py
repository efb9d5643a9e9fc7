"""Lays a report into `profiles/`: as a run of its own, or beside the records of the run that it was made from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from workbench.execute.ranges import KEY
from workbench.foreign import printable
from workbench.problem import Problem
from workbench.profile.derived import dram_bytes, occupancy_limiter
from workbench.profile.kernel_names import labels, slug, word
from workbench.profile.metrics import combined, needed_metrics
from workbench.profile.read import read_launches
from workbench.store.counters import CounterTable
from workbench.store.counters import read_launches as read_stored
from workbench.store.launch import Launch
from workbench.store.new_run import whole_run
from workbench.store.record import BuildFact, Counted, Machine, Record, Run, Status
from workbench.store.run_folder import RunFolder, list_runs, open_run, run_files

UNNAMED = "unnamed"
"""The operation of kernels that nothing here declares."""


@dataclass(frozen=True)
class Imported:
    """What an import brought, for the person who asked for it."""

    run: Path
    launches: dict[str, list[Launch]] = field(default_factory=dict)
    """By the key of their record, with the metrics that figures are made of."""
    records: list[Record] = field(default_factory=list)
    metrics: int = 0
    """How many different metrics were kept."""
    outside: int = 0
    """Launches that lie in no range of the run, and were left out."""
    home: str | None = None
    """The run that a report imported as one of its own could have joined."""
    unknown_ranges: tuple[str, ...] = ()
    """Ranges of the workbench's domain that name no record of the run."""
    already: bool = False
    """Whether this very file had been imported before; nothing was stored then."""


# ----------------------------------------------------------------------------------------- a run of its own


def import_as_run(report: Path, profiles: Path) -> Imported:
    """A new run in `profiles`, a record for each range of the workbench, and for each kernel outside of one.

    Launches of one kernel with one grid and block make one record. A file that is there already is not stored twice.
    Raises Problem where the report cannot be read; nothing is left behind then.
    """
    before = _imported_before(report, profiles)
    if before is not None:
        return before
    by_key: dict[str, list[Launch]] = {}
    table, keys = CounterTable(), _Keys()
    for launch in read_launches(report):
        key = keys.key(launch)
        by_key.setdefault(key, []).append(launch.only(needed_metrics()))
        table.append(key, launch)
    records = _records(by_key)
    ranges = {name for launches in by_key.values() for launch in launches for name in launch.ranges}
    home = next(iter(runs_with(profiles, ranges)), None) if ranges else None
    run = Run(
        name=_free_name(profiles, report),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=["workbench", "import", printable(report.name)],
        machines=_machines(by_key.values()),
        environment={"imported_from": printable(report.name), "imported_sha256": _digest(report)},
        selection={},
    )
    with whole_run(profiles, run) as folder:
        for record in records:
            folder.append(record)
        table.write(folder.path, [report])
    return Imported(folder.path, by_key, records, table.metrics, home=home)


class _Keys:
    """Keys of the records that launches make: the workbench's innermost range; outside of all of those the kernel's
    name, grid and block, with a number behind it where two differ in what a key cannot say: template arguments,
    device, process, ranges of the program's own."""

    def __init__(self) -> None:
        self._of: dict[tuple[object, ...], str] = {}

    def key(self, launch: Launch) -> str:
        if launch.ranges:
            return launch.ranges[-1]
        grid, block = (_integer(launch.number(f"launch__{what}_size")) for what in ("grid", "block"))
        identity = (
            launch.demangled,
            grid,
            block,
            launch.device,
            launch.device_number,
            launch.process,
            launch.own_ranges,
        )
        if identity not in self._of:
            size = "" if grid is None or block is None else f".g{grid}-t{block}"
            self._of[identity] = self._free(f"{UNNAMED}.{slug(launch.demangled)}{size}")
        return self._of[identity]

    def _free(self, base: str) -> str:
        taken = set(self._of.values())
        key, number = f"{base}.cuda", 2
        while key in taken:
            key, number = f"{base}.{number}.cuda", number + 1
        return key


def _records(by_key: Mapping[str, list[Launch]]) -> list[Record]:
    """A record per key. Kernels outside of the workbench's ranges get names that tell them apart on every page."""
    outside = [key for key, launches in by_key.items() if not launches[0].ranges]
    names = labels([_told_apart_by(by_key[key][0]) for key in outside])
    variants = dict(zip(outside, _variants(names), strict=True))
    return [
        _record(key, launches, variants.get(key) or slug(launches[0].demangled)) for key, launches in by_key.items()
    ]


def _variants(names: Sequence[str]) -> list[str]:
    """A variant per name: pages and URLs tell records apart by it, so different names get different ones."""
    taken: dict[str, str] = {}
    found = []
    for name in names:
        variant, number = word(name), 2
        while taken.setdefault(variant, name) != name:
            variant, number = f"{word(name)[:70]}_{number}", number + 1
        found.append(variant)
    return found


def names_of(records: Sequence[Record]) -> dict[str, str]:
    """What to call each record, by its key: `operation/variant`, or the kernel's name where nothing declares it."""
    found = {record.key: f"{record.operation}/{record.variant}" for record in records}
    unnamed = [record for record in records if record.operation == UNNAMED and record.factors.get("kernel")]
    factors = [{name: str(value) for name, value in record.factors.items()} for record in unnamed]
    return found | dict(zip((record.key for record in unnamed), labels(factors), strict=True))


def _record(key: str, launches: list[Launch], variant: str) -> Record:
    operation = UNNAMED
    parts = key.split(".")
    if launches[0].ranges and len(parts) >= 3:
        operation, variant = parts[0], parts[1]
    figures = combined(launches)
    sizes = {"blocks": _integer(figures.get("grid_blocks")), "threads": _integer(figures.get("block_threads"))}
    size = {axis: count for axis, count in sizes.items() if count is not None}
    return Record.model_validate(
        {
            "key": key,
            "operation": operation,
            "variant": variant,
            "pass": "forward",
            "factors": _told_apart_by(launches[0]),
            "axes": size,
            "dtype": "unknown",
            "machine": machine_id(launches[0]),
            "backend": "cuda",
            "status": Status.OK,
            "counted": Counted(bytes=_integer(dram_bytes(figures)), launches=len(launches)),
            "build": _build_facts(launches),
        }
    )


def machine_id(launch: Launch) -> str:
    return slug(launch.device)


def _machines(groups: Iterable[Sequence[Launch]]) -> list[Machine]:
    """The GPUs of a report, by name: which of two equal ones it was stands in the record's factors."""
    firsts = {machine_id(group[0]): group[0] for group in reversed(list(groups))}
    return [
        Machine(id=id_, name=one.device, backend="cuda", arch=one.arch or "") for id_, one in reversed(firsts.items())
    ]


def _told_apart_by(launch: Launch) -> dict[str, str]:
    """What sets the record's launches apart from others of the kernel's short name."""
    found = {"kernel": launch.demangled, "range": "/".join(launch.own_ranges),
             "device": launch.device_number, "process": launch.process}  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _build_facts(launches: Iterable[Launch]) -> list[BuildFact]:
    """What the launch statistics say of each kernel's build, once a kernel."""
    facts: dict[str, BuildFact] = {}
    for launch in launches:
        if launch.demangled in facts:
            continue
        figures = combined([launch])
        shared = [figures[name] for name in ("shared_static_bytes", "shared_dynamic_bytes") if name in figures]
        facts[launch.demangled] = BuildFact(
            arch=launch.arch or "unknown",
            kernel=launch.demangled,
            registers=_integer(figures.get("registers")),
            shared_bytes=_integer(sum(shared)) if len(shared) == 2 else None,
            block_threads=_integer(figures.get("block_threads")),
            occupancy_theoretical=figures.get("occupancy_theoretical"),
            occupancy_limiter=occupancy_limiter(figures),
        )
    return list(facts.values())


def _integer(value: float | None) -> int | None:
    """A count; None for what no count can be, as in a broken report."""
    return int(value) if value is not None and 0 <= value < 2**62 else None


def _digest(report: Path) -> str:
    with report.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _imported_before(report: Path, profiles: Path) -> Imported | None:
    """What is kept of this very file, where it was imported before and can still be read."""
    try:
        digest = _digest(report) if report.is_file() else None
    except OSError:
        digest = None
    if digest is None:
        return None  # whoever reads it says so better
    for folder in list_runs(profiles):
        if folder.run.environment.get("imported_sha256") == digest:
            try:
                records, launches = folder.records(), read_stored(folder.path)
            except Problem:
                continue
            if records and all(record.key in launches for record in records):
                metrics = {name for kept in launches.values() for one in kept for name in (*one.metrics, *one.missing)}
                return Imported(folder.path, launches, records, len(metrics), already=True)
    return None


def _free_name(profiles: Path, report: Path) -> str:
    """`imported-REPORT`, with a number behind it where that run exists."""
    base = "imported-" + (re.sub(r"[^a-z0-9]+", "-", report.stem.lower()).strip("-") or "report")
    name, number = base, 2
    while (profiles / name).exists():
        name, number = f"{base}-{number}", number + 1
    return name


# -------------------------------------------------------------------------------------------- beside a run


def import_into_run(report: Path, folder: RunFolder) -> Imported:
    """Counters of the run's records, each launch joined by the range it lies in.

    Raises Problem where no launch lies in a range of this run; the run is then as it was.
    """
    known = {record.key: record for record in folder.records()}
    by_key: dict[str, list[Launch]] = {}
    table = CounterTable()
    outside = 0
    strangers: set[str] = set()
    for launch in read_launches(report):
        key = next((name for name in reversed(launch.ranges) if name in known), None)
        if key is None:
            outside += 1
            strangers.update(launch.ranges)
            continue
        by_key.setdefault(key, []).append(launch.only(needed_metrics()))
        table.append(key, launch)
    if not by_key:
        raise Problem(_nothing_joined(report, folder, outside, strangers))
    with folder.writing():
        table.write(folder.path, [report])
    return Imported(
        folder.path,
        by_key,
        [known[key] for key in by_key],
        table.metrics,
        outside,
        unknown_ranges=tuple(sorted(strangers)),
    )


def _nothing_joined(report: Path, folder: RunFolder, launches: int, strangers: set[str]) -> str:
    if not strangers:
        return (
            f"{report}: none of its {launches} launches lies in a range of the workbench (was it profiled with "
            "--nvtx?); import it without --run as a run of its own"
        )
    home = next((name for name in runs_with(folder.path.parent, strangers) if name != folder.path.name), None)
    hint = f"its ranges are those of run {home}: --run {home}" if home else "import it without --run"
    return f"{report}: its ranges name no record of run {folder.path.name}; {hint}"


def runs_with(profiles: Path, keys: Iterable[str]) -> list[str]:
    """Names of the runs (not themselves imported) whose records have one of these keys."""
    wanted = {key for key in keys if KEY.fullmatch(key)}
    found = []
    for file in run_files(profiles):
        try:
            folder = open_run(file.parent)
            records = [] if "imported_from" in folder.run.environment else folder.records()
        except Problem:
            continue
        if any(record.key in wanted for record in records):
            found.append(file.parent.name)
    return found
