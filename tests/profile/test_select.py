"""Which records are profiled, and the file that carries the choice to the node that has ncu."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.profile.build_run import make_record, make_run
from workbench.catalog import BUILTIN
from workbench.problem import Problem
from workbench.profile.select import Wanted, seconds_under_ncu, select, selection_text, write_selection
from workbench.store.record import Record


def chosen(tmp_path: Path, wanted: Wanted, *records: Record) -> list[str]:
    return [r.key for r in select(make_run(tmp_path / "profiles", *records), wanted).records]


def sized(variant: str, T: int, **fields: object) -> Record:
    return make_record(variant, T=T, **fields)  # type: ignore[arg-type]


def test_the_best_setting_of_each_variant_at_the_largest_shape(tmp_path: Path) -> None:
    slow = sized("serial", 4096, median_s=2e-3, settings={"block": 64}, key="slow.1.2.3.4.cuda")
    records = [sized("serial", 1024), slow, sized("serial", 4096), sized("vector", 1024)]
    assert chosen(tmp_path, Wanted(), *records) == [records[2].key, records[3].key]


def test_a_shape_that_takes_too_long_under_ncu_gives_way_to_a_smaller_one(tmp_path: Path) -> None:
    long, short = sized("eager", 4096, declared_launches=8193), sized("eager", 64, declared_launches=129)
    assert seconds_under_ncu(long) > 3000
    assert chosen(tmp_path, Wanted(), long, short) == [short.key]


def test_a_variant_that_fits_nowhere_is_left_out_and_said(tmp_path: Path) -> None:
    folder = make_run(tmp_path, sized("eager", 4096, declared_launches=8193), sized("serial", 4096))
    selected = select(folder, Wanted())
    assert [record.variant for record in selected.records] == ["serial"]
    (said,) = selected.left_out
    assert said.startswith("scan/eager: 8,193 launches at its quickest shape take about 3,277 s")
    with pytest.raises(Problem, match="nothing fits --budget 60: scan/eager"):
        select(folder, Wanted(variants=("eager",)))
    assert len(select(folder, Wanted(variants=("eager",), budget_s=4000)).records) == 1


def test_axes_select_every_such_shape_and_keys_exactly(tmp_path: Path) -> None:
    records = [sized("serial", T) for T in (1024, 2048, 4096)]
    folder = make_run(tmp_path, *records)
    wanted = Wanted(axes=(("T", (1024, 2048)),))
    assert [r.shape["T"] for r in select(folder, wanted).records] == [1024, 2048]
    assert [r.key for r in select(folder, Wanted(keys=(records[1].key,))).records] == [records[1].key]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(variants=("seriel",)), "unknown variant seriel: did you mean serial"),
        (Wanted(operations=("scam",)), "unknown operation scam: did you mean scan"),
        (Wanted(axes=(("T", (9,)),)), "--T 9: the run has T = 4096"),
        (Wanted(axes=(("O", (9,)),)), "unknown axis --O: known: --B, --H, --T"),
        (Wanted(dtypes=("bfloat16",)), "no record of the run has all that was asked for"),
        (Wanted(keys=("scan.serial",)), "unknown key scan.serial"),
    ],
)
def test_words_that_select_nothing(wanted: Wanted, words: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path, make_record())
    with pytest.raises(Problem, match=words):
        select(folder, wanted)


def test_runs_that_ncu_has_nothing_to_see_in(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no records yet"):
        select(make_run(tmp_path, name="empty"), Wanted())
    on_cpu = make_record(backend="cpu")
    with pytest.raises(Problem, match="of backend cpu, and ncu sees kernels on a GPU only"):
        select(make_run(tmp_path, on_cpu, name="cpu"), Wanted())
    wrong = make_record(status="incorrect", median_s=None)
    with pytest.raises(Problem, match="no variant came out right"):
        select(make_run(tmp_path, wrong, name="wrong"), Wanted())


def test_the_file_is_plain_and_named_after_its_contents(tmp_path: Path) -> None:
    record = make_record()
    folder = make_run(tmp_path / "profiles", record, selection={"kernels": str(BUILTIN)})
    path = write_selection(folder, [record], tmp_path / "cache")
    data = json.loads(path.read_text())
    assert data["kernels"] == "", "the other node's checkout stands elsewhere"
    assert data["items"] == [
        {
            "key": record.key,
            "operation": "scan",
            "variant": "serial",
            "pass": "forward",
            "settings": {"block": 128},
            "axes": {"B": 4, "T": 4096, "H": 1024},
            "dtype": "float32",
        }
    ]
    assert write_selection(folder, [record], tmp_path / "cache") == path
    assert write_selection(folder, [make_record("vector")], tmp_path / "cache") != path


def test_a_users_own_kernels_are_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path, make_record(), selection={"kernels": "/home/somebody/kernels"})
    assert json.loads(selection_text(folder, folder.records()))["kernels"] == "/home/somebody/kernels"
