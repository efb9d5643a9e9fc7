"""`workbench profile` against a stand-in for ncu: what it asks for, what it keeps, and every way of failing."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.profile.build_run import contents, make_record, make_run
from workbench.problem import Problem
from workbench.profile.collect import Collected, collect
from workbench.profile.command import Collection, find_ncu, ncu_command
from workbench.profile.select import write_selection
from workbench.store.counters import has_counters, read_counters, read_launches
from workbench.store.record import Record
from workbench.store.run_folder import RunFolder

NCU = str(Path(__file__).with_name("fake_ncu.py"))


@pytest.fixture
def records() -> list[Record]:
    return [make_record("serial"), make_record("vector")]


@pytest.fixture
def folder(tmp_path: Path, records: list[Record]) -> RunFolder:
    return make_run(tmp_path / "profiles", *records)


def run(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch, way: str, timeout_s: float = 60.0
) -> Collected:
    monkeypatch.setenv("FAKE_NCU", way)
    selection = write_selection(folder, records, folder.path.parent.parent / "cache")
    return collect(folder, records, selection, NCU, Collection(), timeout_s)


def test_launches_join_their_records_by_range(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = run(folder, records, monkeypatch, "works")
    assert collected.notes == ()
    launches = read_launches(folder.path)
    assert set(launches) == {record.key for record in records}
    assert [launch.kernel for launch in launches[records[0].key]] == ["kernel_0", "kernel_1"]
    assert launches[records[0].key][0].number("dram__bytes_read.sum") == 1.5e6
    assert launches[records[0].key][0].missing == ("launch__waves_per_multiprocessor",)
    assert len(list((folder.path / "reports").iterdir())) == 1


def test_a_second_profile_replaces_what_it_saw_and_keeps_the_rest(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, records, monkeypatch, "works")
    before = len(read_counters(folder.path))
    run(folder, records[:1], monkeypatch, "works")
    assert len(read_counters(folder.path)) == before


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("permission", ["ERR_NVGPUCTRPERM", "--cap-add=SYS_ADMIN", "NVreg_RestrictProfilingToAdminUsers=0"]),
        ("dcgm", ["dcgmi profile --pause"]),
        ("driver", ["driver's CUDA version"]),
        ("crash", ["SIGSEGV"]),
        ("silent", ["left no report", "printed nothing"]),
        ("outside", ["profiled no kernel", "inside a range"]),
        ("empty", ["the report that ncu left: an empty file"]),
        ("cut", ["cut short"]),
        ("no_report", ["not an Nsight Compute report"]),
        ("stranger", ["name no record of run a-run"]),
    ],
)
def test_each_failure_is_one_line_with_its_fix_and_leaves_the_run_as_it_was(
    way: str, words: list[str], folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder.path)
    with pytest.raises(Problem) as caught:
        run(folder, records, monkeypatch, way)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert contents(folder.path) == before


def test_a_failure_leaves_earlier_counters_as_they_were(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, records, monkeypatch, "works")
    before = contents(folder.path)
    with pytest.raises(Problem):
        run(folder, records, monkeypatch, "cut")
    assert contents(folder.path) == before


def test_a_profile_that_hangs_ends_with_what_it_started(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_NCU_CHILD", str(tmp_path / "child"))
    with pytest.raises(Problem, match=r"did not finish in 2 s.*it warned: Backing up device memory.*--timeout"):
        run(folder, records, monkeypatch, "hang", timeout_s=2.0)
    assert not has_counters(folder.path)
    child = int((tmp_path / "child").read_text())
    ended = not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert ended, "what ncu was profiling still runs"


def test_a_full_disk_leaves_the_run_as_it_was(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, records, monkeypatch, "works")
    before = contents(folder.path)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.store.counters.shutil.copyfile", full_disk)
    with pytest.raises(Problem, match=r"counters cannot be written \(No space left"):
        run(folder, records[:1], monkeypatch, "works")
    assert contents(folder.path) == before


def test_what_could_not_be_replayed_is_noted_and_the_rest_kept(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = run(folder, records, monkeypatch, "some")
    assert list(collected.imported.launches) == [records[0].key]
    assert collected.notes == ("a.key: Problem: it does not compile", f"{records[1].key}: ncu saw no launch of it")


def test_a_replay_that_fails_says_why(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real replay, of a variant that does not exist."""
    strangers = [make_record("nobody_wrote_this")]
    with pytest.raises(Problem, match=r"profiled no kernel: .*nobody_wrote_this"):
        run(folder, strangers, monkeypatch, "application")


def test_filters_are_push_pop_for_forward_and_start_end_otherwise() -> None:
    keys = [
        ("scan.a.t1.float32.normal.forward.cuda", "forward"),
        ("scan.a.t1.float32.normal.backward.cuda", "backward"),
    ]
    command = ncu_command("ncu", Path("s.json"), keys, Path("o.ncu-rep"), Collection())
    includes = [command[i + 1] for i, word in enumerate(command) if word == "--nvtx-include"]
    assert includes == [f"workbench@{keys[0][0]}/", f"workbench@{keys[1][0]}"]
    assert command[command.index("--clock-control") + 1] == "none"
    assert command[-4:] == [sys.executable, "-m", "workbench.profile.replay", "s.json"]


def test_a_section_that_ncu_lacks_is_named(
    folder: RunFolder, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NCU", "works")
    selection = write_selection(folder, records, folder.path.parent.parent / "cache")
    with pytest.raises(Problem, match="unknown to this ncu"):
        collect(folder, records, selection, NCU, Collection(sections=("NoSuchSection",)), 60.0)


def test_no_ncu_says_how_to_go_on() -> None:
    with pytest.raises(Problem, match="install Nsight Compute"):
        find_ncu("no-such-ncu")
    with pytest.raises(Problem, match="no ncu, or a broken one"):
        find_ncu("false")
    assert find_ncu(NCU) == NCU
