"""The layer's rungs: torch with its autograd, and the scan's rungs between library products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernel_variants.gate import products
from kernel_variants.placed import with_own_scratch
from kernel_variants.scan.in_torch import eager_loop
from kernel_variants.sru_layer.operation import ROWS, kept_bytes, product_flops, scanned
from kernel_variants.sru_scan import in_torch
from kernel_variants.sru_scan import variants as sru_scan
from workbench.declare import Call, Cost, Device, Plan, Settings, Shape, Tensor, Variant, chain

GIVEN = ("x", "w", "bias", "c0")
VALUES, GRADIENTS = ("h", "c_last"), ("dx", "dw", "dbias", "dc0")
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
THERE, BACK = ({v.name: v for v in sru_scan.VARIANTS if v.pass_ == pass_} for pass_ in ("forward", "backward"))
FACTORS = {"algorithm": "serial", "source": "torch", "fusion": "none"}


def layer(x: Any, w: Any, bias: Any, c0: Any) -> tuple[Any, Any]:
    """x (B, T, H) → h (B, T, H), c_last (B, H): one product, the gates for all steps, two operations a step."""
    import torch

    k, v, r = torch.nn.functional.linear(x, w.flatten(0, 1), bias.flatten()).chunk(ROWS, -1)
    c, last = eager_loop(torch.sigmoid(-k), torch.sigmoid(k) * v, c0)
    return torch.sigmoid(r) * torch.tanh(c) + torch.sigmoid(-r) * x, last


def autograd(x: Any, w: Any, bias: Any, c0: Any, gh: Any, gc_last: Any) -> tuple[Any, ...]:
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in (x, w, bias, c0)]
    with torch.enable_grad():
        h, last = layer(*leaves)
        found = torch.autograd.grad((h, last), leaves, (gh, gc_last))
    return (h.detach(), last.detach(), *found)


def add_input_gradient(dpre: Any, w: Any, dx: Any) -> None:
    """dx += dpre W: the product's share, on top of the highway's."""
    dx.view(-1, dx.shape[-1]).addmm_(dpre.view(-1, ROWS * dx.shape[-1]), w.flatten(0, 1))


PRODUCT = Call(products.multiply_add, ("x", "w", "bias", "pre"))
PRODUCTS_BACK = (
    Call(add_input_gradient, ("dpre", "w", "dx")),
    Call(products.weight_gradient, ("dpre", "x", "dw")),
    Call(products.bias_gradient, ("dpre", "dbias")),
)


def _scratch(shape: Shape, *names: str) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    rows = {"c": (B, T, H), "pre": (B, T, ROWS, H), "dpre": (B, T, ROWS, H)}
    return tuple(Tensor(name, rows[name], shape.dtype, "scratch") for name in names)


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


def _forward(scan: Variant) -> Variant:
    """The product, and a rung of the scan."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        return chain((Plan((PRODUCT,)), scan.plan(scanned(shape), settings)), _scratch(shape, "pre", "c"))

    return replace(
        scan,
        operation="sru_layer",
        idea=f"one product, then the scan: {scan.idea}",
        plan=plan,
        cost=lambda shape, settings: _product_cost(shape) + scan.cost(scanned(shape), settings),
        supports=lambda shape: scan.supports(scanned(shape)),
    )


def _training(there: Variant, back: Variant) -> Variant:
    """Forwards, the scan's way back, and the products' gradients; pre and c stay in between."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        own = scanned(shape)
        plans = (
            with_own_scratch(there.plan(own, there.default_settings()), "there"),
            back.plan(own, settings),
            Plan(PRODUCTS_BACK),
        )
        return chain((Plan((PRODUCT,)), *plans), _scratch(shape, "pre", "c", "dpre"))

    def cost(shape: Shape, settings: Settings) -> Cost:
        own, n = scanned(shape), shape["B"] * shape["T"] * shape["H"]
        both = there.cost(own, there.default_settings()) + back.cost(own, settings)
        sums = Cost((ROWS + 1) * n * shape.element_bytes, flops=ROWS * n, launches=1)
        return replace(_product_cost(shape, 3) + both + sums, kept_bytes=kept_bytes(shape))

    return replace(
        back,
        operation="sru_layer",
        pass_="training",
        idea=f"products, and the scan both ways: {back.idea}",
        plan=plan,
        cost=cost,
        supports=lambda shape: there.supports(scanned(shape)) or back.supports(scanned(shape)),
    )


CHAINED = ("serial_gated", "look_back_free", "simd")
"""The paper's own idea, one that is parallel in time, and that of a CPU."""
VARIANTS = (
    Variant("eager", "sru_layer", DEVICES, "torch: one product, gates for all steps, two operations a step",
            lambda shape, settings: Plan((Call(layer, GIVEN, VALUES),)), _eager_cost, FACTORS, rung=0),
    *(_forward(THERE[name]) for name in CHAINED),
    Variant("autograd", "sru_layer", DEVICES, "torch, and its autograd",
            lambda shape, settings: Plan((Call(autograd, (*GIVEN, "gh", "gc_last"), (*VALUES, *GRADIENTS)),)),
            _autograd_cost, FACTORS, rung=0, pass_="training"),
    *(_training(THERE[name], BACK[name]) for name in CHAINED),
)  # fmt: skip
