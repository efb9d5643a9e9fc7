"""Channels over ranks: what passes between them where gates see the input alone, and where they see the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode

from examples.distributed.layers import LAYERS, STEPS, Delayed, Gru, MinGru
from tests.distributed.mixer import apart, trained_on_one
from tests.distributed.ranks import on_ranks
from tests.distributed.test_schemes import trained
from workbench.distributed.mesh import Sizes
from workbench.distributed.schemes import split_channels
from workbench.distributed.trace import COMMUNICATION

KINDS = (MinGru, Gru)


def split(rank: int, size: int) -> list[tuple[tuple[dict[str, Tensor], dict[str, Tensor]], int, int]]:
    """Trained over all ranks; and how often they communicate in a step, forwards and backwards."""
    found = []
    for kind in KINDS:
        task = Delayed(kind, torch.float64)
        model = task.model()
        split_channels(model, init_device_mesh("cpu", (size,)))
        inputs, targets = task.batch(0)
        with profile() as there:
            loss = task.loss(model(inputs), targets)
        with profile() as back:
            loss.backward()
        found.append((trained(Sizes(tensor=size), {}, task), _passed(there), _passed(back)))
    return found


def _passed(seen: profile) -> int:
    return sum(event.count for event in seen.key_averages() if COMMUNICATION.match(event.key))


@pytest.mark.thorough
def test_gates_that_see_the_state_pass_it_in_every_step_of_time(tmp_path: Path) -> None:
    ranks = on_ranks(2, split, folder=tmp_path)
    for place, kind in enumerate(KINDS):
        weights, gradients = trained_on_one(Delayed(kind, torch.float64))
        for rank in ranks:
            assert apart(rank[place][0][0], weights) < 1e-12
            assert apart(rank[place][0][1], gradients) < 1e-12
    for rank in ranks:
        (_, there, back), (_, there_of_steps, back_of_steps) = rank
        assert there == LAYERS, "one sum per layer, however long the sequence is"
        assert back == 2 * LAYERS - 2, "of gate and value; the first layer's input has no gradient"
        assert there_of_steps == LAYERS * (1 + STEPS)
        assert back_of_steps == LAYERS * (STEPS - 1) + LAYERS - 1, "nor has the first state"


class Operators(TorchDispatchMode):
    """The names of the operators that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, operator: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        self.names.add(operator.name())
        return operator(*given, **(named or {}))


def over_time(rank: int, size: int) -> tuple[dict[str, Tensor], dict[str, Tensor], set[str]]:
    """Trained in float32 over blocks of time; and which operators ran."""
    with Operators() as seen:
        weights, gradients = trained(Sizes(sequence=size), {}, Delayed(MinGru))
    return weights, gradients, seen.names


def test_a_scan_over_blocks_of_time_runs_the_kernel_that_layers_choose(tmp_path: Path) -> None:
    weights, gradients = trained_on_one(Delayed(MinGru))
    for rank in on_ranks(2, over_time, folder=tmp_path):
        assert apart(rank[0], weights) < 1e-6 and apart(rank[1], gradients) < 1e-6
        assert "scan_workbench::scan" in rank[2], "ours, and not torch's own operators"
