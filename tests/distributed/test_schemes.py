"""Every scheme trains to the weights and gradients of one process: 20 steps, in float64, with states that cross all
ranks. (python -m tests.campaign.schemes does so in float32 too, and says how far apart they are.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from tests.distributed.mixer import SCANNED, STEPS, Shifted, Stack, T, apart, sgd, trained_on_one
from tests.distributed.ranks import on_ranks
from workbench.distributed.mesh import Sizes
from workbench.distributed.schemes import channel_plan, lay_out, own_part, scans_of, whole_weights
from workbench.distributed.task import Task
from workbench.problem import Problem

SCHEMES: dict[int, list[tuple[str, Sizes, dict[str, Any]]]] = {
    2: [
        ("data", Sizes(data=2), {}),
        ("data, sharded", Sizes(data=2), {"weights": "sharded"}),
        ("tensor", Sizes(tensor=2), {}),
        ("sequence", Sizes(sequence=2), {}),
        ("sequence by a chain", Sizes(sequence=2), {"carry": "chain"}),
    ],
    4: [
        ("data × sequence", Sizes(data=2, sequence=2), {}),
        ("data × tensor", Sizes(data=2, tensor=2), {}),
        ("sequence × tensor", Sizes(sequence=2, tensor=2), {}),
    ],
}


def trained(sizes: Sizes, options: dict[str, Any], task: Task) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Whole weights after all steps, and whole gradients of the last: a collective of all ranks."""
    shape = (sizes.data, sizes.sequence, sizes.tensor)
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("data", "sequence", "tensor"))
    model = lay_out(task.model(), mesh, **options)
    optimizer = sgd(model.parameters())
    for step in range(STEPS):
        inputs, targets = (own_part(x, mesh) for x in task.batch(step))
        optimizer.zero_grad()
        task.loss(model(inputs), targets).backward()
        optimizer.step()
    gradients = {name.removeprefix("module."): _whole(value.grad) for name, value in model.named_parameters()}
    weights = {name.removeprefix("module."): value for name, value in whole_weights(model).items()}
    dist.barrier()
    return weights, gradients


def _whole(gradient: Tensor) -> Tensor:
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient


def on_mesh(rank: int, size: int, sizes: Sizes) -> dict[str, Tensor]:
    return trained(sizes, {}, Shifted())[0]


def every_scheme(
    rank: int, size: int, dtype: torch.dtype = torch.float64
) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    found = []
    for _, sizes, options in SCHEMES[size]:
        SCANNED.clear()
        found.append(trained(sizes, options, Shifted(dtype)))
        assert {T // sizes.sequence} == SCANNED, "the model's own scan does each rank's block"
    return found


@pytest.mark.parametrize("size", sorted(SCHEMES))
def test_every_scheme_trains_as_one_process_does(size: int, tmp_path: Path) -> None:
    weights, gradients = trained_on_one(Shifted())
    start = Shifted().model().state_dict()
    assert min(float((weights[n] - start[n]).norm() / start[n].norm()) for n in weights) > 1e-3, "they change"
    assert weights.keys() == gradients.keys()
    ranks = on_ranks(size, every_scheme, folder=tmp_path)
    for number, (name, _, _) in enumerate(SCHEMES[size]):
        for rank in ranks:
            assert apart(rank[number][0], weights) < 1e-12, name
            assert apart(rank[number][1], gradients) < 1e-12, name


def test_a_mesh_that_does_not_fit_is_refused_in_one_line() -> None:
    with pytest.raises(Problem, match=r"data 2 × sequence 1 × tensor 1 is 2 ranks, and there are 3"):
        Sizes(data=2).fit(3, 4, 24)
    with pytest.raises(Problem, match="25 time steps are not divided by 2 ranks"):
        Sizes(sequence=2).fit(2, 4, 25)


def test_a_model_that_lacks_what_a_scheme_needs_is_refused() -> None:
    with pytest.raises(Problem, match=r"Linear has no tensor_plan\(\)"):
        channel_plan(nn.Linear(2, 2), 2)
    for ranks, change, line in (
        (3, {}, "8 channels of layers.0.gate are not divided by 3 tensor ranks: choose a divisor"),
        (2, {"layers.7.gate": "columns"}, "names layers.7.gate: Stack has no such layer"),
        (2, {"layers.0.gate": "diagonals"}, "'diagonals' is none of 'columns', 'gathered columns', 'rows'"),
    ):
        model = Stack()
        plan = model.tensor_plan() | change
        model.tensor_plan = lambda plan=plan: plan  # type: ignore[method-assign]
        with pytest.raises(Problem, match=line):
            channel_plan(model, ranks)
    with pytest.raises(Problem, match="no module of Linear has a scan"):
        scans_of(nn.Linear(2, 2))
