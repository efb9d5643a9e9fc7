"""QRNN (arXiv 1611.01576): gates from a window of the input, then a pool over time."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kernel_variants.modules import window_pass
from kernel_variants.modules.cell_passes import qrnn_pool
from kernel_variants.modules.composed import SKIPPED, START_ANEW, Tensor
from kernel_variants.modules.recurrent import Recurrent

BLOCKS = {"f": 2, "fo": 3, "ifo": 4}


class QRNN(Recurrent):
    """c_t = f_t c_{t-1} + (1 - f_t) tanh(v_t), with f = sigma(-k); h = c ("f"), h = o c ("fo", the default), or with an
    input gate of its own in place of 1 - f ("ifo"). h_n holds the cells' states c.

    `window`: k, v, … see the last `window` inputs, weight_ih (blocks * hidden_size, window * input_size) with the
    newest input's columns first. Rows of weight_ih: k, v, then o, then i. A call that goes on step by step hands over
    `history`, a list that is empty at first and that every call brings up to date.
    """

    _history: list[Tensor] | None = None
    """Of the call that is going on. Where there is none nothing is set, which costs a module microseconds."""

    def __init__(self, *arguments: Any, pooling: str = "fo", window: int = 1, **keywords: Any) -> None:
        if pooling not in BLOCKS:
            raise ValueError(f"pooling must be one of {', '.join(BLOCKS)}, got {pooling!r}")
        if not isinstance(window, int) or window < 1:
            raise ValueError(f"window must be a whole number of at least 1, got {window!r}")
        self.blocks = BLOCKS[pooling]
        self._window, self._pooling = window, pooling
        super().__init__(*arguments, **keywords)
        self.pooling, self.window = pooling, window
        self.operation = "qrnn_pool"

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, pooling={self.pooling!r}, window={self.window}"

    def _width_of(self, layer: int) -> int:
        return super()._width_of(layer) * self._window

    def forward(
        self,
        input: Any,
        hx: Tensor | None = None,
        *,
        lengths: Any = None,
        resets: Any = None,
        history: list[Tensor] | None = None,
    ) -> Any:
        """As Recurrent's; `history` as the class says, for one direction and without `lengths`."""
        if history is None:
            return super().forward(input, hx, lengths=lengths, resets=resets)
        if self.bidirectional or lengths is not None:
            raise ValueError("history goes on forwards in time: with one direction, and without lengths")
        self._history = history
        try:
            return super().forward(input, hx, lengths=lengths, resets=resets)
        finally:
            self._history = None

    def _axes(self) -> dict[str, int]:
        return {"rows": self.blocks}

    def _direction(
        self, suffix: str, x: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        if self.window == 1:
            return qrnn_pool(self._product(suffix, x), h0, marks, reverse)
        if marks is None and self._history is None and window_pass.runs(x):
            # What runs backwards is the same of time turned round, which is less to move here than behind the product.
            weight = getattr(self, "weight_ih" + suffix)
            bias = getattr(self, "bias_ih" + suffix) if self.bias else weight.new_zeros(weight.shape[0])
            pre = window_pass.qrnn_window(x.flip(1) if reverse else x, weight, bias)
            h, c_last = qrnn_pool(pre.unflatten(-1, (self.blocks, self.hidden_size)), h0)
            return h.flip(1) if reverse else h, c_last
        if marks is not None:
            x = x.masked_fill((marks == SKIPPED)[..., None], 0)
        return qrnn_pool(self._windowed(suffix, x, self._past(suffix, x), marks, reverse), h0, marks, reverse)

    def _past(self, suffix: str, x: Tensor) -> Tensor:
        """The window - 1 inputs before the first one, (B, window - 1, D), and those to remember put into the
        history."""
        B, _, D = x.shape
        place = self._suffixes.index(suffix)
        none = x.new_zeros(B, self.window - 1, D)
        if self._history is None:
            return none
        past = self._history[place] if len(self._history) > place else none
        kept = torch.cat([past, x], 1)[:, x.shape[1] :]
        self._history[place : place + 1] = [kept.detach() if not torch.is_grad_enabled() else kept]
        return past

    def _windowed(self, suffix: str, x: Tensor, past: Tensor, marks: Tensor | None, reverse: bool) -> Tensor:
        """Pre-activations from a window of inputs: a product for each place in it, none materialised. Inputs from
        before a step that starts anew are not seen by it or by those after it."""
        H, D, T = self.hidden_size, x.shape[2], x.shape[1]
        weight = getattr(self, "weight_ih" + suffix)
        bias = getattr(self, "bias_ih" + suffix) if self.bias else None
        total = F.linear(x, weight[:, :D], bias)
        episode = _episodes(marks, reverse)
        for back in range(1, self.window):
            columns = weight[:, back * D : (back + 1) * D]
            if reverse:
                seen = F.pad(x[:, back:], (0, 0, 0, min(back, T)))
            else:
                seen = torch.cat([past[:, self.window - 1 - back :], x], 1)[:, :T]
            if episode is not None:
                if reverse:
                    theirs = F.pad(episode[:, back:], (0, min(back, T)), value=-1)
                else:
                    theirs = F.pad(episode, (back, 0))[:, :T]
                seen = seen.masked_fill((theirs != episode)[..., None], 0)
            total = total + F.linear(seen, columns)
        return total.unflatten(-1, (self.blocks, H))


def _episodes(marks: Tensor | None, reverse: bool) -> Tensor | None:
    """The number of the episode that each step belongs to, in the order of the recurrence; 0 is that of the past."""
    if marks is None:
        return None
    starts = (marks == START_ANEW).long()
    return starts.flip(1).cumsum(1).flip(1) if reverse else starts.cumsum(1)
