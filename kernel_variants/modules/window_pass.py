"""QRNN's products over a window of inputs as a torch operator, `scan_workbench::qrnn_window`: the rung `shifted` of its
operation both ways. Of the inputs it keeps those alone, not what each place in the window sees of them."""

from __future__ import annotations

from typing import Any

import torch

from kernel_variants.modules.composed import Tensor
from kernel_variants.modules.kernels import DTYPES, ready
from kernel_variants.modules.passes import LIBRARY, NAME, refuse_second
from kernel_variants.qrnn_window.variants import shifted, shifted_backward

LIBRARY.define("qrnn_window(Tensor x, Tensor weight, Tensor bias) -> Tensor", tags=(torch.Tag.pt2_compliant_tag,))
LIBRARY.define(
    "qrnn_window_backward(Tensor x, Tensor weight, Tensor gradient) -> (Tensor, Tensor, Tensor)",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def qrnn_window(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """pre_t = bias + sum over j < window of W_j x_{t-j}, inputs before the first step 0. x (B, T, D), weight (outputs,
    window * D) with the columns of the newest input first, bias (outputs) → (B, T, outputs)."""
    return torch.ops.scan_workbench.qrnn_window(x, weight, bias)


def runs(x: Tensor) -> bool:
    """Whether the operator takes these inputs: sums over steps are float32, and autocast is not its business."""
    return x.dtype in DTYPES and not torch.is_autocast_enabled(x.device.type)


def _forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    x, weight = ready(x), ready(weight)
    pre = x.new_empty(*x.shape[:2], 1, weight.shape[0])
    shifted(x, _of_each_place(x, weight), bias[None], pre)
    return pre[:, :, 0]


def _backward(x: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight, dx = ready(x), ready(weight), torch.empty_like(x, memory_format=torch.contiguous_format)
    places = _of_each_place(x, weight)
    dw = torch.empty(places.shape, dtype=torch.float32, device=x.device)
    dbias = torch.empty(1, weight.shape[0], dtype=torch.float32, device=x.device)
    shifted_backward(x, places, ready(gradient)[:, :, None], dx, dw, dbias)
    return dx, dw[:, 0].movedim(0, 1).flatten(1).to(weight.dtype), dbias[0]


def _of_each_place(x: Tensor, weight: Tensor) -> Tensor:
    """(window, 1, outputs, D): the operation's weights, as they lie here."""
    return weight.unflatten(1, (-1, x.shape[2])).movedim(1, 0)[:, None]


def _fake(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:2], weight.shape[0])


def _fake_backward(x: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape), x.new_empty(weight.shape[0], dtype=torch.float32)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, _ = inputs
    ctx.save_for_backward(x, weight)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    dx, dw, dbias = torch.ops.scan_workbench.qrnn_window_backward(x, weight, gradient)
    return dx, dw, dbias.to(weight.dtype)


LIBRARY.impl("qrnn_window", _forward, "CompositeExplicitAutograd")
LIBRARY.impl("qrnn_window_backward", _backward, "CompositeExplicitAutograd")
torch.library.register_fake(f"{NAME}::qrnn_window", _fake, lib=LIBRARY)
torch.library.register_fake(f"{NAME}::qrnn_window_backward", _fake_backward, lib=LIBRARY)
torch.library.register_autograd(f"{NAME}::qrnn_window", _gradients, setup_context=_keep, lib=LIBRARY)
torch.library.register_autograd(f"{NAME}::qrnn_window_backward", refuse_second("qrnn_window_backward"), lib=LIBRARY)
