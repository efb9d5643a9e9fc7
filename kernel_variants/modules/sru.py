"""SRU (arXiv 1709.02755): a cell whose gates see the input, and in its second version their own channel of the
state."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kernel_variants.modules import cells
from kernel_variants.modules.cell_passes import sru_scan
from kernel_variants.modules.composed import SKIPPED, Tensor
from kernel_variants.modules.recurrent import Recurrent


class SRU(Recurrent):
    """c_t = f_t c_{t-1} + (1 - f_t) v_t; h_t = r_t m phi(c_t) + (1 - r_t) x'_t; with f = sigma(-k), k, v, r of the
    input.

    The constructor and the call are those of the package `sru`: two layers by default, `c0`, `mask_pad`, and its
    keywords with their meaning, but for these. The state comes as nn.GRU's, (layers * directions, B, hidden_size),
    unless `nn_rnn_compatible_return=False` is written out: then as the package's, (layers, B, directions *
    hidden_size). Dropout is the paper's, on phi(c) alone, a mask shared over time; the package's present one drops x'
    with it. The recurrence is float32 at least, whatever `amp_recurrence_fp16` says. `custom_m` is not taken.

    Without `v1` both gates also see c_{t-1} (weight_hh: rows for k and r): serial in time forwards, a linear scan
    backwards. With `v1` they do not, and it is a scan both ways. x' is the input times `scale`, or a product of its own
    where the sizes differ. Rows of weight_ih: k, v, r, and that product. k is the logit of what comes in, as MinGRU's:
    minus that of the package's forget gate.
    """

    both_at_once = True

    _mask_pad: Any = None
    """Of the call that is going on. Where there is none nothing is set, which costs a module microseconds."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 2,
        dropout: float = 0.0,
        rnn_dropout: float = 0.0,
        bidirectional: bool = False,
        projection_size: int = 0,
        use_tanh: bool = False,
        layer_norm: bool = False,
        highway_bias: float = 0.0,
        has_skip_term: bool = True,
        rescale: bool = False,
        v1: bool = False,
        nn_rnn_compatible_return: bool | None = None,
        custom_m: Any = None,
        proj_input_to_hidden_first: bool = False,
        amp_recurrence_fp16: bool = False,
        *,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
        **unknown: Any,
    ) -> None:
        if custom_m is not None:
            raise ValueError("custom_m is not supported: SRU makes its pre-activations by products of its own")
        if not 0 <= rnn_dropout < 1:
            raise ValueError(f"rnn_dropout should be a number in [0, 1), got {rnn_dropout}")
        self._options = {
            "projection_size": projection_size, "layer_norm": bool(layer_norm), "has_skip_term": bool(has_skip_term),
            "v1": bool(v1), "highway_bias": float(highway_bias), "rescale": bool(rescale),
        }  # fmt: skip
        directions = 1 + bool(bidirectional)
        first = hidden_size * directions if proj_input_to_hidden_first else input_size
        self._first = first
        self.use_tanh, self.rnn_dropout = bool(use_tanh), float(rnn_dropout)
        with warnings.catch_warnings():
            if dropout and num_layers == 1:  # the package says nothing of it
                warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                input_size, hidden_size, num_layers, True, batch_first, dropout, bidirectional, device, dtype, **unknown
            )
        self.nn_rnn_compatible_return = nn_rnn_compatible_return
        self.v1 = bool(v1)
        self.operation = "sru_scan" if v1 else "sru2_scan"
        self.input_to_hidden = (
            nn.Linear(input_size, first, bias=False, device=device, dtype=dtype) if first != input_size else None
        )

    def _width_of(self, layer: int) -> int:
        return self._first if layer == 0 else super()._width_of(layer)

    def _has_product(self, width: int) -> bool:
        """Whether x' is a product of its own."""
        return bool(self._options["has_skip_term"]) and width != self.hidden_size * (1 + self.bidirectional)

    def _make_parameters(self, suffix: str, width: int, device: Any, dtype: Any) -> None:
        H = self.hidden_size
        rows = (3 + self._has_product(width)) * H
        projection = int(self._options["projection_size"])
        inner = projection if 0 < projection < min(width, H * (1 + self.bidirectional)) else 0
        # Shared by both directions, as their inputs are.
        end = suffix.removesuffix("_reverse")
        if inner and end == suffix:
            self._parameter("weight_proj" + suffix, (inner, width), device, dtype)
        if self._options["layer_norm"] and end == suffix:
            self.add_module("layer_norm" + suffix, nn.LayerNorm(width, device=device, dtype=dtype))
        self._parameter("weight_ih" + suffix, (rows, inner or width), device, dtype)
        self._parameter("bias_ih" + suffix, (2 * H,), device, dtype)
        if not self._options["v1"]:
            self._parameter("weight_hh" + suffix, (2, H), device, dtype)

    def _axes(self) -> dict[str, int]:
        """Of a layer whose inputs are the one's before it."""
        phi = cells.TANH_PHI if self.use_tanh else cells.PLAIN_PHI
        return {"directions": 1 + self.bidirectional, "phi": phi, "rows": 3, "dropout": cells.ALL_KEPT}

    @property
    def scale(self) -> float:
        """What x' is multiplied by, with `rescale`, so that h keeps the input's variance."""
        options = self._options
        return (
            math.sqrt(1 + 2 * math.exp(options["highway_bias"]))
            if options["rescale"] and options["has_skip_term"]
            else 1.0
        )

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def reset_parameters(self) -> None:
        """As the paper has it: weights of variance 1 / inputs, biases 0, that of r `highway_bias`."""
        H = self.hidden_size
        for place, suffix in enumerate(self._suffixes):
            weight = getattr(self, "weight_ih" + suffix)
            nn.init.uniform_(weight, -math.sqrt(3 / weight.shape[1]), math.sqrt(3 / weight.shape[1]))
            last = place // (1 + self.bidirectional) + 1 == self.num_layers
            if self.dropout and not last:
                weight[H : 2 * H] *= math.sqrt(1 - self.dropout)
            if self.rnn_dropout:
                weight *= math.sqrt(1 - self.rnn_dropout)
            if self._options["layer_norm"]:
                weight *= 0.1
            weight[3 * H :] *= self.scale
            bias = getattr(self, "bias_ih" + suffix)
            bias[:H] = 0
            bias[H:] = self._options["highway_bias"]
            if not self._options["v1"]:
                nn.init.uniform_(getattr(self, "weight_hh" + suffix), -math.sqrt(1.5), math.sqrt(1.5))
                weight[:H] *= math.sqrt(0.5)
                weight[2 * H : 3 * H] *= math.sqrt(0.5)
            if hasattr(self, "weight_proj" + suffix):
                shared = getattr(self, "weight_proj" + suffix)
                nn.init.uniform_(shared, -math.sqrt(3 / shared.shape[1]), math.sqrt(3 / shared.shape[1]))

    def forward(
        self, input: Any, c0: Tensor | None = None, mask_pad: Any = None, *, lengths: Any = None, resets: Any = None
    ) -> Any:
        """As Recurrent's, with the state c in place of h. `mask_pad` (the input's leading dimensions): not 0 where a
        step is padding, wherever it stands."""
        if mask_pad is None and self.nn_rnn_compatible_return is not False:
            return super().forward(input, c0, lengths=lengths, resets=resets)
        self._mask_pad = mask_pad
        try:
            if self.nn_rnn_compatible_return is not False:
                return super().forward(input, c0, lengths=lengths, resets=resets)
            if c0 is not None:
                c0 = c0.unflatten(-1, (-1, self.hidden_size)).movedim(-2, 1).flatten(0, 1)
            y, c_n = super().forward(input, c0, lengths=lengths, resets=resets)
            return y, c_n.unflatten(0, (self.num_layers, -1)).movedim(1, -2).flatten(-2)
        finally:
            self._mask_pad = None

    def _marks(self, x: Tensor, lengths: Any, resets: Any) -> tuple[Tensor | None, Tensor | None]:
        forwards, backwards = super()._marks(x, lengths, resets)
        if self._mask_pad is None:
            return forwards, backwards
        mask = torch.as_tensor(self._mask_pad, device=x.device) != 0
        mask = mask.unsqueeze(0) if mask.dim() == 1 else mask if self.batch_first else mask.transpose(0, 1)
        if mask.shape != x.shape[:2]:
            raise ValueError(f"mask_pad must have a value a step of each sequence, {x.shape[0] * x.shape[1]} here")
        zero = mask.new_zeros(mask.shape, dtype=torch.uint8)
        forwards, backwards = (zero if m is None else m for m in (forwards, backwards))
        return forwards.masked_fill(mask, SKIPPED), backwards.masked_fill(mask, SKIPPED)

    def _run(self, x: Tensor, hx: Tensor | None, marks: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor, Tensor]:
        if self.input_to_hidden is not None:
            x = self.input_to_hidden(x)
        return super()._run(x, hx, marks)

    def _between(self, x: Tensor, layer: int) -> Tensor:
        return x  # dropout is inside the layer

    def _layer(
        self, suffixes: tuple[str, ...], x: Tensor, h0: Tensor | None, marks: tuple[Tensor | None, Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """Both directions at once: one product, and one pass that walks each its own way."""
        H, directions, end, options = self.hidden_size, len(suffixes), suffixes[0], self._options
        B, T, width = x.shape
        inside = self._modules["layer_norm" + end](x) if options["layer_norm"] else x
        if self.training and self.rnn_dropout:
            inside = inside * _mask(inside[:, :1], self.rnn_dropout)
        if options["projection_size"] and "weight_proj" + end in self._parameters:
            inside = F.linear(inside, self._parameters["weight_proj" + end])

        product = self._has_product(width)
        pre = F.linear(inside, *self._weights(suffixes, product)).view(B, T, directions, 3 + product, H)
        if product:
            highway = None
        elif options["has_skip_term"]:
            scale = self.scale
            highway = x if scale == 1 else x * scale
            if highway.dtype != pre.dtype:  # under autocast
                highway = highway.to(pre.dtype)
            highway = highway.view(B, T, directions, H)
        else:
            highway = pre.new_zeros(*pre.shape[:3], H)
        w = None if self.v1 else self._state_weights(suffixes)
        both = None if marks[0] is None else torch.stack(marks[:directions])
        mask = None
        if self.training and self.dropout and end != f"_l{self.num_layers - 1}":
            mask = _mask(pre[:, 0, :, 0].transpose(0, 1).float(), self.dropout)
        h, c_last = sru_scan(pre, highway, w, h0, both, self.use_tanh, mask)
        return h.view(B, T, directions * H), c_last

    # One step at a time, an operator of torch costs as much as the kernel: of one direction nothing is joined.

    def _state_weights(self, suffixes: tuple[str, ...]) -> Tensor:
        """(directions, 2, H)."""
        if len(suffixes) == 1:
            return self._parameters["weight_hh" + suffixes[0]].unsqueeze(0)
        return torch.stack([self._parameters["weight_hh" + suffix] for suffix in suffixes])

    def _weights(self, suffixes: tuple[str, ...], product: bool) -> tuple[Tensor, Tensor]:
        """Those of all directions, one below the other; biases of k and r, and 0 of v and x'."""
        H, biases = self.hidden_size, []
        for suffix in suffixes:
            # k, r → k, 0, r, 0
            bias = torch.constant_pad_nd(self._parameters["bias_ih" + suffix].view(2, H), (0, H)).view(-1)
            biases.append(bias if product else bias[: 3 * H])
        if len(suffixes) == 1:
            return self._parameters["weight_ih" + suffixes[0]], biases[0]
        return torch.cat([self._parameters["weight_ih" + suffix] for suffix in suffixes]), torch.cat(biases)


def _mask(like: Tensor, dropped: float) -> Tensor:
    """Of numbers without a step: what is dropped of a sequence is dropped at all its steps."""
    return torch.empty_like(like).bernoulli_(1 - dropped).div_(1 - dropped)
