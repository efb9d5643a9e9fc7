"""Data from packages: what is asked of the clients, and the one line where they cannot."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from examples.tasks import mails, pixels, prompts, sections, spoken_digits
from tests.tasks import stand_ins
from workbench.problem import Problem
from workbench.tasks import packages
from workbench.tasks.packages import IndexText, Package, fetched, files_of_deb

PACKAGE = Package("npm", "some-data", "1.2.3", "some-data-1.2.3.tgz", hashlib.sha256(b"data").hexdigest(), "CC0", 1.5)
Done = subprocess.CompletedProcess


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return tmp_path


def client(monkeypatch: pytest.MonkeyPatch, leaves: dict[str, bytes], status: int = 0, error: str = "") -> list[str]:
    """In place of the clients; the words that it was called with."""
    words: list[str] = []

    def run(command: list[str], cwd: Path, **_: object) -> Done[bytes]:
        words.extend(command)
        for name, data in leaves.items():
            (cwd / name).write_bytes(data)
        return Done(command, status, b"", error.encode())

    monkeypatch.setattr(subprocess, "run", run)
    return words


def test_what_is_not_there_is_downloaded_on_request_once(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    words = client(monkeypatch, {PACKAGE.file: b"data"})
    with pytest.raises(Problem, match=r"some-data 1.2.3 \(1.5 MB, CC0\) is not here: add --fetch"):
        fetched(PACKAGE, fetch=False)
    assert not words
    path = fetched(PACKAGE, fetch=True)
    assert path.read_bytes() == b"data" and words[:2] == ["npm", "pack"] and words[-1] == "some-data@1.2.3"
    words.clear()
    assert fetched(PACKAGE, fetch=False) == path and not words
    assert [file.name for file in path.parent.iterdir()] == [PACKAGE.file]


@pytest.mark.parametrize(
    ("leaves", "status", "error", "line"),
    [
        (
            {},
            1,
            "npm warn x\nnpm error code E404\nnpm error A complete log\n",
            "npm cannot download it (npm error code E404); is the network",
        ),
        ({}, 1, "", "npm cannot download it (status 1); is the network there?"),
        ({"other.tgz": b""}, 0, "", "npm left other.tgz, not some-data-1.2.3.tgz"),
    ],
)
def test_failed_downloads_are_one_line_and_leave_nothing(
    leaves: dict[str, bytes], status: int, error: str, line: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    client(monkeypatch, leaves, status, error)
    with pytest.raises(Problem) as problem:
        fetched(PACKAGE, fetch=True)
    assert line in str(problem.value) and "\n" not in str(problem.value)
    assert not list((cache / "task-data").iterdir())


def test_another_file_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client(monkeypatch, {PACKAGE.file: b"changed"})
    with pytest.raises(Problem, match=r"not the pinned some-data 1\.2\.3"):
        fetched(PACKAGE, fetch=True)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(Problem, match="npm is not installed"):
        fetched(PACKAGE, fetch=True)


def test_wheels_are_asked_for_by_the_platform_in_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for package, platform in ((pixels.DIGITS, "manylinux_2_28_x86_64"), (spoken_digits.RECORDINGS, "any")):
        words = client(monkeypatch, {package.file: b"data"})
        fetched(replace(package, sha256=PACKAGE.sha256), fetch=True)
        assert words[words.index("--platform") + 1] == platform and "--no-deps" in words
        assert words[-1] == f"{package.name}=={package.version}"


def test_an_index_text_is_asked_of_apt_in_folders_of_its_own(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], cwd: Path, **_: object) -> Done[bytes]:
        commands.append(command)
        if command[1] == "update":
            (cwd / "lists" / "a_main_i18n_Translation-de.lz4").write_bytes(b"packed")
            return Done(command, 0, b"", b"")
        return Done(command, 0, b"Package: a\n", b"")

    monkeypatch.setattr(subprocess, "run", run)
    text = IndexText("descriptions-de", ("de", "en"), "*_main_i18n_Translation-de*", "free")
    with pytest.raises(Problem, match="add --fetch"):
        text.fetched(fetch=False)
    path, source = text.fetched(fetch=True)
    assert path.read_bytes() == b"Package: a\n" and source["sha256"] == hashlib.sha256(b"Package: a\n").hexdigest()
    update, unpack = commands
    assert "Acquire::Languages=de,en" in update and any(word.startswith("Dir::State::lists=") for word in update)
    assert unpack[1] == "cat-file" and unpack[2].endswith("Translation-de.lz4")
    assert [file.name for file in path.parent.iterdir()] == ["descriptions-de.txt"]


def test_files_of_a_debian_package_are_read_without_its_tools(tmp_path: Path) -> None:
    path = tmp_path / "one.deb"
    whole = stand_ins.deb({"./usr/a": b"one", "./usr/b": b"two"})
    path.write_bytes(whole)
    assert dict(files_of_deb(path)) == {"./usr/a": b"one", "./usr/b": b"two"}
    for broken, error in ((whole[8:], ValueError), (whole[:136], ValueError), (whole[:-99], tarfile.TarError)):
        path.write_bytes(broken)
        with pytest.raises(error):
            dict(files_of_deb(path))


def test_archives_that_are_others_are_problems(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no archive")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for read in (
        lambda: mails.mails(broken, 9),
        lambda: pixels.digits(broken),
        lambda: spoken_digits.recordings(broken),
        lambda: prompts.prompts(broken, broken, 9.0),
        lambda: sections.packages(binary),
    ):
        with pytest.raises(Problem, match="corrupt, not the"):
            read()
