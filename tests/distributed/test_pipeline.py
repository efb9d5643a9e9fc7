"""Pipelines over layers, with parts of a batch and with blocks of time, train to one process's weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from tests.distributed.mixer import STEPS, Shifted, trained_alone
from tests.distributed.ranks import on_ranks
from workbench.distributed.cost import bubble
from workbench.distributed.pipeline import Pipeline
from workbench.problem import Problem

PIPELINES: list[dict[str, Any]] = [
    {"kind": "batch", "parts": 4},
    {"kind": "time", "parts": 3},
    {"kind": "time", "parts": 4},
]


def pipeline(size: int, **options: Any) -> tuple[Shifted, Pipeline]:
    task = Shifted()
    mesh = init_device_mesh("cpu", (size,))
    inputs, _ = task.batch(0)
    return task, Pipeline(task.model(), mesh, task.loss, inputs, **options)


def trained(rank: int, size: int) -> list[tuple[dict[str, Tensor], list[float | None]]]:
    found = []
    for options in PIPELINES:
        task, pipe = pipeline(size, **options)
        optimizer = torch.optim.SGD(pipe.stage.parameters(), lr=0.1, momentum=0.9)
        losses = []
        for step in range(STEPS):
            optimizer.zero_grad()
            losses.append(pipe.step(*task.batch(step)))
            optimizer.step()
        found.append((pipe.weights(), losses))
    return found


def test_pipelines_train_as_one_process_does(tmp_path: Path) -> None:
    alone = trained_alone()
    ranks = on_ranks(2, trained, folder=tmp_path)
    for number, options in enumerate(PIPELINES):
        found: dict[str, Tensor] = {}
        for rank in ranks:
            found |= rank[number][0]
        assert found.keys() == alone.keys()
        off = {name: float((found[name] - value).norm() / value.norm()) for name, value in alone.items()}
        assert max(off.values()) < 1e-12, (options, off)
        assert ranks[0][number][1] == [None] * STEPS
        losses = ranks[1][number][1]
        assert losses[-1] < losses[0], "the last stage has the losses, and they fall"


def refused(rank: int, size: int) -> str:
    task, pipe = pipeline(size, kind="time", parts=4, order="gpipe")
    try:
        pipe.step(*task.batch(0))
    except Problem as problem:
        return str(problem)
    return "no error"


def test_a_stage_without_weights_is_refused() -> None:
    task = Shifted()
    mesh = SimpleNamespace(get_local_rank=lambda: 0, size=lambda: 3)
    with pytest.raises(Problem, match="stage 2 of 3 has no weights: fewer --stages"):
        Pipeline(task.model(), mesh, task.loss, task.batch(0)[0], 4)  # type: ignore[arg-type]


def test_an_order_that_loses_gradients_between_blocks_is_refused(tmp_path: Path) -> None:
    """ScheduleGPipe goes backward first to last: without the refusal its gradients are wrong by a third, in silence."""
    assert "this order of the pipeline loses the gradient" in on_ranks(1, refused, folder=tmp_path)[0]


@pytest.mark.parametrize(("stages", "parts", "share"), [(1, 4, 0.0), (2, 4, 0.2), (4, 4, 3 / 7)])
def test_bubble(stages: int, parts: int, share: float) -> None:
    assert bubble(stages, parts) == pytest.approx(share)
