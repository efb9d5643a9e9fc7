"""Two layers to train on several ranks: gates that see the input alone, and gates that see the state.

    workbench train examples/distributed/layers.py:min_gru --out scanned --tensor 2 --trace 2
    workbench train examples/distributed/layers.py:gru --out stepped --tensor 2 --trace 2

Split by channels, the first passes one sum per layer between ranks, forwards, however long the sequence is: its scan is
one channel's own. The second gathers the state of all channels before every step of time, T times per layer, and sums
its gradients as often. The first can also be cut along time (`--sequence 2`), and its scan stays the kernel that was
measured fastest: `kernel_variants.modules` chooses it, on each rank for that rank's block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kernel_variants.modules.passes import scan

LAYERS, BATCH, STEPS, FEATURES, CHANNELS = 2, 4, 64, 32, 64
DELAY = 5
"""Steps after which an input is asked for: what a model without a state cannot know."""


class MinGru(nn.Module):
    """x (B, T, D) → (B, T, D), the residual beside it; h_t = a_t h_{t-1} + (1 - a_t) v_t."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(FEATURES, CHANNELS), nn.Linear(FEATURES, CHANNELS)
        self.out = nn.Linear(CHANNELS, FEATURES)
        self.scan = scan

    def forward(self, x: Tensor) -> Tensor:
        a = torch.sigmoid(self.gate(x) + 4.0)  # slow: a state outlives a rank's block of time
        b = (1 - a) * self.value(x)
        h, _ = self.scan(a, b, torch.zeros_like(b[:, 0]))
        return x + self.out(h)

    @staticmethod
    def split() -> dict[str, str]:
        return {"gate": "columns", "value": "columns", "out": "rows"}


class Gru(nn.Module):
    """x (B, T, D) → (B, T, D), the residual beside it; nn.GRU's cell. A channel's three gates lie side by side in the
    rows of the weights, so that whoever holds a channel holds all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.state = nn.Linear(FEATURES, 3 * CHANNELS), nn.Linear(CHANNELS, 3 * CHANNELS)
        self.out = nn.Linear(CHANNELS, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        given = self.inputs(x).unflatten(-1, (-1, 3))
        h = torch.zeros_like(given[:, 0, :, 0])
        states = []
        for now in given.unbind(1):
            r, z, n = now.unbind(-1)
            from_r, from_z, from_n = self.state(h).unflatten(-1, (-1, 3)).unbind(-1)
            z = torch.sigmoid(z + from_z)
            n = torch.tanh(n + torch.sigmoid(r + from_r) * from_n)
            h = (1 - z) * n + z * h
            states.append(h)
        return x + self.out(torch.stack(states, 1))

    @staticmethod
    def split() -> dict[str, str]:
        return {"inputs": "columns", "state": "gathered columns", "out": "rows"}


class Stack(nn.Module):
    """Layers one after the other, and how they are split."""

    def __init__(self, kind: type[MinGru] | type[Gru]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(kind() for _ in range(LAYERS))
        self._split = kind.split()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def stages(self, count: int) -> list[nn.Module]:
        each = -(-len(self.layers) // count)
        return [nn.Sequential(*self.layers[i * each : (i + 1) * each]) for i in range(count)]

    def tensor_plan(self) -> dict[str, str]:
        return {f"layers.{i}.{name}": how for i in range(len(self.layers)) for name, how in self._split.items()}


class Delayed:
    """Say again what came DELAY steps ago."""

    def __init__(self, kind: type[MinGru] | type[Gru], dtype: torch.dtype = torch.float32) -> None:
        self.kind, self.dtype = kind, dtype

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        return Stack(self.kind).to(self.dtype)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(BATCH, STEPS, FEATURES, generator=torch.Generator().manual_seed(step)).to(self.dtype)
        return x, x.roll(DELAY, 1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square().mean()


def min_gru() -> Delayed:
    return Delayed(MinGru)


def gru() -> Delayed:
    return Delayed(Gru)
