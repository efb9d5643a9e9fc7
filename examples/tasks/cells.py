"""The cells that are compared, and the stack that all tasks put them into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, cat, nn
from torch.nn import functional as F

from kernel_variants.modules import QRNN, SRU, MinGRU, MinLSTM


class Convolution(nn.Module):
    """The last `window` inputs → a gated output, as a recurrent layer is called; its state are the inputs that the
    next step still sees."""

    def __init__(self, width: int, window: int = 3) -> None:
        super().__init__()
        self.window = window
        self.product = nn.Conv1d(width, 2 * width, window)

    def forward(self, x: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen = F.pad(x, (0, 0, self.window - 1, 0)) if past is None else cat([past, x], 1)
        return F.glu(self.product(seen.transpose(1, 2)), 1).transpose(1, 2), seen[:, 1 - self.window :]


CELLS: dict[str, Callable[[int], nn.Module]] = {
    "nn.LSTM": lambda width: nn.LSTM(width, width, batch_first=True),
    "nn.GRU": lambda width: nn.GRU(width, width, batch_first=True),
    "convolution": Convolution,
    "SRU": lambda width: SRU(width, width, 1, v1=True, batch_first=True),
    "QRNN": lambda width: QRNN(width, width, window=2, batch_first=True),
    "MinGRU": lambda width: MinGRU(width, width, batch_first=True),
    "MinLSTM": lambda width: MinLSTM(width, width, batch_first=True),
}
"""Width → a layer that takes (B, T, width) and a state, and returns (B, T, width) and the state behind it."""


class Stack(nn.Module):
    """Layers of one cell, each on a normalised input and added to it. All cells stand in the same stack, so that they
    alone differ."""

    def __init__(self, cell: str, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(CELLS[cell](width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.last = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) → (B, T, width)."""
        for norm, cell in zip(self.norms, self.cells, strict=True):
            x = x + F.dropout(cell(norm(x))[0], self.dropout, self.training)
        return self.last(x)

    def go_on(self, x: Tensor, states: list[Any]) -> Tensor:
        """The same of a piece of a sequence: behind the states in the list, which is empty before the first piece and
        holds those behind this one afterwards. Without gradients and dropout."""
        states.extend([None] * (len(self.cells) - len(states)))
        for place, (norm, cell) in enumerate(zip(self.norms, self.cells, strict=True)):
            if isinstance(cell, QRNN):  # a window reaches into the piece before
                state, history = states[place] or (None, [])
                y, state = cell(norm(x), state, history=history)
                states[place] = state, history
            else:
                y, states[place] = cell(norm(x), states[place])
            x = x + y
        return self.last(x)
