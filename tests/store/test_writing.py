"""What is written is on the disk or an error: two writers, a full disk at every write, an end at every call."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.test_run_folder import record, run
from workbench.durable import PART, write_whole
from workbench.problem import Problem
from workbench.store.counters import CounterTable
from workbench.store.launch import Launch, Rule
from workbench.store.new_run import create_run, whole_run
from workbench.store.run_folder import RunFolder, list_runs, open_run


def keys(path: Path) -> list[str]:
    return [r.key for r in open_run(path).records()]


def test_a_run_finished_by_another_hand_does_not_grow(tmp_path: Path) -> None:
    a = create_run(tmp_path, run())
    a.append(record(0))
    b = open_run(a.path)
    a.append(record(1))
    a.finish()
    with pytest.raises(Problem, match="finished and cannot grow"):
        b.append(record(2))
    b.finish()
    assert keys(a.path) == [record(0).key, record(1).key]


def test_finishing_takes_what_is_on_the_disk(tmp_path: Path) -> None:
    a = create_run(tmp_path, run())
    b = open_run(a.path)
    b.append(record(0))
    b.update(environment={"note": "b"})
    a.append(record(1))
    a.finish()
    assert keys(a.path) == [record(0).key, record(1).key] and open_run(a.path).run.environment == {"note": "b"}
    assert not (a.path / ".writer").exists()


def test_one_writer_at_a_time_even_in_another_process(tmp_path: Path) -> None:
    a = create_run(tmp_path, run())
    program = (
        "import sys; from pathlib import Path; from workbench.store.run_folder import open_run\n"
        "with open_run(Path(sys.argv[1])).writing(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(a.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for change in (lambda: a.append(record()), a.finish, lambda: a.update(environment={})):
            with pytest.raises(Problem, match=f"is being written by process {holder.pid}; wait for it"):
                change()
        holder.kill()
    a.append(record())  # the lock went with its holder
    assert keys(a.path) == [record().key]


def disk_full_at(monkeypatch: pytest.MonkeyPatch, nth: int) -> Callable[[], int]:
    """The n-th os.write takes half of its bytes, and every one after it none. Returns how many there were."""
    real, seen = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        seen[0] += 1
        if seen[0] == nth and len(data) > 1:
            return real(descriptor, bytes(data)[: len(data) // 2])
        if seen[0] >= nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    return lambda: seen[0]


def test_a_full_disk_at_any_write_is_an_error_and_costs_nothing(tmp_path: Path) -> None:
    for nth in range(1, 40):
        folder = create_run(tmp_path, run(f"r{nth}"))
        written: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            count = disk_full_at(patch, nth)
            try:
                with folder.writing():
                    for number in range(5):
                        folder.journal({"key": "k", "number": number})
                        folder.append(record(number))
                        written.append(record(number).key)
                        folder.update(environment={"number": number})
            except Problem as problem:
                assert "No space left on device" in str(problem)
            else:
                assert count() < nth, "the error came back as if it were written"
                break
        assert keys(folder.path) == written
        folder.append(record(9))  # space again: no line grew out of two
        assert keys(folder.path) == [*written, record(9).key]
    else:
        pytest.fail("never came to the end")
    assert nth > 15


def test_a_full_disk_leaves_no_half_import(tmp_path: Path) -> None:
    for nth in range(1, 20):
        with pytest.MonkeyPatch.context() as patch:
            count = disk_full_at(patch, nth)
            try:
                with whole_run(tmp_path, run(f"r{nth}")) as folder:
                    folder.append(record())
            except Problem:
                assert not (tmp_path / f"r{nth}").exists()
            else:
                assert count() < nth
                break
    assert [r.run.name for r in list_runs(tmp_path)] == [f"r{nth}"]
    assert [p.name for p in tmp_path.iterdir()] == [f"r{nth}"]


@pytest.mark.parametrize("step", range(8))
def test_finish_cut_off_anywhere_can_be_done_again(tmp_path: Path, step: int) -> None:
    """An exception at the n-th sync, rename or removal stands for the end of the process there."""
    folder = create_run(tmp_path, run())
    for number in range(3):
        folder.append(record(number))

    class Cut(BaseException):
        pass

    left = [step]

    def cutting(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Cut
            return function(*arguments, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(owner, name, cutting(getattr(owner, name)))
        with pytest.raises(Cut):
            folder.finish()
            left[0] = -1
            raise Cut
    again = open_run(folder.path)
    assert [r.key for r in again.records()] == [record(n).key for n in range(3)]
    again.finish()
    assert keys(folder.path) == [record(n).key for n in range(3)]


def test_an_integer_that_no_table_holds_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="less than or equal"):
        record(declared={"bytes": 2**63})


def test_a_broken_folder_costs_itself_alone(tmp_path: Path) -> None:
    """A folder in the place of run.json, a link to a device, a name in the way: none breaks the others."""
    good = create_run(tmp_path, run("good"))
    (tmp_path / "folder" / "run.json").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "run.json").symlink_to("/dev/null")
    (tmp_path / ".new-1").mkdir()
    (tmp_path / ".new-1" / "run.json").write_text((good.path / "run.json").read_text())
    assert [r.run.name for r in list_runs(tmp_path)] == ["good"]
    with pytest.raises(Problem, match="known: good"):
        open_run(tmp_path / "folder")


def test_what_a_killed_import_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tests.store.test_run_folder import run\n"
        "from workbench.store.new_run import whole_run\n"
        "with whole_run(Path(sys.argv[1]), run('half')): os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, check=False)
    assert [p.name[:5] for p in tmp_path.iterdir()] == [".new-"]
    with whole_run(tmp_path, run("whole")) as folder:
        folder.append(record())
    assert [p.name for p in tmp_path.iterdir()] == ["whole"] and isinstance(open_run(tmp_path / "whole"), RunFolder)


def killed_in(program: str, folder: Path) -> None:
    """Runs a program that kills itself, with `folder` as its argument."""
    root = Path(__file__).parents[2]
    head = "import os, sys; from pathlib import Path; from tests.store.test_run_folder import run, record\n"
    done = subprocess.run([sys.executable, "-c", head + program, str(folder)], cwd=root, check=False)
    assert done.returncode == -9


def test_a_name_is_not_taken_by_a_run_that_never_began(tmp_path: Path) -> None:
    killed_in(
        "from workbench.store import new_run\n"
        "new_run.write_run = lambda *_: os.kill(os.getpid(), 9)\n"
        "new_run.create_run(Path(sys.argv[1]), run())",
        tmp_path,
    )
    create_run(tmp_path, run()).append(record())
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_what_a_killed_writer_left_in_a_run_goes_with_the_next(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(record())
    killed_in(
        "from workbench.store import run_folder\n"
        "run_folder.publish = lambda *_: os.kill(os.getpid(), 9)\n"
        "run_folder.open_run(Path(sys.argv[1])).finish()",
        folder.path,
    )
    assert {p.name for p in folder.path.iterdir()} > {".writer", f"{PART}records.parquet"}
    folder.append(record(1))
    assert {p.name for p in folder.path.iterdir()} == {"run.json", "records.jsonl"}
    assert keys(folder.path) == [record().key, record(1).key]


def test_a_reader_finds_the_records_that_another_has_finished_meanwhile(tmp_path: Path) -> None:
    writer = create_run(tmp_path, run())
    reader = open_run(writer.path)
    assert reader.records() == []
    writer.append(record())
    writer.finish()
    assert reader.records() == [record()]


def test_without_nameless_files_a_killed_writer_s_part_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in(
        "from workbench import durable\ndel os.O_TMPFILE\n"
        "durable.write_all = lambda *_: os.kill(os.getpid(), 9)\n"
        "durable.write_whole(Path(sys.argv[1]) / 'file', b'1')",
        tmp_path,
    )
    assert [p.name[: len(PART)] for p in tmp_path.iterdir()] == [PART]
    living = tmp_path / f"{PART}0-file"
    with living.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.delattr(os, "O_TMPFILE")
        write_whole(tmp_path / "file", b"2")
    assert {p.name for p in tmp_path.iterdir()} == {"file", living.name} and (tmp_path / "file").read_bytes() == b"2"


@pytest.mark.parametrize("folder", ["/", ".", "made"])
def test_a_folder_is_no_file(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them have no name that a part of a file could be called after."""
    monkeypatch.chdir(tmp_path)
    Path("made").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_whole(Path(folder), b"")
    assert raised.value.filename == folder and list(Path().iterdir()) == [Path("made")]


def test_counters_and_rules_change_together(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(record())

    def table(word: str) -> CounterTable:
        made = CounterTable()
        rule = Rule(word, word, word, word, "ok")
        made.append(record().key, Launch(word, {"m": 1.0}, {"m": "s"}, (), (rule,)))
        return made

    table("old").write(folder.path)
    before = {p.name: p.read_bytes() for p in folder.path.iterdir()}
    report = tmp_path / "a.csv"
    report.write_text("x")
    for nth in range(1, 4):
        with pytest.MonkeyPatch.context() as patch:
            failing_sync_at(patch, nth)
            with pytest.raises(Problem, match="Input/output error"):
                table("new").write(folder.path, [report])
        assert {p.name: p.read_bytes() for p in folder.path.iterdir() if p.is_file()} == before
        assert not list((folder.path / "reports").iterdir())


def failing_sync_at(patch: pytest.MonkeyPatch, nth: int) -> None:
    fsync, seen = os.fsync, [0]

    def sync(descriptor: int) -> None:
        seen[0] += 1
        if seen[0] == nth:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    patch.setattr(os, "fsync", sync)


LIMITED = """
import resource
from workbench.problem import Problem
from workbench.store.run_folder import open_run
folder = open_run(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    {action}
except Problem as problem:
    print(problem)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    "action",
    ["folder.finish()", "[folder.append(record(n)) for n in range(100)]", "folder.update(command=['x'] * 999)"],
)
def test_no_room_for_what_a_library_writes(tmp_path: Path, action: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The system's own limit on the size of files, which holds for pyarrow's writes as for Python's."""
    folder = create_run(tmp_path, run())
    for number in range(3):
        folder.append(record(number))
    before = {p.name: p.read_bytes() for p in folder.path.iterdir()}
    killed_in(LIMITED.format(action=action), folder.path)
    line = capfd.readouterr().out.strip()
    assert line.startswith(f"{folder.path}: cannot be written (File too large); free some space") and "\n" not in line
    after = {p.name: p.read_bytes() for p in folder.path.iterdir()}
    assert after["records.jsonl"].startswith(before["records.jsonl"]) and after["records.jsonl"].endswith(b"\n")
    assert after["run.json"] == before["run.json"] and after.keys() == before.keys()
    open_run(folder.path).finish()
    assert keys(folder.path)[:3] == [record(n).key for n in range(3)]
