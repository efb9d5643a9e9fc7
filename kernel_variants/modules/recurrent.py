"""What the layers share: nn.GRU's constructor, call, shapes and errors around a cell whose gates see only the input."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from kernel_variants.modules import cells, kernels
from kernel_variants.modules.composed import SKIPPED, START_ANEW, Tensor
from workbench.dispatch import Choice


class Recurrent(nn.Module):  # type: ignore[misc]
    """A stack of layers in one or both directions, in place of nn.GRU.

    Input (T, B, input_size), (B, T, input_size) with `batch_first`, (T, input_size) unbatched, or a PackedSequence.
    Returns (output, h_n): output of the input's form with `hidden_size` channels a direction, h_n (layers * directions,
    B, hidden_size), the states after each sequence's last step, float32 for parameters narrower than that. Handing h_n
    back as `hx` goes on where the sequence ended. Whatever is wrong with arguments raises what nn.GRU would raise.
    """

    operation = "gated_scan"
    """The operation of the catalogue whose kernels run between the products."""
    plain = True
    """Whether the catalogue's variants compute exactly this cell."""
    both_at_once = False
    """Whether the operation takes both directions of time."""
    blocks = 2
    """Rows of weight_ih a channel: k, then v, then what the cell has beside them."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        # It judges the arguments; on the meta device it costs no memory.
        nn.GRU(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device="meta", dtype=dtype, **unknown,
        )  # fmt: skip
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self._suffixes = tuple(
            f"_l{layer}{end}" for layer in range(num_layers) for end in ("", "_reverse")[: 1 + bidirectional]
        )
        self._of_layers = tuple(
            self._suffixes[first : first + 1 + bidirectional]
            for first in range(0, len(self._suffixes), 1 + bidirectional)
        )
        for place, suffix in enumerate(self._suffixes):
            self._make_parameters(suffix, self._width_of(place // (1 + bidirectional)), device, dtype)
        self.reset_parameters()

    def _width_of(self, layer: int) -> int:
        return self.input_size if layer == 0 else self.hidden_size * (1 + self.bidirectional)

    def _make_parameters(self, suffix: str, width: int, device: Any, dtype: Any) -> None:
        rows = self.blocks * self.hidden_size
        self._parameter("weight_ih" + suffix, (rows, width), device, dtype)
        if self.bias:
            self._parameter("bias_ih" + suffix, (rows,), device, dtype)

    def _parameter(self, name: str, shape: tuple[int, ...], device: Any, dtype: Any) -> None:
        self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))

    def reset_parameters(self) -> None:
        """nn.GRU's: uniform within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        words = [str(self.input_size), str(self.hidden_size)]
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        words += [f"{name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual]
        return ", ".join(words)

    def _named(self, name: str) -> Tensor:
        """A parameter. Looked up as an attribute, which a module does in Python, only where it is something else's
        property (a parametrization): a step at a time that would be felt."""
        found = self._parameters.get(name)
        return getattr(self, name) if found is None else found

    # ------------------------------------------------------------------------------------------------------- call

    def forward(self, input: Any, hx: Tensor | None = None, *, lengths: Any = None, resets: Any = None) -> Any:
        """See the class. `lengths` (B): steps of each sequence, what follows is padding: its outputs are 0 and h_n is
        the state before it. `resets` (bool, the input's leading dimensions): steps that a state does not reach from
        the other side, as where an episode begins."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, lengths, resets)
        if not self._takes(input, hx):
            self._refuse(input, hx)
        batched = input.dim() == 3
        if not batched:
            hx = hx if hx is None else hx.unsqueeze(1)
            resets = resets if resets is None else resets.unsqueeze(0)
            x = input.unsqueeze(0)
        else:
            x = input if self.batch_first else input.transpose(0, 1)
            resets = resets if resets is None or self.batch_first else resets.transpose(0, 1)
        y, h_n = self._run(x, hx, self._marks(x, lengths, resets))
        if not batched:
            return y.squeeze(0), h_n.squeeze(1)
        return (y if self.batch_first else y.transpose(0, 1)), h_n

    def _packed(self, packed: Any, hx: Tensor | None, lengths: Any, resets: Any) -> Any:
        if lengths is not None or resets is not None:
            raise ValueError("lengths and resets go with padded input, a PackedSequence holds its own lengths")
        data, batch_sizes, into_order, out_of_order = packed
        if not self._takes(data, None) or data.dim() != 2 or not self._takes_state(hx, int(batch_sizes[0]), data):
            self._refuse(packed, hx)
        x, steps = pad_packed_sequence(PackedSequence(data, batch_sizes), batch_first=True)
        if hx is not None and into_order is not None:
            hx = hx.index_select(1, into_order)
        y, h_n = self._run(x, hx, self._marks(x, steps, None))
        packed_y = pack_padded_sequence(y, steps, batch_first=True).data
        if out_of_order is not None:
            h_n = h_n.index_select(1, out_of_order)
        return PackedSequence(packed_y, batch_sizes, into_order, out_of_order), h_n

    def _run(self, x: Tensor, hx: Tensor | None, marks: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor, Tensor]:
        """x (B, T, input_size) → output (B, T, directions * hidden_size), h_n."""
        if self.num_layers == 1:
            return self._layer(self._suffixes, x, hx, marks)
        last, directions = [], 1 + self.bidirectional
        for layer, suffixes in enumerate(self._of_layers):
            h0 = None if hx is None else hx[layer * directions : (layer + 1) * directions]
            x, h_last = self._layer(suffixes, x, h0, marks)
            x = self._between(x, layer)
            last.append(h_last)
        return x, torch.cat(last)

    def _layer(
        self, suffixes: tuple[str, ...], x: Tensor, h0: Tensor | None, marks: tuple[Tensor | None, Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """One layer: x (B, T, D), h0 (directions, B, H) → outputs (B, T, directions * H), last states like h0."""
        parts, last = [], []
        for direction, suffix in enumerate(suffixes):
            own = None if h0 is None else h0.select(0, direction)
            y, h_last = self._direction(suffix, x, own, marks[direction], direction == 1)
            parts.append(y)
            last.append(h_last)
        if len(parts) == 1:  # a step at a time, joining one thing costs as much as the kernel
            return parts[0], last[0].unsqueeze(0)
        return torch.cat(parts, -1), torch.stack(last)

    def _between(self, x: Tensor, layer: int) -> Tensor:
        if self.dropout and self.training and layer + 1 < self.num_layers:
            return F.dropout(x, self.dropout)
        return x

    def _direction(
        self, suffix: str, x: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        """One layer in one direction: x (B, T, D), h0 (B, H) → outputs (B, T, H), last state (B, H)."""
        raise NotImplementedError

    def _product(self, suffix: str, x: Tensor) -> Tensor:
        """Pre-activations: (B, T, blocks, H)."""
        bias = self._named("bias_ih" + suffix) if self.bias else None
        pre = F.linear(x, self._named("weight_ih" + suffix), bias)
        return pre.view(*x.shape[:-1], self.blocks, self.hidden_size)

    # ------------------------------------------------------------------------------------------------------ marks

    def _marks(self, x: Tensor, lengths: Any, resets: Any) -> tuple[Tensor | None, Tensor | None]:
        """Marks (B, T) of steps in each direction (time_walk.hpp); None where every step goes on."""
        if lengths is None and resets is None:
            return None, None
        B, T = x.shape[:2]
        forwards = torch.zeros(B, T, dtype=torch.uint8, device=x.device)
        backwards = forwards
        if resets is not None:
            if tuple(resets.shape) != (B, T) or resets.dtype != torch.bool:
                raise ValueError(
                    f"resets must be bool with a value a step of each sequence, {B * T} here; "
                    f"got {tuple(resets.shape)} {resets.dtype}"
                )
            # Walking back, a state must not pass from the first step of an episode to the last one before it.
            forwards = resets.to(torch.uint8) * START_ANEW
            backwards = F.pad(forwards[:, 1:], (0, 1))
        if lengths is not None:
            steps = torch.as_tensor(lengths, device=x.device)
            if not torch.compiler.is_compiling():
                self._check_lengths(x, steps)
            padding = torch.arange(T, device=x.device) >= steps[:, None]
            forwards = forwards.masked_fill(padding, SKIPPED)
            backwards = backwards.masked_fill(padding, SKIPPED)
        return forwards, backwards

    def _check_lengths(self, x: Tensor, lengths: Tensor) -> None:
        """Lengths that are not positive raise what packing them for nn.GRU would; those that do not fit, which torch
        packs from memory that is not the input's, raise too."""
        B, T = x.shape[:2]
        if lengths.shape != (B,) or lengths.is_floating_point() or bool((lengths > T).any()):
            raise ValueError(f"lengths must be {B} whole numbers from 1 to {T}, got {lengths.tolist()}")
        if bool((lengths <= 0).any()):
            pack_padded_sequence(x.detach(), lengths.cpu(), batch_first=True, enforce_sorted=False)

    # ----------------------------------------------------------------------------------------------------- errors

    def _any_weight(self) -> Tensor:
        return self._named("weight_ih_l0")

    def _takes(self, x: Any, hx: Any) -> bool:
        if not isinstance(x, torch.Tensor):
            return False
        weight, shape = self._any_weight(), x.shape
        if len(shape) == 3:
            steps, batch, width = (shape[1], shape[0], shape[2]) if self.batch_first else shape
        elif len(shape) == 2:
            (steps, width), batch = shape, None
        else:
            return False
        if width != self.input_size or steps == 0 or x.device != weight.device:
            return False
        if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
            return False
        return hx is None or self._takes_state(hx, batch, x)

    def _takes_state(self, hx: Any, batch: int | None, x: Tensor) -> bool:
        if hx is None:
            return True
        if not isinstance(hx, torch.Tensor):
            return False
        count, given, own = len(self._suffixes), hx.dtype, x.dtype
        expected = (count, self.hidden_size) if batch is None else (count, batch, self.hidden_size)
        if hx.shape != expected or hx.device != x.device:
            return False
        return bool(given == own or (given == torch.float32 and own != torch.float64))

    def _refuse(self, x: Any, hx: Any) -> None:
        """Raises what nn.GRU of this size raises for this call."""
        weight = self._any_weight()
        peer = nn.GRU(
            self.input_size, self.hidden_size, self.num_layers, batch_first=self.batch_first,
            bidirectional=self.bidirectional, device=weight.device, dtype=weight.dtype,
        )  # fmt: skip
        try:
            with torch.no_grad():
                peer(x, hx)
        except Exception as error:
            raise type(error)(str(error).replace("GRU", type(self).__name__)) from None
        raise ValueError(f"{type(self).__name__} cannot take this input and state")

    # --------------------------------------------------------------------------------------------------- dispatch

    def chosen(self, batch: int, steps: int) -> list[Choice]:
        """What runs between the products for `batch` sequences of `steps` on the parameters' device, without lengths
        and resets: a Choice (print it) for the forward and the backward pass, with the run that it comes from."""
        weight = self._any_weight()
        plain = self.plain and (self.both_at_once or not self.bidirectional)
        sizes = {"B": batch, "T": steps, "H": self.hidden_size, **self._axes()}
        if self.operation in cells.CELLS:
            return list(cells.chosen(self.operation, weight.device.type, weight.dtype, sizes, plain))
        both = kernels.chosen(self.operation, weight.device.type, weight.dtype, batch, steps, self.hidden_size, plain)
        return list(both)

    def _axes(self) -> dict[str, int]:
        """The axes of the operation beside B, T and H."""
        return {}
