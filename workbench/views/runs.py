"""The runs of a profiles folder: readable ones, ones still going, and broken ones with what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from workbench.foreign import reading
from workbench.problem import Problem
from workbench.store.counters import COUNTER_COLUMNS, COUNTERS, RULE_COLUMNS, RULES, column_type
from workbench.store.record import SCHEMA, Machine, Run
from workbench.store.run_folder import RESTORE, find_run, open_run, run_files

COLUMNS_BESIDE = {COUNTERS: COUNTER_COLUMNS, RULES: RULE_COLUMNS}

State = Literal["finished", "unfinished", "corrupt"]


@dataclass(frozen=True)
class RunSummary:
    """One run folder, without its records."""

    name: str
    path: Path
    state: State
    problem: str = ""
    """What is wrong with a corrupt one, and what to do."""
    created: str = ""
    device: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    counters: bool = False
    """Whether a profiler's counters were joined to it."""
    beside_problem: str = ""
    """What is wrong with its counters or rules, which are then left out; its records are not concerned."""
    run: Run | None = None
    """What run.json holds; None where it cannot be read."""
    is_table: bool = False
    """Whether its records are a nested table of this schema."""

    @property
    def records_file(self) -> Path:
        return self.path / ("records.parquet" if self.state == "finished" else "records.jsonl")

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(self.run.machines) if self.run is not None else ()

    @property
    def commit(self) -> str:
        """Of the kernels where they are a repository of their own, else of the workbench; empty where it is not known.
        A `+` behind it: files of the commit had been changed."""
        return str(self.environment.get("kernels_commit") or self.environment.get("commit") or "")

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(machine.host for machine in self.machines if machine.host))

    @property
    def has_ceilings(self) -> bool:
        return any(machine.ceilings for machine in self.machines)

    def ceilings_of(self, machine: str) -> dict[str, float]:
        """Those of one of its machines, by id."""
        return dict(self.run.machine(machine).ceilings) if self.run is not None else {}

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever the run's records do: (time of change in ns, bytes); zeros where there are none yet."""
        return _stamp(self.records_file)


def list_summaries(profiles: Path) -> tuple[RunSummary, ...]:
    """Every run folder of `profiles`, the newest first, corrupt ones last. Empty for a folder that does not exist."""
    found = [
        _summary(file.parent, _stamp(file), tuple(_stamp(file.with_name(name)) for name in COLUMNS_BESIDE))
        for file in run_files(profiles)
    ]
    found.sort(key=lambda run: (run.state != "corrupt", run.created, run.name), reverse=True)
    return tuple(found)


def run_summary(text: str, profiles: Path) -> RunSummary:
    """A run by its name in profiles, or its folder. Problem where it is missing or corrupt."""
    folder = find_run(profiles, text)
    for run in list_summaries(folder.path.parent):
        if run.path.resolve() == folder.path.resolve():
            if run.state == "corrupt":
                raise Problem(run.problem, exit_status=2)
            return run
    raise Problem(f"{folder.path}: no run there", exit_status=2)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=10_000)
def _summary(path: Path, stamp: tuple[int, int], beside: tuple[tuple[int, int], ...]) -> RunSummary:
    """Reads run.json. The stamps are the cache's key: a file that changed is read again."""
    try:
        folder = open_run(path)
    except Problem as problem:
        return RunSummary(path.name, path, "corrupt", str(problem))
    run = folder.run
    if run.finished and not (path / "records.parquet").is_file():
        missing = f"{path / 'records.parquet'}: missing from a finished run; {RESTORE}"
        return RunSummary(path.name, path, "corrupt", missing, run.created, run.device)
    beside_problem = _beside_problem(path)
    return RunSummary(
        path.name,
        path,
        "finished" if run.finished else "unfinished",
        created=run.created,
        device=run.device,
        environment=dict(run.environment),
        command=tuple(run.command),
        counters=any(beside[0]) and not beside_problem,
        beside_problem=beside_problem,
        run=run,
        is_table=run.finished and folder.schema == SCHEMA,
    )


def _is_null(column: Any) -> bool:
    """A column of nothing but missing values may have any type."""
    return str(column.type) == "null"


def _beside_problem(path: Path) -> str:
    """What is wrong with the tables that a profiler left; empty where they are as they should be, or not there."""
    import pyarrow.parquet as pq

    for name, columns in COLUMNS_BESIDE.items():
        if not (path / name).is_file():
            continue
        try:
            with reading(path / name, "corrupt", "import the report again; the records are shown without it"):
                schema = pq.read_schema(path / name)
                lacking = set(columns) - set(schema.names)
                if lacking:
                    raise ValueError(f"no column {', '.join(sorted(lacking))}")
                odd = [c for c in columns if schema.field(c).type != column_type(c) and not _is_null(schema.field(c))]
                if odd:
                    raise ValueError(f"column {odd[0]} is {schema.field(odd[0]).type}, not {column_type(odd[0])}")
                for group in range((file := pq.ParquetFile(path / name)).num_row_groups):
                    file.read_row_group(group, columns=["key"])
        except Problem as problem:
            return str(problem)
    return ""
