"""What a process that is killed leaves in temporary folders goes with the next one that starts."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workbench import temporary
from workbench.compile.host import run_compiler

ROOT = Path(__file__).parents[1]
MAKES_FOLDERS = re.compile(r"TemporaryDirectory|mkdtemp|NamedTemporaryFile")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, for this process and for those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(temporary, "IN_MEMORY", tmp_path)
    return tmp_path


@pytest.mark.parametrize("within", ["", "inner"])
def test_a_folder_goes_with_its_process_or_with_the_next(place: Path, within: str) -> None:
    folder = place / within
    folder.mkdir(exist_ok=True)
    program = (
        "import os, sys; from pathlib import Path; from workbench.temporary import temporary_folder\n"
        "with temporary_folder(Path(sys.argv[1])) as folder: (folder / 'a').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, check=False)
    (left,) = folder.glob("workbench-*")
    temporary.clear_once.cache_clear()
    with temporary.temporary_folder(folder) as mine, temporary.temporary_folder(folder) as another:
        assert not left.exists() and mine.is_dir() and another.is_dir()
    assert not list(folder.glob("workbench-*"))


def test_temporary_files_of_a_compiler_lie_in_such_a_folder(place: Path) -> None:
    told = run_compiler(["sh", "-c", 'echo "$TMPDIR"']).stdout.strip()
    assert Path(told).parent == place and Path(told).name.startswith("workbench-") and not Path(told).exists()


def test_nobody_makes_temporary_folders_in_another_way() -> None:
    """Those would stay for good where their process is killed."""
    files = [file for file in (ROOT / "workbench").rglob("*.py") if MAKES_FOLDERS.search(file.read_text())]
    assert [str(file.relative_to(ROOT / "workbench")) for file in files] == ["temporary.py"]
