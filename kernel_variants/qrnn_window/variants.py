"""Products over a window: of windows laid out in memory, and of shifted rows, which lie there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kernel_variants.gate.products import bias_gradient, multiply_add, widened
from kernel_variants.qrnn_window.operation import least, least_backward, pre_elements, w_elements, x_elements
from workbench.declare import Call, Cost, Device, Plan, Settings, Shape, Variant


def laid_out(x: Any, window: int) -> Any:
    """x (B, T, D) → (B, T, window * D): each step's inputs beside each other, the newest first."""
    import torch

    T = x.shape[1]
    padded = torch.nn.functional.pad(x, (0, 0, window - 1, 0))
    return torch.cat([padded[:, window - 1 - j : window - 1 - j + T] for j in range(window)], -1)


def windows(x: Any, w: Any, bias: Any) -> Any:
    """One product of all windows, which are written out before."""
    import torch

    flat = w.movedim(0, 2).flatten(2)  # (rows, H, window * D)
    wide = widened(laid_out(x, w.shape[0]))
    pre = torch.nn.functional.linear(wide, widened(flat.flatten(0, 1)), widened(bias.flatten()))
    return pre.to(x.dtype).unflatten(-1, bias.shape)


def shifted(x: Any, w: Any, bias: Any, pre: Any) -> None:
    """A product for each place in the window, of rows that begin so many steps earlier, added to what is there."""
    import torch

    B, T, D = x.shape
    on_cpu = widened(x) is not x  # bf16 there: the sum is float32 and rounded once
    out = torch.empty(pre.shape, device=x.device) if on_cpu else pre
    multiply_add(x, w[0], bias, out)
    flat = out.view(B, T, -1)
    for j in range(1, min(w.shape[0], T)):
        columns = widened(w[j]).reshape(-1, D).T.expand(B, D, -1)
        flat[:, j:].baddbmm_(widened(x)[:, : T - j], columns)
    if on_cpu:
        pre.copy_(out)


def autograd(x: Any, w: Any, dpre: Any) -> tuple[Any, Any, Any]:
    """Windows laid out and multiplied again under autograd, and back."""
    import torch

    leaves = [tensor.detach().float().requires_grad_() for tensor in (x, w)]
    bias = torch.zeros(w.shape[1:3], device=x.device, requires_grad=True)
    with torch.enable_grad():
        pre = windows(leaves[0], leaves[1], bias)
    dx, dw, dbias = torch.autograd.grad(pre, (*leaves, bias), dpre.float())
    return dx.to(x.dtype), dw, dbias


def shifted_backward(x: Any, w: Any, dpre: Any, dx: Any, dw: Any, dbias: Any) -> None:
    """Of each place in the window a product back into rows that begin so many steps earlier, and one with them."""
    import torch

    B, T, D = x.shape
    rows, inputs = widened(dpre).view(B, T, -1), widened(x)
    total = dx if dx.dtype == rows.dtype else torch.empty(dx.shape, device=dx.device)
    for j in range(w.shape[0]):
        if j >= T:
            dw[j].zero_()
            continue
        weights = widened(w[j]).reshape(1, -1, D).expand(B, -1, D)
        if j == 0:
            torch.bmm(rows, weights, out=total)
        else:
            total[:, : T - j].baddbmm_(rows[:, j:], weights)
        of_each = torch.bmm(rows[:, j:].transpose(1, 2), inputs[:, : T - j])
        torch.sum(of_each, 0, dtype=torch.float32, out=dw[j].view(-1, D))
    if total is not dx:
        dx.copy_(total)
    bias_gradient(dpre, dbias)


def convolved(x: Any, w: Any, bias: Any) -> Any:
    """The same as torch's conv2d over one picture of T rows and D columns, its kernels as wide as that: cuDNN on a
    GPU. Weights are laid out for it within the call."""
    import torch

    padded = torch.nn.functional.pad(x, (0, 0, w.shape[0] - 1, 0))[:, None]
    kernels = w.flip(0).movedim(0, 2).flatten(0, 1)[:, None]  # (rows H, 1, window, D), the oldest first
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = torch.nn.functional.conv2d(padded, kernels, bias.flatten())
    return found[..., 0].transpose(1, 2).unflatten(-1, bias.shape)


def conv2d(x: Any, w: Any, bias: Any) -> Any:
    return convolved(widened(x), widened(w), widened(bias)).to(x.dtype)


@contextmanager
def without_onednn() -> Iterator[None]:
    """torch's own convolutions on a CPU. oneDNN 3.12's for AVX-512 give wrong gradients of the weights where a picture
    has one channel, few columns, kernels as wide as those and 33 rows or more: off by 1e0 to 1e25 for 16 columns,
    kernels of 2, 3 and 5 rows and 16 outputs; right at the paper's 256 and 512 columns."""
    import torch

    enabled, *_ = torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=enabled)


def conv2d_training(x: Any, w: Any, bias: Any, dpre: Any) -> tuple[Any, ...]:
    import torch

    leaves = [widened(tensor).detach().requires_grad_() for tensor in (x, w, bias)]
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False), without_onednn():
        pre = convolved(*leaves)
        dx, dw, dbias = torch.autograd.grad(pre, leaves, dpre.to(pre.dtype))
    return pre.detach().to(x.dtype), dx.to(x.dtype), dw.float(), dbias.float()


def _laid_out(shape: Shape) -> Cost:
    """x in and padded; w turned; the convolution's result turned."""
    moved = 2 * x_elements(shape) + 2 * w_elements(shape) + 2 * pre_elements(shape)
    return Cost(moved * shape.element_bytes, launches=3)


def _conv2d_cost(shape: Shape, settings: Settings) -> Cost:
    return least(shape) + _laid_out(shape)


def _conv2d_training_cost(shape: Shape, settings: Settings) -> Cost:
    """The same copies on the way back."""
    return _conv2d_cost(shape, settings) + _laid_out(shape) + least_backward(shape)


def _windows_cost(shape: Shape, settings: Settings) -> Cost:
    """x in and padded, padded in and laid out, that in; w turned; the product."""
    laid, x = shape["window"] * x_elements(shape), x_elements(shape)
    extra = (2 * x + x + 2 * laid - x + 2 * w_elements(shape)) * shape.element_bytes
    return least(shape) + Cost(extra, launches=3)


def _shifted_cost(shape: Shape, settings: Settings) -> Cost:
    """For each further place x in, and pre in and out."""
    more = shape["window"] - 1
    extra = more * (x_elements(shape) + 2 * pre_elements(shape)) * shape.element_bytes
    return least(shape) + Cost(extra, launches=more)


def _autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """The windows laid out again, their gradients written and added up."""
    laid = shape["window"] * x_elements(shape)
    forward = _windows_cost(Shape.of("float32", **shape.as_dict()), settings)
    return least_backward(shape) + forward + Cost(4 * 4 * laid, launches=2 + shape["window"])


def _shifted_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """For each further place dpre twice and x in, and dx in and out; sums over sequences written and read; the bias."""
    more, E = shape["window"] - 1, shape.element_bytes
    extra = more * (2 * pre_elements(shape) + 3 * x_elements(shape)) * E
    sums = 2 * shape["B"] * w_elements(shape) * E + 2 * pre_elements(shape) * E
    return least_backward(shape) + Cost(extra + sums, launches=3 * shape["window"])


def _shifted_training_cost(shape: Shape, settings: Settings) -> Cost:
    return _shifted_cost(shape, settings) + _shifted_backward_cost(shape, settings)


DEVICES: tuple[Device, ...] = ("cpu", "cuda")
FORWARD = (("x", "w", "bias"), ("pre",))
GRADIENTS = ("dx", "dw", "dbias")
LAID_OUT, AS_THEY_LIE = {"source": "torch", "windows": "laid out"}, {"source": "torch", "windows": "shifted rows"}
CONVOLVED = {"source": "torch", "windows": "convolution", "peer": "yes"}

VARIANTS = (
    Variant("windows", "qrnn_window", DEVICES, "torch: windows laid out side by side, one product of them",
            lambda shape, settings: Plan((Call(windows, *FORWARD),)), _windows_cost, LAID_OUT, rung=0),
    Variant("shifted", "qrnn_window", DEVICES, "a product for each place in the window, of rows as they lie",
            lambda shape, settings: Plan((Call(shifted, (*FORWARD[0], "pre")),)), _shifted_cost, AS_THEY_LIE, rung=10),
    Variant("autograd", "qrnn_window", DEVICES, "torch's autograd: windows laid out again, and back",
            lambda shape, settings: Plan((Call(autograd, ("x", "w", "dpre"), GRADIENTS),)), _autograd_cost, LAID_OUT,
            rung=0, pass_="backward"),
    Variant("shifted", "qrnn_window", DEVICES, "two products for each place in the window, of rows as they lie",
            lambda shape, settings: Plan((Call(shifted_backward, ("x", "w", "dpre", *GRADIENTS)),)),
            _shifted_backward_cost, AS_THEY_LIE, rung=10, pass_="backward"),
    Variant("conv2d", "qrnn_window", DEVICES, "torch's conv2d, kernels as wide as the input: cuDNN on a GPU",
            lambda shape, settings: Plan((Call(conv2d, *FORWARD),)), _conv2d_cost, CONVOLVED),
    Variant("conv2d", "qrnn_window", DEVICES, "torch's conv2d and its autograd: cuDNN on a GPU, never oneDNN",
            lambda shape, settings: Plan((Call(conv2d_training, (*FORWARD[0], "dpre"), ("pre", *GRADIENTS)),)),
            _conv2d_training_cost, CONVOLVED, pass_="training"),
    Variant("shifted", "qrnn_window", DEVICES, "products for each place in the window, of rows as they lie, both ways",
            lambda shape, settings: Plan((Call(shifted, (*FORWARD[0], "pre")),
                                          Call(shifted_backward, ("x", "w", "dpre", *GRADIENTS)))),
            _shifted_training_cost, AS_THEY_LIE, rung=10, pass_="training"),
)  # fmt: skip
