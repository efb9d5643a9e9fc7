"""Notes and tags beside a run: written whole, read again, and never in the way of its records."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.views.test_history import history
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.store.notes import FILE, Notes, read_notes, write_notes
from workbench.store.run_folder import open_run


def test_the_command_writes_prints_and_removes(tmp_path: Path) -> None:
    history(tmp_path, [1.0])

    def note(*words: str) -> str:
        done = CliRunner().invoke(make_app(), ["note", "alpha-01", *words, "--profiles", str(tmp_path)])
        if isinstance(done.exception, Problem):
            raise done.exception
        return done.output.strip()

    assert note() == "alpha-01: no note"
    assert note("quiet night", "--tags", "base,kept") == "alpha-01: quiet night [base, kept]"
    assert note("--tags", "") == "alpha-01: quiet night" == note()
    with pytest.raises(Problem, match="a tag is one word"):
        note("--tags", "two words")
    assert (
        read_notes(tmp_path / "alpha-01") == Notes("quiet night")
        and len(open_run(tmp_path / "alpha-01").records()) == 1
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"text": 3, "tags": []}', b'{"text": "", "tags": [1]}'])
def test_a_file_that_holds_something_else_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(Problem, match=r"no notes of a run .*; workbench note writes it again"):
        read_notes(tmp_path)
    write_notes(tmp_path, Notes("again"))
    assert read_notes(tmp_path).text == "again"
