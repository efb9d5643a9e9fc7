"""A training step of one layer at the papers' sizes, cell by cell in turns: forward, backward, and their sum.

python -m examples.tasks.step_time --out profiles/tasks-quick
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.tasks.cells import CELLS
from examples.tasks.command import check, reported
from workbench.problem import unknown
from workbench.tasks.parts import clock_here, now
from workbench.tasks.record_steps import steps_text, write_steps

SIZES = {
    "SRU, figure 1, left": (32, 32, 256),
    "SRU, figure 1, right": (32, 128, 512),
    "minGRU, figure 1, T = 64": (64, 64, 128),
    "minGRU, figure 1, T = 512": (64, 512, 128),
}
"""B, T and the width of inputs and outputs. The second paper's width is not known to us; 128 is ours."""
BASELINE = "nn.LSTM"


class PerStep(nn.Module):
    """A cell of torch called step by step: what the second paper compares with."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, 1), state


STEPPED: dict[str, Callable[[int], nn.Module]] = {
    "LSTM per step": lambda width: PerStep(nn.LSTMCell(width, width)),
    "GRU per step": lambda width: PerStep(nn.GRUCell(width, width)),
}


def step(layer: nn.Module, x: Tensor, gradient: Tensor, clock: str) -> tuple[float, float]:
    """Seconds of a forward and of a backward pass."""
    begin = now(clock)
    y = layer(x)[0]
    middle = now(clock)
    y.backward(gradient)
    if x.is_cuda:
        torch.cuda.synchronize()
    return middle - begin, now(clock) - middle


def measured(names: list[str], shape: tuple[int, int, int], steps: int, device: str) -> dict[str, list[list[float]]]:
    """Layer → forward and backward seconds of each step; the first step of each is not counted."""
    torch.manual_seed(0)
    B, T, width = shape
    x = torch.randn(B, T, width, device=device, requires_grad=True)
    gradient, clock = torch.randn(B, T, width, device=device), clock_here(device)
    layers = {name: (CELLS | STEPPED)[name](width).to(device) for name in names}
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for turn in range(steps + 1):
        for name, layer in layers.items():
            x.grad = None
            layer.zero_grad()
            seconds = step(layer, x, gradient, clock)
            if turn:
                found[name].append(list(seconds))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default=",".join([*CELLS, *STEPPED]))
    places = ",".join(map(str, range(len(SIZES))))
    parser.add_argument("--sizes", default=places, help="numbers from 0 on: " + "; ".join(SIZES))
    parser.add_argument("--steps", type=int, default=5, help="of each layer at each size")
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU; 1: times are CPU time")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("profiles/tasks"))
    chosen = parser.parse_args(arguments)
    return reported(lambda: _measured(chosen), chosen.out)


def _measured(chosen: argparse.Namespace) -> None:
    names, places = chosen.cells.split(","), chosen.sizes.split(",")
    check(names, CELLS | STEPPED, chosen.device, {"--steps": chosen.steps, "--threads": chosen.threads})
    known = dict(zip(map(str, range(len(SIZES))), SIZES, strict=True))
    for place in places:
        if place not in known:
            raise unknown("size", place, known)
    torch.set_num_threads(chosen.threads)
    for name in (known[place] for place in places):
        found = measured(names, SIZES[name], chosen.steps, chosen.device)
        sizes = dict(zip(("B", "T", "width"), SIZES[name], strict=True))
        print(steps_text([write_steps(chosen.out, name, sizes, found, chosen.device)], BASELINE), flush=True)


if __name__ == "__main__":
    sys.exit(main())
