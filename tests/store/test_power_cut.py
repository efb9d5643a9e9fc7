"""A power cut at every call: what was said to be on the disk is there, and nothing is half there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_run_folder import record, run
from workbench.durable import write_whole
from workbench.store.counters import CounterTable, read_launches
from workbench.store.launch import Launch
from workbench.store.new_run import create_run, whole_run
from workbench.store.run_folder import list_runs, open_run


@dataclass(frozen=True)
class State:
    """The disk after one call: names in each folder (by inode) as they are and as they were last synced, bytes of each
    file (by inode) as they were last synced, and what the caller had been told by then."""

    call: tuple[str, str]
    names: dict[int, dict[str, int]]
    synced_names: dict[int, dict[str, int]]
    synced_bytes: dict[int, bytes]
    told: Any


class Disk:
    """Watches a folder, and can lay it down again as a power cut after any call would leave it.

    Bytes that were not synced are lost. Of names there are two worlds, for file systems differ: those that were not
    synced are lost too, or all are there already, before the bytes that they stand for.
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: Path, told: Callable[[], Any]) -> None:
        self.root, self._told = root, told
        self.states: list[State] = []
        self._held: list[int] = []
        """A descriptor of every file with synced bytes: its inode is given to no other file."""
        self._bytes: dict[int, bytes] = {}
        self._synced = self._listing()
        for path in filter(Path.is_file, root.rglob("*")):  # what was there before is safe
            self._keep(os.open(path, os.O_RDONLY))
        fsync = os.fsync

        def noted_fsync(descriptor: int) -> None:
            fsync(descriptor)
            inode = os.fstat(descriptor).st_ino
            path = Path(f"/proc/self/fd/{descriptor}")
            if path.is_dir():
                self._synced[inode] = {entry.name: entry.inode() for entry in os.scandir(path)}
            else:
                self._keep(os.dup(descriptor))
            self.note("sync", path.readlink())

        patch.setattr(os, "fsync", noted_fsync)
        for name in ("replace", "rename", "unlink"):
            patch.setattr(Path, name, self._noting(name, getattr(Path, name)))

    def _keep(self, descriptor: int) -> None:
        self._held.append(descriptor)
        self._bytes[os.fstat(descriptor).st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def _noting(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *more: Any, **named: Any) -> Any:
            was_there = path.exists()
            answer = real(path, *more, **named)
            if was_there:
                self.note(name, more[0] if name != "unlink" else path)
            return answer

        return call

    def note(self, name: str, path: Path) -> None:
        synced = {inode: dict(names) for inode, names in self._synced.items()}
        self.states.append(State((name, path.name), self._listing(), synced, dict(self._bytes), self._told()))

    def _listing(self) -> dict[int, dict[str, int]]:
        folders = [self.root, *(p for p in self.root.rglob("*") if p.is_dir())]
        return {f.stat().st_ino: {entry.name: entry.inode() for entry in os.scandir(f)} for f in folders}

    def close(self) -> None:
        for descriptor in self._held:
            os.close(descriptor)

    def lay_down(self, state: State, target: Path, names_first: bool) -> None:
        names = state.names if names_first else state.synced_names

        def folder(inode: int, path: Path) -> None:
            path.mkdir()
            for name, inner in names.get(inode, {}).items():
                if inner in state.names:
                    folder(inner, path / name)
                else:
                    (path / name).write_bytes(state.synced_bytes.get(inner, b""))

        folder(self.root.stat().st_ino, target)


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[Callable[..., list[tuple[State, Path]]]]:
    """Does something under watch in `tmp_path/disk`; every state of it that a power cut could leave, laid down."""

    def every_state(action: Callable[[Path, list[str]], None]) -> list[tuple[State, Path]]:
        root, told = tmp_path / "disk", list[str]()
        root.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, root, lambda: tuple(told))
            action(root, told)
            disk.note("end", root)
        found = []
        for number, state in enumerate(disk.states):
            for names_first in (False, True):
                target = tmp_path / f"after-{number}-{names_first}"
                disk.lay_down(state, target, names_first)
                found.append((state, target))
        disk.close()
        return found

    yield every_state


def test_what_append_returned_for_is_there_whatever_is_cut_off(cut: Any) -> None:
    def sweep(root: Path, told: list[str]) -> None:
        folder = create_run(root, run())
        told.append("created")
        for number in range(3):
            folder.append(record(number))
            told.append(record(number).key)
            folder.update(environment={"number": number})
        folder.finish()
        told.append("finished")

    states = cut(sweep)
    assert len(states) > 40
    for state, root in states:
        if not state.told:
            continue
        folder = open_run(root / "r")
        keys = [r.key for r in folder.records()]
        wanted = [key for key in state.told if key.startswith("scan")]
        assert keys[: len(wanted)] == wanted and len(keys) <= len(wanted) + 1, state.call
        assert folder.run.finished or "finished" not in state.told
        folder.finish()
        assert [r.key for r in open_run(root / "r").records()] == keys, state.call


def test_an_import_is_there_whole_or_not_at_all(cut: Any) -> None:
    def bring(root: Path, told: list[str]) -> None:
        with whole_run(root, run()) as folder:
            folder.append(record())
            table(1.0).write(folder.path)
        told.append("imported")

    for state, root in cut(bring):
        runs = list_runs(root)
        assert len(runs) == 1 or not state.told, state.call
        for folder in runs:
            assert folder.run.finished and folder.records() == [record()], state.call
            assert read_launches(folder.path)[record().key][0].number("m") == 1.0


def test_counters_are_the_old_or_the_new(cut: Any, tmp_path: Path) -> None:
    folder = create_run(tmp_path / "disk", run())
    folder.append(record())
    folder.finish()
    table(1.0).write(folder.path)

    def again(root: Path, told: list[str]) -> None:
        table(2.0).write(root / "r")
        told.append("written")

    for state, root in cut(again):
        value = read_launches(root / "r")[record().key][0].number("m")
        assert value == 2.0 or (value == 1.0 and not state.told), state.call


def table(value: float) -> CounterTable:
    made = CounterTable()
    made.append(record().key, Launch("kernel", {"m": value}, {"m": "s"}))
    return made


def test_a_file_is_the_old_or_the_new(cut: Any) -> None:
    def twice(root: Path, told: list[str]) -> None:
        for word in ("old", "new"):
            write_whole(root / "file", word.encode())
            told.append(word)

    for state, root in cut(twice):
        text = (root / "file").read_text() if (root / "file").exists() else ""
        assert text in ((state.told[-1], "new") if state.told else ("", "old")), state.call
