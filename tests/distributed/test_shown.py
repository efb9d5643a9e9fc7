"""What there is to see of a training, in a report; `workbench plan` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.distributed.traced import recorded, write_facts, write_lines
from workbench.cli import main
from workbench.distributed import trace
from workbench.distributed.report import write_training
from workbench.distributed.shown import pieces
from workbench.distributed.timeline import find_training, trainings
from workbench.problem import Problem


def ended(words: list[str], patch: pytest.MonkeyPatch) -> object:
    patch.setattr(sys, "argv", ["workbench", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_a_report_holds_what_the_page_does(tmp_path: Path) -> None:
    recorded(tmp_path / "training", pipeline="time", parts=6)
    text = write_training(tmp_path / "training", tmp_path / "report.html").read_text()
    for words in (
        "pipeline of 2 stages, 6 parts of time: 12 steps on 2 ranks", "These ranks share one machine",
        "Who is waited for",
        "What passing bytes costs", "α µs · measured", "carry time ms · modelled", "a batch that grows with the ranks",
    ):  # fmt: skip
        assert words in text or words.replace("'", "&#x27;") in text, words
    assert str(tmp_path) not in text, "folders are the maker's own"


def test_a_trace_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one takes seconds, and every piece stands on all of them."""
    recorded(tmp_path / "training")
    opened = []
    whole = trace._bytes_of
    monkeypatch.setattr(trace, "_bytes_of", lambda file: opened.append(file.name) or whole(file))
    for _ in range(2):
        assert any(piece.key == "ranks" for piece in pieces(tmp_path / "training"))
    assert sorted(opened) == ["trace-0.json", "trace-1.json"]
    (tmp_path / "training" / "trace-1.json").write_text("{}")
    with pytest.raises(Problem, match=r"trace-1\.json: corrupt"):
        list(pieces(tmp_path / "training"))


def test_trainings_on_several_numbers_of_ranks_are_one(tmp_path: Path) -> None:
    for ranks in (1, 2):
        write_lines(tmp_path / "growth" / f"ranks-{ranks}", ranks, [2.0 / ranks] * 9)
        write_facts(tmp_path / "growth" / f"ranks-{ranks}", ranks)
    assert [folder.name for folder in trainings(tmp_path)] == ["growth"]
    assert find_training("growth", tmp_path) == tmp_path / "growth"
    assert [piece.key for piece in pieces(tmp_path / "growth")] == ["scaled", "shared", "scaling"]


def test_a_plan_is_printed_with_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "training")
    words = ["plan", "training", "--profiles", str(tmp_path), "--ranks", "8,2048"]
    assert not ended(words, monkeypatch)
    said = capsys.readouterr().out
    assert "strong scaling, modelled on equal ranks" in said and "nothing of it was run" in said
    assert "tensor on 2,048 ranks and more (64 channels" in said
    assert not ended([*words, "--weak", "--json"], monkeypatch)
    rows = json.loads(capsys.readouterr().out)
    assert {(row["scheme"], row["ranks"]) for row in rows if row["planned_s"]} >= {("data", 8), ("data", 2048)}
    assert ended(["plan", "nothing", "--profiles", str(tmp_path)], monkeypatch) == 2
    assert capsys.readouterr().err.startswith("workbench: nothing: no training; ")
