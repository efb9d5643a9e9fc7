"""NVIDIA's reader in a process of its own: whatever becomes of it is one line, and nobody else goes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profile.own_report import Made, report
from tests.profile.test_forms import TIME
from workbench.problem import Problem
from workbench.profile import own_process
from workbench.profile.import_report import import_as_run
from workbench.profile.read import read_launches

SOUND = report([Made("k", metrics={TIME: 5.0})])


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """A report, and a module `ncu_report` in the place of NVIDIA's for the process that reads it."""
    packages = tmp_path / "packages"
    packages.mkdir()
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (packages / "ncu_report.py").write_text(f"import os, signal, sys, time\ndef load_report(path):\n{lines}\n")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    file = tmp_path / "made.ncu-rep"
    file.write_bytes(SOUND)
    return file


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"ended by SIGSEGV"),
        ("os.abort()", r"ended by SIGABRT"),
        ("os._exit(3)", r"status 3"),
        ("raise StopIteration", r"StopIteration"),
        ("raise RuntimeError('a\\nb \\x1b[31m')", r"cannot read it"),
        ("held = bytearray(1 << 40)", r"MemoryError"),
        ("class Nothing:\n    def num_ranges(self): return None\nreturn Nothing()", r"reader does not take it"),
    ],
)
def test_whatever_happens_to_the_reader_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    file = stand_in(tmp_path, monkeypatch, body)
    with pytest.raises(Problem, match=words) as raised:
        import_as_run(file, tmp_path / "profiles")
    said = str(raised.value)
    assert said.startswith(f"{file}: ") and said.isprintable() and "piece.ncu-rep" not in said
    assert not (tmp_path / "profiles").exists()


def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stand_in(tmp_path, monkeypatch, "time.sleep(600)")
    monkeypatch.setattr(own_process, "TIMEOUT_S", 1.0)
    with pytest.raises(Problem, match="did not come back within 1 s"):
        list(read_launches(file))


def test_what_native_code_prints_is_not_taken_for_launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = (
        "os.write(1, b'a word of native code')\nprint('and one of Python')\n"
        "class Empty:\n    def num_ranges(self): return 0\nreturn Empty()"
    )
    with pytest.raises(Problem, match="a report with no kernel in it"):
        list(read_launches(stand_in(tmp_path, monkeypatch, body)))
