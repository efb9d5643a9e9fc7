"""Broken run folders: every reader gives what can be read and one line for the rest, never anything else."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.campaign.mutate import FUZZ, broken_bytes, broken_json, deep
from tests.dashboard.synthetic import GPU, synthetic_run
from workbench.catalog import load_catalog
from workbench.problem import Problem
from workbench.show.report import write_report
from workbench.store.counters import read_counters, read_launches, read_rules
from workbench.store.run_folder import list_runs, open_run
from workbench.sweep import session
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection
from workbench.views.compare import compare
from workbench.views.counters import launches_of, rules
from workbench.views.filter import Filter
from workbench.views.operands import parse_operand
from workbench.views.query import choices, read_records
from workbench.views.runs import list_summaries, run_summary

pytestmark = pytest.mark.sliced

FAULTY = Path(__file__).parents[1] / "sweep" / "faulty"
EACH = 10 * FUZZ if FUZZ > 1 else 2
"""Mutations of each file."""
REPORTED = 6
"""One in so many, whichever file it is of, is also drawn as a report, which takes a second where it can be read."""
_used = itertools.count()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with counters and rules, and the same one before it was finished."""
    folder = tmp_path_factory.mktemp("sound")
    run = synthetic_run(folder, "finished", GPU, counters=True, lengths=(256,), dtypes=("float32",))
    going = folder / "going"
    going.mkdir()
    data = json.loads((run.path / "run.json").read_text())
    asked = Selection(kernels=str(FAULTY), axes=(("n", (3000,)),), devices=("cpu",), preset="small").as_dict()
    (going / "run.json").write_text(json.dumps({**data, "name": "going", "finished": False, "selection": asked}))
    lines = [r.model_dump_json(by_alias=True, exclude={"counters"}) for r in run.records()[:4]]
    (going / "records.jsonl").write_text("\n".join(lines) + "\n")
    entry = {"key": "k", "settings": {}, "samples_s": [1.0], "spent_s": 1.0}
    (going / "journal.jsonl").write_text(json.dumps(entry) + "\n")
    return folder


def use(path: Path, out: Path) -> None:
    """Everything that reads a run; each may raise Problem and nothing else."""
    profiles, number = path.parent, next(_used)

    def records() -> None:
        summaries = list_summaries(profiles)
        found = read_records(summaries, Filter(), samples=True).frame
        choices(summaries)
        if len(found):
            launches_of(summaries, found)
            rules(summaries, found)

    def report() -> None:
        write_report(run_summary(path.name, profiles), load_catalog(), out)

    def against_itself() -> None:
        side = parse_operand(str(path), profiles, None)
        compare(side.records(), side.records(), same_variant=True)

    def resume() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session._Sweep, "run", lambda sweep: None)  # all that it reads was read by then
            session.continue_run(open_run(path), Silent())

    readers: tuple[Callable[[], object], ...] = (
        lambda: open_run(path).records(),
        lambda: list_runs(profiles),
        records,
        *((report, against_itself) if number % REPORTED == 0 else ()),
        resume,
        lambda: read_counters(path),
        lambda: read_rules(path),
        lambda: read_launches(path),
    )
    for reader in readers:
        try:
            reader()
        except Problem as problem:
            line = str(problem)
            assert line and "\n" not in line and len(line) < 1000, line
            line.encode()


@pytest.mark.parametrize(
    ("run", "file"),
    [
        ("finished", "run.json"),
        ("finished", "records.parquet"),
        ("finished", "counters.parquet"),
        ("finished", "rules.parquet"),
        ("going", "run.json"),
        ("going", "records.jsonl"),
        ("going", "journal.jsonl"),
    ],
)
def test_broken_bytes(sound: Path, tmp_path: Path, run: str, file: str) -> None:
    chance = random.Random(f"{run}/{file}")
    path = tmp_path / "profiles" / run
    shutil.copytree(sound / run, path)
    data = (path / file).read_bytes()
    for _ in range(EACH):
        (path / file).write_bytes(broken_bytes(data, chance))
        use(path, tmp_path / "report.html")


@pytest.mark.parametrize(("run", "file"), [("finished", "run.json"), ("going", "run.json"), ("going", "records.jsonl")])
def test_values_of_the_wrong_kind(sound: Path, tmp_path: Path, run: str, file: str) -> None:
    chance = random.Random(f"json {run}/{file}")
    path = tmp_path / "profiles" / run
    shutil.copytree(sound / run, path)
    first, *rest = (path / file).read_text().splitlines() if file.endswith("l") else [(path / file).read_text()]
    value = json.loads(first)
    for _ in range(EACH):
        text = json.dumps(broken_json(value, chance))
        (path / file).write_text("\n".join([text, *rest]) + "\n")
        use(path, tmp_path / "report.html")


@pytest.mark.thorough
def test_tables_with_columns_of_the_wrong_kind(sound: Path, tmp_path: Path) -> None:
    """Columns that are missing, renamed, of another type, or hold text that is no JSON."""
    chance = random.Random("columns")
    for file in ("records.parquet", "counters.parquet", "rules.parquet"):
        table = pq.read_table(sound / "finished" / file)
        path = tmp_path / file / "finished"
        shutil.copytree(sound / "finished", path)
        for _ in range(EACH):
            at = chance.randrange(table.num_columns)
            name = table.column_names[at]
            rows = table.num_rows
            odd = chance.choice((pa.array(["{broken"] * rows), pa.array([2.5] * rows), pa.array([[1]] * rows),
                                 pa.nulls(rows), pa.array([True] * rows), pa.array([b"\xff"] * rows)))  # fmt: skip
            how = chance.randrange(3)
            changed = (
                table.remove_column(at) if how == 0
                else table.rename_columns([f"{n}x" if n == name else n for n in table.column_names]) if how == 1
                else table.set_column(at, name, odd)
            )  # fmt: skip
            pq.write_table(changed, path / file)
            use(path, tmp_path / "report.html")


@pytest.mark.parametrize("column", ["key", "operation", "variant", "machine", "backend", "status", "dtype"])
def test_a_table_without_what_every_record_has_is_corrupt(sound: Path, tmp_path: Path, column: str) -> None:
    path = tmp_path / "profiles" / "finished"
    shutil.copytree(sound / "finished", path)
    table = pq.read_table(path / "records.parquet")
    values = table[column].to_pylist()
    values[1] = None
    pq.write_table(
        table.set_column(table.column_names.index(column), column, pa.array(values)), path / "records.parquet"
    )
    found = read_records(list_summaries(path.parent), Filter())
    assert found.frame.empty and len(found.problems) == 1
    for word in ("records.parquet: corrupt", column, "is empty in 1 records"):
        assert word in found.problems[0]


@pytest.mark.parametrize(
    "text", [deep(5000), b'{"schema": 1e999}', b'{"schema": null}', b"null", b"[]", b'{"schema": "2"}', b"\x00"]
)
def test_run_json_that_is_something_else(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "profiles" / "odd"
    path.mkdir(parents=True)
    (path / "run.json").write_bytes(text)
    with pytest.raises(Problem, match="corrupt"):
        open_run(path)
    use(path, tmp_path / "report.html")


def test_choices_of_columns_that_hold_lists_and_no_numbers(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "finished"
    shutil.copytree(sound / "finished", path)
    table = pq.read_table(path / "records.parquet")
    sizes = pa.map_(pa.string(), pa.float64())
    for name, value, kind in (("operation", [1], None), ("axes", [("T", float("inf"))], sizes)):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array([value] * table.num_rows, type=kind))
    pq.write_table(table, path / "records.parquet")
    found = choices(list_summaries(tmp_path))
    assert found.operations == () and "T" not in found.sizes


def test_a_selection_that_no_file_system_takes_is_one_line(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "going"
    shutil.copytree(sound / "going", path)
    data = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**data, "selection": {**data["selection"], "kernels": "\x00"}}))
    with pytest.raises(Problem, match="what it was begun with cannot be read"):
        session.continue_run(open_run(path), Silent())


def test_broken_counters_cost_the_counters_alone(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "profiles" / "finished"
    shutil.copytree(sound / "finished", path)
    (path / "counters.parquet").write_bytes(b"")
    (summary,) = list_summaries(tmp_path / "profiles")
    assert summary.state == "finished" and not summary.counters
    assert "counters.parquet: corrupt" in summary.beside_problem and "import the report again" in summary.beside_problem
    assert len(read_records([summary], Filter()).frame) == len(open_run(path).records())
    text = write_report(run_summary("finished", tmp_path / "profiles"), load_catalog(), tmp_path / "r.html").read_text()
    assert "counters.parquet: corrupt" in text


def test_a_run_named_like_a_pattern_shows_its_own_records(sound: Path, tmp_path: Path) -> None:
    for name in ("r1", "r2", "r*", "r[12]", "r?"):
        shutil.copytree(sound / "finished", tmp_path / name)
    (pattern,) = [s for s in list_summaries(tmp_path) if s.name == "r*"]
    found = read_records([pattern], Filter()).frame
    assert len(found) == len(open_run(tmp_path / "r*").records()) and set(found["run"]) == {"r*"}
