"""A disturbed record is marked wherever it is shown, and no comparison decides anything by it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.views.build_records import met, timed
from workbench.cli.ladder_table import print_ladder
from workbench.show.compare_text import as_json, as_markdown, summary
from workbench.show.figures import disturbance_text, with_derived
from workbench.show.report import sections
from workbench.show.trust import doubts
from workbench.store.new_run import create_run
from workbench.store.record import CeilingsMeasured, Machine, Record, Run
from workbench.store.run_folder import RunFolder
from workbench.store.table import table_of
from workbench.views.compare import compare
from workbench.views.filter import Filter
from workbench.views.flat import frame_of
from workbench.views.query import read_records
from workbench.views.runs import list_summaries


def frame(run: str, *records: Record) -> pd.DataFrame:
    return frame_of(records).assign(run=run, noise_floor=0.01)


@pytest.mark.parametrize(("disturbed", "is_sound"), [(0, True), (2, True), (3, False), (10, False)])
def test_a_few_disturbed_blocks_leave_a_median_sound(disturbed: int, is_sound: bool) -> None:
    record = timed("serial", 1.0, disturbance=met(disturbed))
    assert record.disturbance is not None and record.disturbance.is_sound == is_sound
    assert bool(frame_of([record])["disturbed"].iloc[0]) == (not is_sound)


@pytest.mark.parametrize(("a", "b", "who"), [(0, 9, "B"), (9, 0, "A"), (9, 9, "A and B")])
def test_a_comparison_decides_nothing_by_a_disturbed_record(a: int, b: int, who: str) -> None:
    one = frame("a", timed("serial", 1.0, disturbance=met(a)))
    other = frame("b", timed("serial", 9.0, seed=1, disturbance=met(b)))
    result = compare(one, other, same_variant=True)
    (pair,) = result.pairs
    assert (pair.verdict, pair.disturbed, result.exit_status) == ("undecided", who, 2)
    assert (
        f"{who} {'were' if ' ' in who else 'was'} timed while others used the machine (waited for a core)"
        in pair.reason
    )
    assert "undecided, disturbed |" in as_markdown(result, "a", "b")
    assert summary(result).startswith("1 pair: 1 undecided (1 disturbed)")
    assert as_json(result)["pairs"][0]["disturbed"] == who


def test_a_disturbed_run_is_the_same_as_its_own_copy() -> None:
    record = timed("serial", 1.0, disturbance=met(9))
    result = compare(frame("a", record), frame("copy", record), same_variant=True)
    assert [(p.verdict, p.disturbed) for p in result.pairs] == [("same", "")] and result.exit_status == 0


def test_what_was_repeated_in_time_is_told_and_no_fault() -> None:
    assert disturbance_text(0, 10, 3, "waited for a core") == "none of 10 blocks, 3 taken again: waited for a core"
    assert disturbance_text(4, 10, 3, None) == "4 of 10 blocks"
    assert disturbance_text(0, 10, 0, "") is None and disturbance_text(None, None, None, None) is None
    rows = with_derived(frame_of([timed("a", 1.0), timed("b", 1.0, disturbance=met(2))]), ["disturbance"])
    assert list(rows["disturbance"]) == [None, "2 of 10 blocks: waited for a core"]


def run_of(profiles: Path, *records: Record) -> RunFolder:
    loaded = CeilingsMeasured(
        when="start", rates={"copy_bytes_per_s": 1e9}, under_load=["copy_bytes_per_s"], reasons=["lost its core"]
    )
    machine = Machine(id="test machine", name="a CPU", backend="cpu", measurements=[loaded])
    folder = create_run(profiles, Run(name="busy", created="2026-01-01", command=[], machines=[machine]))
    for record in records:
        folder.append(record)
    folder.finish()
    return folder


def test_terminal_and_report_say_it_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of(tmp_path, timed("simd", 1.0, disturbance=met(8)), timed("scalar", 1.0, disturbance=met(0)))
    print_ladder(folder)
    printed = capsys.readouterr().out
    assert "simd: disturbed: 8 of 10 blocks: waited for a core" in printed and "scalar: disturbed" not in printed
    assert "! 1 of 2 times were taken on a disturbed machine (waited for a core; others used up to 1.5 cores" in printed
    assert "ceiling copy_bytes_per_s of a CPU could be measured under load only (lost its core)" in printed
    from workbench.catalog import load_catalog

    first = sections(list_summaries(tmp_path)[0], load_catalog())[0]
    assert "1 of 2 times were taken on a disturbed machine" in str(first.pieces[0])


def test_a_run_of_before_the_fields_came_opens(tmp_path: Path) -> None:
    folder = run_of(tmp_path, timed("simd", 1.0))
    whole: pa.Table = table_of(folder.records())
    older = whole.drop_columns(["disturbance"])
    assert older.num_columns == whole.num_columns - 1
    pq.write_table(older, folder.path / "records.parquet")
    result = read_records(list_summaries(tmp_path), Filter())
    assert result.problems == () and len(result.frame) == 1
    assert result.frame["disturbance.blocks"].isna().all() and not result.frame["disturbed"].any()
    assert doubts(result.frame, []) == []
