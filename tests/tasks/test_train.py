"""The loop, the clock of parts, resuming, and what stands in the table, on a task of a few numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.tasks.made import made_training
from workbench.problem import Problem
from workbench.tasks import BACKWARD, FORWARD
from workbench.tasks import train as training
from workbench.tasks.parts import PartClock
from workbench.tasks.recorded import curves, folders, recorded, shares, table, table_text, where
from workbench.tasks.task import Goal, Metric


class Slow(torch.autograd.Function):
    """The identity, which takes its time both ways."""

    @staticmethod
    def forward(context: Any, x: Tensor, seconds: float) -> Tensor:
        context.seconds = seconds
        time.sleep(seconds)
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        time.sleep(2 * context.seconds)
        return gradient, None


class Middle(nn.Module):
    """Named in tests/tasks alone: a layer that sleeps, and returns a tuple as layers with a state do."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.product, self.seconds = nn.Linear(4, 4), seconds

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return Slow.apply(self.product(x), self.seconds), None


class Model(nn.Module):
    def __init__(self, middles: int, seconds: float) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 1)
        self.middles = nn.ModuleList(Middle(seconds) for _ in range(middles))
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for middle in self.middles:
            x = x + middle(x)[0]
        return self.last(self.dropout(torch.tanh(x)))


class Sums:
    """Sums of two numbers."""

    name, subject, studied = "sums", "middle", "middles"
    metric, goal = Metric("error", lower_is_better=True), Goal(1.0, "always 0", 0.5)
    steps = 4
    data = ({"name": "generated"},)

    def __init__(self, seed: int = 0, epochs: int = 3, seconds: float = 0.0) -> None:
        self.seed, self.seconds = seed, seconds
        self.settings = {"epochs": epochs, "learning_rate": 0.02}
        self.ended_at: int | None = None

    def model(self, more_layers: int = 0) -> nn.Module:
        return Model(1 + more_layers, self.seconds)

    def parts(self, model: nn.Module) -> Mapping[str, Iterable[nn.Module]]:
        return {"first": [model.first], "middles": model.middles}  # type: ignore[dict-item]

    def batches(self, epoch: int) -> Iterator[Tensor]:
        if epoch == self.ended_at:
            raise KeyboardInterrupt
        random = torch.Generator().manual_seed(100 * self.seed + epoch)
        return (torch.rand(8, 2, generator=random) for _ in range(self.steps))

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        return (model(batch)[:, 0] - batch.sum(1)).square().mean()

    def quality(self, model: nn.Module) -> float:
        return float(self.loss(model, torch.linspace(0, 1, 10).reshape(5, 2)))

    def more(self, model: nn.Module) -> Mapping[str, float]:
        return {"weights": float(sum(p.abs().sum() for p in model.parameters()))}


def what_was_learned(path: Path) -> list[Any]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line.get("quality"), line.get("loss"), line.get("more")) for line in lines]


def test_a_training_that_was_ended_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """Ended in its third epoch; the optimiser's moments and what dropout draws are those of an undisturbed one."""
    undisturbed = training.train(Sums(epochs=4), tmp_path / "a")
    task = Sums(epochs=4)
    task.ended_at = 2
    with pytest.raises(KeyboardInterrupt):
        training.train(task, tmp_path / "b")
    (run,) = recorded(tmp_path / "b")
    assert len(run.epochs) == 2 and run.end is None
    told: list[str] = []
    resumed = training.train(Sums(epochs=4), tmp_path / "b", told=told.append)
    assert "goes on behind epoch 2" in told[0]
    assert what_was_learned(resumed) == what_was_learned(undisturbed)
    before = resumed.read_bytes()
    training.train(Sums(epochs=4), tmp_path / "b", told=told.append)
    assert "trained already" in told[-1] and resumed.read_bytes() == before


def test_one_more_layer_is_the_difference_of_two_fresh_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of trained weights may take another time, as gradients that fade did: the difference came out negative."""

    class Zero(Sums):
        def model(self, more_layers: int = 0) -> nn.Module:
            made = super().model(more_layers)
            for own in made.parameters():
                nn.init.zeros_(own)
            return made

    compared: list[nn.Module] = []

    def in_turns(task: Any, *models: nn.Module) -> list[float]:
        compared.extend(models)
        return [1.0, 3.0]

    monkeypatch.setattr(training, "_in_turns", in_turns)
    path = training.train(Zero(epochs=1), tmp_path)
    assert [len(model.middles) for model in compared] == [1, 2]
    assert all((own == 0).all() for model in compared for own in model.parameters())
    assert json.loads(path.read_text().splitlines()[-1])["one_more_layer_s"] == 2.0 * Sums.steps


def test_other_settings_and_broken_checkpoints_are_problems(tmp_path: Path) -> None:
    path = training.train(Sums(epochs=1), tmp_path)
    with pytest.raises(Problem, match="a training with other settings"):
        training.train(Sums(epochs=2), tmp_path)
    path.unlink()
    checkpoint = tmp_path / training.CHECKPOINTS / f"{path.stem}.pt"
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(Problem, match="corrupt, not a checkpoint of this training"):
        training.train(Sums(epochs=1), tmp_path)
    made_training(tmp_path, "sums", (0.2,))
    whole = (tmp_path / "task-sums-middle-0.jsonl").read_text()
    for broken in ("{", "[]\n", "{}\n", whole.replace('"studied"', '"other"'), whole.replace("0.9", '"much"')):
        (tmp_path / "task-sums-middle-0.jsonl").write_text(broken)
        with pytest.raises(Problem, match="corrupt, not the lines of a training"):
            recorded(tmp_path)


def test_the_clock_tells_each_part_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeps of 5 ms forwards and 10 ms backwards in each of two layers are theirs, and nobody else's."""
    monkeypatch.setattr("workbench.tasks.parts.clock_here", lambda _: "wall")
    model, x = Model(2, 0.005), torch.rand(8, 2)
    clock = PartClock(model, {"first": [model.first], "middles": model.middles})
    with clock.part("data"):
        time.sleep(0.002)
    model(x).sum().backward()
    found = clock.take()
    assert found["middles" + FORWARD] >= 0.010 and found["middles" + BACKWARD] >= 0.020
    assert found["first" + FORWARD] < 0.5 * found["middles" + FORWARD]
    assert (
        0 < found["first" + BACKWARD] < 0.5 * found["middles" + BACKWARD]
    )  # its input has no gradient: its weights end it
    assert found["data"] >= 0.002 and set(found) == {
        "data", "first" + FORWARD, "first" + BACKWARD, "middles" + FORWARD, "middles" + BACKWARD
    }  # fmt: skip
    clock.remove()
    model(x).sum().backward()
    assert clock.take() == {}


def test_marks_change_no_gradient() -> None:
    torch.manual_seed(0)
    model, x = Model(2, 0.0).eval(), torch.rand(8, 2)
    model(x).sum().backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    PartClock(model, {"first": [model.first], "middles": model.middles})
    model(x).sum().backward()
    for parameter, wanted in zip(model.parameters(), plain, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=0, atol=0)


def test_trainings_that_have_not_ended_are_not_compared_with_those_that_have(tmp_path: Path) -> None:
    made_training(tmp_path, "sums", (0.2, 0.4, 0.9))
    cut = tmp_path / "task-sums-middle-2.jsonl"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:-1]))
    (row,) = table(recorded(tmp_path)).to_dict("records")
    assert row["seeds"] == 2 and row["high"] == 0.4


def test_trainings_of_two_machines_are_told_apart(tmp_path: Path) -> None:
    made_training(tmp_path, "sums", (0.2, 0.4, 0.3))
    later = tmp_path / "task-sums-middle-2.jsonl"
    later.write_text(later.read_text().replace("2026-01-01", "2026-01-03"))
    other = tmp_path / "task-sums-middle-1.jsonl"
    other.write_text(other.read_text().replace("a CPU", "another").replace('"load": 2.0', '"load": 7.5'))
    found = {text: [run.header["seed"] for run in own] for text, own in where(recorded(tmp_path)).items()}
    assert found == {
        "a CPU, 2026-01-01 to 2026-01-03, torch 2, CPU time of one thread, at a load average of 1 to 2": [0, 2],
        "another, 2026-01-01, torch 2, CPU time of one thread, at a load average of 1 to 8": [1],
    }


def test_the_table_is_what_trainings_left(tmp_path: Path) -> None:
    """Of made lines, so that every figure can be worked out by hand."""
    folder = tmp_path / "profiles" / "made"
    made_training(folder, "sums", (0.2, 0.4, 0.3))
    assert folders(tmp_path / "profiles") == (folder,)
    runs = recorded(folder)
    (row,) = table(runs).to_dict("records")
    expected = {
        "seeds": 3, "quality": 0.3, "low": 0.2, "high": 0.4, "learned": False, "epoch_s": 10.0, "studied_s": 5.0,
        "most_gain": 2.0, "own_share": 0.25, "own_gain": 4 / 3, "one_more_layer_s": 7.0, "more.weights": 2.0,
        "parameters": 90, "epochs": 2, "load": 2.0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert curves(runs)[["seconds", "quality", "low", "high"]].to_numpy().tolist() == [
        [50.0, 0.9, 0.9, 0.9], [60.0, 0.3, 0.2, 0.4]
    ]  # fmt: skip
    assert dict(zip(shares(runs)["part"], shares(runs)["share"], strict=True)) == pytest.approx(
        {"data": 0.1, "middles forward": 0.2, "middles backward": 0.3, "rest": 0.4}
    )
    assert "| middle | 0.3 (not learned) | 0.2 – 0.4 | 5 s | 10 s | 7 s | 90 | 2x | 1.33x | 2 |" in table_text(runs)
