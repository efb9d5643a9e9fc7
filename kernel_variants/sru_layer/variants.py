"""The layer's rungs: torch with its autograd, and the scan's rungs between library products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernel_variants.around_scan import AroundScan
from kernel_variants.gate import products
from kernel_variants.scan.in_torch import eager_loop
from kernel_variants.sru_layer.operation import ROWS, kept_bytes, product_flops, scanned
from kernel_variants.sru_scan import in_torch
from kernel_variants.sru_scan import variants as sru_scan
from workbench.declare import Call, Cost, Device, Plan, Settings, Shape, Tensor, Variant

GIVEN = ("x", "w", "bias", "c0")
VALUES, GRADIENTS = ("h", "c_last"), ("dx", "dw", "dbias", "dc0")
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
THERE, BACK = ({v.name: v for v in sru_scan.VARIANTS if v.pass_ == pass_} for pass_ in ("forward", "backward"))
FACTORS = {"algorithm": "serial", "source": "torch", "fusion": "none"}


def layer(x: Any, w: Any, bias: Any, c0: Any) -> tuple[Any, Any]:
    """x (B, T, H) → h (B, T, H), c_last (B, H): one product, gates for all steps, two operations per step; gates and
    states are float32."""
    import torch

    rows, columns, offset = (products.widened(tensor) for tensor in (x, w.flatten(0, 1), bias.flatten()))
    k, v, r = torch.nn.functional.linear(rows, columns, offset).to(x.dtype).float().chunk(ROWS, -1)
    c, last = eager_loop(torch.sigmoid(-k), torch.sigmoid(k) * v, c0)
    return (torch.sigmoid(r) * torch.tanh(c) + torch.sigmoid(-r) * x.float()).to(x.dtype), last


def autograd(x: Any, w: Any, bias: Any, c0: Any, gh: Any, gc_last: Any) -> tuple[Any, ...]:
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in (x, w, bias, c0)]
    with torch.enable_grad():
        h, last = layer(*leaves)
        dx, dw, dbias, dc0 = torch.autograd.grad((h, last), leaves, (gh, gc_last))
    return h.detach(), last.detach(), dx, dw.float(), dbias.float(), dc0


def add_input_gradient(dpre: Any, w: Any, dx: Any) -> None:
    """dx += dpre W: the product's share, on top of the highway's."""
    flat = dx.view(-1, dx.shape[-1])
    rows, columns = products.widened(dpre.view(-1, ROWS * dx.shape[-1])), products.widened(w.flatten(0, 1))
    if rows.dtype == dx.dtype:
        flat.addmm_(rows, columns)
    else:
        flat.copy_(products.widened(flat).addmm_(rows, columns))


PRODUCT = Call(products.multiply_add, ("x", "w", "bias", "pre"))
PRODUCTS_BACK = (
    Call(add_input_gradient, ("dpre", "w", "dx")),
    Call(products.weight_gradient, ("dpre", "x", "dw")),
    Call(products.bias_gradient, ("dpre", "dbias")),
)


def _between(shape: Shape, trained: bool) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    rows = {"pre": (B, T, ROWS, H), "c": (B, T, H), **({"dpre": (B, T, ROWS, H)} if trained else {})}
    return tuple(Tensor(name, size, shape.dtype, "scratch") for name, size in rows.items())


def _product_cost(shape: Shape, products_: int = 1) -> Cost:
    """x and w in, pre out; backwards as much again for each product."""
    n, weights = shape["B"] * shape["T"] * shape["H"], ROWS * shape["H"] ** 2
    moved = products_ * ((1 + ROWS) * n + weights) * shape.element_bytes
    return Cost(moved, flops=ROWS * n, matrix_flops=products_ * product_flops(shape), launches=products_)


def _eager_cost(shape: Shape, settings: Settings) -> Cost:
    return _product_cost(shape) + in_torch.cost(scanned(shape), settings)


def _autograd_cost(shape: Shape, settings: Settings) -> Cost:
    whole = _product_cost(shape, 3) + in_torch.autograd_cost(scanned(shape), settings)
    return replace(whole, kept_bytes=kept_bytes(shape))


def _back_cost(shape: Shape) -> Cost:
    """Both products, dx read by the first to be added to, and the bias's sums."""
    n = shape["B"] * shape["T"] * shape["H"]
    products_ = replace(_product_cost(shape, 2), flops=0)
    return products_ + Cost((ROWS + 1) * n * shape.element_bytes, flops=ROWS * n, launches=1)


AROUND = AroundScan("sru_layer", scanned, (PRODUCT,), PRODUCTS_BACK, _product_cost, _back_cost, _between, kept_bytes)
CHAINED = ("serial_gated", "look_back_free", "simd")
"""The paper's own idea, one that is parallel in time, and that of a CPU."""
VARIANTS = (
    Variant("eager", "sru_layer", DEVICES, "torch: one product, gates for all steps, two operations per step",
            lambda shape, settings: Plan((Call(layer, GIVEN, VALUES),)), _eager_cost, FACTORS, rung=0),
    *(AROUND.forward(THERE[name]) for name in CHAINED),
    Variant("autograd", "sru_layer", DEVICES, "torch, and its autograd",
            lambda shape, settings: Plan((Call(autograd, (*GIVEN, "gh", "gc_last"), (*VALUES, *GRADIENTS)),)),
            _autograd_cost, FACTORS, rung=0, pass_="training"),
    *(AROUND.training(THERE[name], BACK[name]) for name in CHAINED),
)  # fmt: skip
