"""Pipelines over layers, with parts of a batch and with blocks of time, train to one process's weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from tests.distributed.mixer import STEPS, Shifted, apart, sgd, trained_on_one
from tests.distributed.ranks import on_ranks
from workbench.distributed.cost import bubble
from workbench.distributed.pipeline import Pipeline
from workbench.problem import Problem

PIPELINES: list[dict[str, Any]] = [
    {"kind": "batch", "parts": 4},
    {"kind": "time", "parts": 3},
    {"kind": "time", "parts": 4},
]


def pipeline(size: int, task: Shifted, **options: Any) -> Pipeline:
    mesh = init_device_mesh("cpu", (size,))
    inputs, _ = task.batch(0)
    return Pipeline(task.model(), mesh, task.loss, inputs, **options)


def trained(
    rank: int, size: int, dtype: torch.dtype = torch.float64
) -> list[tuple[dict[str, Tensor], dict[str, Tensor], list[float | None]]]:
    """Weights of this rank's stage, gradients of its last step, and losses, of each of PIPELINES."""
    found = []
    for options in PIPELINES:
        task = Shifted(dtype)
        pipe = pipeline(size, task, **options)
        optimizer = sgd(pipe.stage.parameters())
        losses = []
        for step in range(STEPS):
            optimizer.zero_grad()
            losses.append(pipe.step(*task.batch(step)))
            optimizer.step()
        gradients = {name: value.grad for name, value in pipe.model.named_parameters()}
        found.append((pipe.weights(), gradients, losses))
    return found


def test_pipelines_train_as_one_process_does(tmp_path: Path) -> None:
    weights, gradients = trained_on_one(Shifted())
    ranks = on_ranks(2, trained, folder=tmp_path)
    for number, options in enumerate(PIPELINES):
        for place, expected in enumerate((weights, gradients)):
            found = ranks[0][number][place] | ranks[1][number][place]
            assert found.keys() == expected.keys()
            assert apart(found, expected) < 1e-12, (options, place)
        assert ranks[0][number][2] == [None] * STEPS
        losses = ranks[1][number][2]
        assert losses[-1] < losses[0], "the last stage has the losses, and they fall"


def placed(rank: int, size: int) -> set[str]:
    """Where weights and a batch are, of ranks whose device is another than that of the task."""
    task = Shifted()
    mesh = SimpleNamespace(
        get_local_rank=lambda: 0, size=lambda: 1, get_group=lambda: dist.group.WORLD, device_type="meta"
    )
    pipe = Pipeline(task.model(), mesh, task.loss, task.batch(0)[0], parts=4)  # type: ignore[arg-type]
    given: list[Tensor] = []
    pipe._schedule = SimpleNamespace(  # type: ignore[assignment]
        step=lambda x, target, losses: (given.extend((x, target)), losses.append(torch.zeros(())))
    )
    pipe.step(*task.batch(0))
    return {str(tensor.device) for tensor in (*pipe.model.parameters(), *given)}


def test_a_stage_and_its_batch_are_on_the_ranks_device(tmp_path: Path) -> None:
    """NCCL passes nothing that lies on the host."""
    assert on_ranks(1, placed, folder=tmp_path) == [{"meta"}]


def refused(rank: int, size: int) -> str:
    task = Shifted()
    pipe = pipeline(size, task, kind="time", parts=4, order="gpipe")
    try:
        pipe.step(*task.batch(0))
    except Problem as problem:
        return str(problem)
    return "no error"


def test_a_stage_without_weights_is_refused() -> None:
    task = Shifted()
    mesh = SimpleNamespace(get_local_rank=lambda: 0, size=lambda: 3, device_type="cpu")
    with pytest.raises(Problem, match="stage 2 of 3 has no weights: fewer --stages"):
        Pipeline(task.model(), mesh, task.loss, task.batch(0)[0], 4)  # type: ignore[arg-type]


def test_an_order_that_loses_gradients_between_blocks_is_refused(tmp_path: Path) -> None:
    """ScheduleGPipe goes backward first to last: without the refusal its gradients are wrong by a third, in silence."""
    assert "this order of the pipeline loses the gradient" in on_ranks(1, refused, folder=tmp_path)[0]


@pytest.mark.parametrize(("stages", "parts", "share"), [(1, 4, 0.0), (2, 4, 0.2), (4, 4, 3 / 7)])
def test_bubble(stages: int, parts: int, share: float) -> None:
    assert bubble(stages, parts) == pytest.approx(share)
