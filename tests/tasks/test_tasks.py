"""A tiny slice of every task, offline: generated data through the loaders, the training, the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from examples.tasks import command, copying, language_model, measures, step_time
from examples.tasks.cells import CELLS, Stack
from examples.tasks.cloze import CANDIDATES, END, GAP, MOST_COUNTED, Cloze, Question, glanced, in_numbers
from examples.tasks.copying import Copying, SelectiveCopy
from examples.tasks.language_model import Brown
from examples.tasks.mails import Mails
from examples.tasks.pixels import Pixels
from examples.tasks.prompts import Prompts, held_out, spoken
from examples.tasks.sections import Sections
from examples.tasks.spoken_digits import SpokenDigits
from examples.tasks.texts import UNKNOWN, Vocabulary
from examples.tasks.translation import Translation
from tests.tasks import stand_ins
from workbench.problem import Problem
from workbench.tasks.recorded import recorded, table
from workbench.tasks.train import train

TINY = {"epochs": 1, "steps": 3, "batch": 4, "width": 8, "layers": 1, "words": 40, "tested": 60, "pooled": 2}
TASKS = (Mails, Sections, Brown, Cloze, Pixels, SpokenDigits, Prompts, Translation, Copying, SelectiveCopy)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products gain nothing by more, and the command asks for one: the process has its own back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_ins.lay(monkeypatch, tmp_path / "cache")
    for task in TASKS:
        tiny = {name: value for name, value in TINY.items() if name in task.QUICK}
        monkeypatch.setattr(task, "QUICK", {**task.QUICK, **tiny})
    for task in (Copying, SelectiveCopy):
        monkeypatch.setattr(task, "QUICK", {**task.QUICK, "tested": (2100,)})
    monkeypatch.setattr(Cloze, "QUICK", {**Cloze.QUICK, "stride": 2, "sentences": 8})
    monkeypatch.setattr(Pixels, "QUICK", {**Pixels.QUICK, "batch": 40})
    monkeypatch.setattr(Mails, "QUICK", {**Mails.QUICK, "batch": 48})
    for name in ("bleu", "word_error_rate"):  # their packages are an extra
        for module in ("translation", "spoken_digits", "prompts"):
            monkeypatch.setattr(f"examples.tasks.{module}.{name}", lambda a, b: float(a == b), raising=False)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_a_tiny_slice_of_each_task(task: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    assert command.main([task], "", ["--quick", "--seeds", "1", "--cells", "nn.LSTM", "--out", str(out)]) == 0
    (run,) = recorded(out)
    assert run.end is not None and len(run.epochs) == 1
    (row,) = table([run]).to_dict("records")
    assert 0 < row["studied_s"] < row["epoch_s"] and row["parameters_studied"] < row["parameters"]
    assert sum(run.parts().values()) == pytest.approx(1)
    assert "| nn.LSTM |" in capsys.readouterr().out


def test_an_estimate_is_of_all_steps_and_trains_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr("workbench.tasks.estimate.now", lambda clock: float(next(ticks)))  # a step takes 1 s
    monkeypatch.setattr(Copying, "QUICK", {**Copying.QUICK, "epochs": 20})
    arguments = ["--quick", "--estimate", "--seeds", "2", "--cells", "nn.GRU,MinGRU", "--out", str(tmp_path / "runs")]
    assert command.main([Copying], "", arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "copy nn.GRU: 60 steps of 1 s, 60 s per seed",
        "copy MinGRU: 60 steps of 1 s, 60 s per seed",
        "copy: 240 s for 2 seeds of each, evaluation not counted",
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_reads_a_text_in_pieces_as_it_reads_the_whole(cell: str) -> None:
    """Layers above the first see states of the one below: a state, or a window, that is not carried on shows there."""
    torch.manual_seed(0)
    stack, x = Stack(cell, 8, 2).eval(), torch.randn(2, 13, 8)
    states: list[Any] = []
    with torch.no_grad():
        pieces = torch.cat([stack.go_on(piece, states) for piece in x.split((5, 1, 7), 1)], 1)
        torch.testing.assert_close(pieces, stack(x), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(stack.go_on(x[:, 5:6], []), pieces[:, 5:6], atol=1e-3)


def test_mails_are_learned_and_perplexity_falls(tmp_path: Path) -> None:
    """Stand-ins that can be learned are: a loop that trains nothing would not do it."""
    chosen = command.options("", ["--quick"])
    task = Mails("MinGRU", 0, chosen)
    task.settings |= {"epochs": 6, "batch": 16, "learning_rate": 0.02}
    task.steps = len(task.training) // 16
    train(task, tmp_path)
    (run,) = recorded(tmp_path)
    assert run.quality > run.header["goal"]["wanted"]
    assert run.epochs[-1]["loss"] < 0.5 * run.epochs[0]["loss"]


def test_a_state_that_is_not_carried_on_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol of an earlier piece is asked for in the last one."""
    task = Copying("nn.GRU", 0, command.options("", ["--quick"]))
    torch.manual_seed(0)
    model = task.model().eval()
    with torch.no_grad():
        assert task.more(model)["difference in pieces"] < 1e-5
        monkeypatch.setattr(model, "go_on", lambda inputs, states: model(inputs))
        assert task.more(model)["difference in pieces"] > 1e-3


def test_copying_asks_for_what_was_said() -> None:
    task = SelectiveCopy("MinGRU", 0, command.options("", ["--quick"]))
    inputs, targets = next(iter(task.batches(0)))
    for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
        said = [symbol - 2 for symbol in row if symbol not in (copying.BLANK, copying.ASK)]
        assert said == [target for target in wanted if target >= 0]
        assert [at for at, symbol in enumerate(row) if symbol == copying.ASK] == [
            at for at, target in enumerate(wanted) if target >= 0
        ]


def test_tested_prompts_have_no_word_that_training_lacks() -> None:
    words = [f"w{number}" for number in range(60)]
    texts = {" ".join((words + words)[first : first + 3]) for first in range(60)} | {"rare"}
    chosen = held_out(texts)
    others = [text.split() for text in texts - chosen]
    assert len(chosen) == 12 and "rare" not in chosen
    assert all(sum(word in text for text in others) >= 2 for asked in chosen for word in asked.split())


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("Press 1, or # now.", "press one or pound now"),
        ("... don't-call (a tone) [ ]", "don't call"),
        ("dial 500", ""),
        ("H.323", ""),
        ("[beep]", ""),
    ],
)
def test_transcripts_are_what_is_said(transcript: str, words: str) -> None:
    assert spoken(transcript) == words


def test_all_packages_of_a_source_are_tested_or_none() -> None:
    task = Sections("MinGRU", 0, command.options("", ["--quick"]))
    said = stand_ins.descriptions("en").split("\n\n")
    words = [re.findall(r"\w+|[^\w\s]", text.partition("Description-en: ")[2].replace("\n .\n", " ")) for text in said]
    asked = {words.index(text) // 2 for text, _ in task.test}
    trained = {words.index(text) // 2 for text, _ in task.training}
    assert asked and trained and not asked & trained and task.classes == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cells", "MinGRUU"], "unknown cell MinGRUU: did you mean MinGRU?"),
        (["--cells", "MinGRU,"], "unknown cell"),
        (["--seeds", "0"], "--seeds 0: at least 1"),
        (["--layers", "0"], "--layers 0: at least 1"),
        (["--threads", "-1"], "--threads -1: at least 1"),
        (["--device", "gpu"], "--device gpu: cpu, cuda"),
        (["--device", "cuda:one"], "--device cuda:one: cpu, cuda"),
        (["--device", "cuda:99"], "torch finds no such GPU here"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([Copying], "", ["--quick", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cells", "LSTM"], "unknown cell LSTM"),
        (["--sizes", "4"], "unknown size 4: known: 0, 1, 2, 3"),
        (["--sizes", "SRU"], "unknown size SRU"),
        (["--steps", "0"], "--steps 0: at least 1"),
        (["--device", "gpu"], "--device gpu: cpu, cuda"),
    ],
)
def test_mistakes_of_step_times_are_one_line_and_leave_nothing(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert step_time.main([*arguments, "--out", str(tmp_path / "steps")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not (tmp_path / "steps").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    small = ["--cells", "MinGRU", "--steps", "1", "--sizes", "0"]
    for main in (lambda out: command.main([Copying], "", ["--quick", *out]), lambda out: step_time.main(small + out)):
        assert main(["--out", str(file / "under")]) == 1
        error = capsys.readouterr().err
        assert "name a folder that can be written" in error and error.count("\n") == 1


def test_measures_name_the_extra_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jiwer", None)
    with pytest.raises(Problem, match=r"jiwer is not installed: .*pip install .\[tasks\]"):
        measures.word_error_rate(["a"], ["b"])


def test_unigrams_are_the_perplexity_of_counts() -> None:
    task = Brown("MinGRU", 0, command.options("", ["--quick"]))
    assert 1 < task.goal.trivial < len(task.vocabulary)
    assert language_model.SHARE * task.goal.trivial == task.goal.wanted
    assert json.dumps(task.data)


def test_a_reader_is_told_of_each_word_what_a_glance_shows() -> None:
    """4 times how often it stands there beyond once, 2 if the question has it, 1 if it is a candidate."""
    seen = glanced(candidates=[11, 12], asked=[10, 11], words=[12, 12, 10, 13, *[14] * 20])
    assert seen == [6, 3, 0, 5, 5, 6, 0, *[4 * (MOST_COUNTED - 1)] * 20]


def test_a_candidate_without_a_number_has_its_own_in_its_question() -> None:
    nouns = [f"n{place}" for place in range(CANDIDATES)]
    question = Question(("n3", "of", "n9", "n3"), ("the", GAP), tuple(nouns), 3)
    asked = in_numbers(question, Vocabulary([["of", *nouns[:-2]]], 40, first=3))
    words = asked.inputs[:, 0].tolist()
    assert len(set(words[:CANDIDATES])) == CANDIDATES and UNKNOWN not in words[:CANDIDATES]
    assert words[CANDIDATES:] == [UNKNOWN, UNKNOWN, END, words[3], words[-3], words[9], words[3]]
    assert asked.is_most_frequent and asked.answer == 3
