"""The layer's backward ladder and its training ladder: chains of the operations' passes between library products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernel_variants.gate import backward_variants as gate
from kernel_variants.gate import inputs as gate_inputs
from kernel_variants.gate.backward import product_bytes
from kernel_variants.gated_scan import variants as gated_scan
from kernel_variants.gated_scan.in_torch import eager_gates
from kernel_variants.layer import eager as torch_eager
from kernel_variants.layer.backward import kept, kept_bytes
from kernel_variants.layer.chains import PRODUCT, averaged
from kernel_variants.projection import variants as projection
from kernel_variants.scan.cells import GATED_SCAN_BACKWARD
from kernel_variants.scan.in_torch import eager_loop
from workbench.declare import (
    Call,
    Clear,
    Cost,
    Device,
    Kernel,
    Plan,
    Settings,
    Shape,
    Tensor,
    Variant,
    ceil_div,
    chain,
)

HERE = Path(__file__).parent
SCAN, FORWARD_SCAN = ({v.name: v for v in gated_scan.VARIANTS if v.pass_ == pass_} for pass_ in ("backward", "forward"))


# ---------------------------------------------------------------------------------------------------- autograd


def _leaf(tensor: Any) -> Any:
    return tensor.float().detach().requires_grad_()


def autograd_training(
    x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any, gy: Any, gh_last: Any
) -> tuple[Any, ...]:
    """The loop over time with every product inside, under autograd, in float32."""
    import torch

    leaves = [_leaf(tensor) for tensor in (x, w, bias, h0, w_out, bias_out)]
    with torch.enable_grad():
        y, h_last = torch_eager.layer(*leaves)
    last = torch.zeros_like(h_last) if gh_last is None else gh_last
    dx, *others = torch.autograd.grad((y, h_last), leaves, (gy.float(), last))
    dw, dbias, dh0, dw_out, dbias_out = others
    return y.detach().to(x.dtype), h_last.detach(), dx.to(x.dtype), dw, dbias, dh0, dw_out, dbias_out


def autograd_backward(x: Any, w: Any, h0: Any, w_out: Any, gy: Any, gh_last: Any, kv: Any) -> tuple[Any, ...]:
    """Gates and recurrence run again from kv under autograd, and back: products by autograd too."""
    import torch

    leaves = [_leaf(tensor) for tensor in (x, w, h0, w_out)]
    leaf_x, leaf_w, initial, leaf_out = leaves
    sizes = (w.shape[:2], w_out.shape[:1])
    bias, bias_out = (torch.zeros(size, device=x.device, requires_grad=True) for size in sizes)
    with torch.enable_grad():
        made = torch.nn.functional.linear(leaf_x, leaf_w.flatten(0, 1)).view(kv.shape)
        moved = made + (kv.float() - made).detach() + bias  # the value of kv, the gradient of the product
        h, last = eager_loop(*eager_gates(moved), initial)
        y = torch.nn.functional.linear(h, leaf_out, bias_out)
    gradient = torch.zeros_like(last) if gh_last is None else gh_last
    wanted = [leaf_x, leaf_w, bias, initial, leaf_out, bias_out]
    dx, *others = torch.autograd.grad((y, last), wanted, (gy.float(), gradient))
    return (dx.to(x.dtype), *others)


GIVEN = ("x", "w", "bias", "h0", "w_out", "bias_out", "gy", "gh_last")
KEPT = ("x", "w", "h0", "w_out", "gy", "gh_last", "kv")
GRADIENTS = ("dx", "dw", "dbias", "dh0", "dw_out", "dbias_out")


def autograd_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """The gated scan's autograd, and a product forwards and two back for either weight, in float32."""
    n, x = gate_inputs.elements(shape), gate_inputs.input_elements(shape)
    outputs = shape["B"] * shape["T"] * shape["O"]
    around = Cost(
        4 * (4 * x + 10 * 2 * n + 4 * n + 5 * outputs) + product_bytes(shape),
        flops=4 * n + outputs,
        matrix_flops=3 * (gate_inputs.product_flops(shape) + 2 * shape["H"] * outputs),
        launches=14,
    )
    return replace(around + SCAN["autograd"].cost(shape, {}), kept_bytes=kept_bytes(shape))


def autograd_training_cost(shape: Shape, settings: Settings) -> Cost:
    """As backward, a step at a time: some forty launches of each. A step's gradients of the weights are added to those
    of the steps before in the L2 cache."""
    once, T = autograd_backward_cost(shape, settings), shape["T"]
    return replace(once, launches=40 * T, serial_steps=10 * T)


# ------------------------------------------------------------------------------------------------------ chains


def _between(shape: Shape, *more: Tensor) -> tuple[Tensor, ...]:
    """The gradients of h and of kv."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("gh", (B, T, H), shape.dtype, "scratch"),
        Tensor("dkv", (B, T, 2, H), shape.dtype, "scratch"),
        *more,
    )


def _products(shape: Shape, bias: bool) -> tuple[Plan, Cost]:
    """dkv, x, w → dx, dw, and with `bias` its sum: dkv read once for each."""
    n, reads = gate_inputs.elements(shape), 2 + bias
    cost = Cost(
        product_bytes(shape) + reads * 2 * n * shape.element_bytes,
        flops=2 * n if bias else 0,
        matrix_flops=2 * gate_inputs.product_flops(shape),
        launches=reads,
    )
    return Plan((*gate.PRODUCTS, *((gate.SUM,) if bias else ()))), cost


def _bias_sums(shape: Shape, settings: Settings, atomics: bool = False) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    cell, sums = GATED_SCAN_BACKWARD, "dbias" if atomics else "sums"
    defines = (*cell.defines, *((("ATOMICS", 1),) if atomics else ()))
    grid, arguments = (ceil_div(H, block), B, 1), (*cell.scanned(shape), sums, T, H)
    source = HERE / "45_bias_sums.cu"
    walk = Kernel(source, "layer_bias_sums", grid, (block, 1, 1), arguments, defines=defines)
    if atomics:
        return Plan((Clear("dbias"), walk))
    total = gate.bias_total("sums", "dbias", B, 2 * H)
    return Plan((walk, total), (Tensor("sums", (B, 2, H), "float32", "scratch"),))


def _bias_sums_cost(shape: Shape, settings: Settings) -> Cost:
    n, sums = gate_inputs.elements(shape), 2 * 4 * shape["B"] * 2 * shape["H"]
    scan = SCAN["serial_gated"].cost(shape, SCAN["serial_gated"].default_settings())
    return scan + Cost(sums, flops=2 * n, launches=1)


BIAS_SUMS = replace(SCAN["serial_gated"], plan=_bias_sums, cost=_bias_sums_cost)
"""The serial rung with the bias's sums; of a layer alone, for the scan has no bias."""
BIAS_ATOMICS = replace(BIAS_SUMS, plan=lambda shape, settings: _bias_sums(shape, settings, atomics=True))


def _backward(
    name: str, scan: Variant, idea: str, rung: int, source: str = "library, cuda", bias: str = "sum apart"
) -> Variant:
    """The projection's library products, a backward rung of the gated scan, the gate's library products."""
    apart = bias == "sum apart"

    def plan(shape: Shape, settings: Settings) -> Plan:
        first = projection.batched_backward(shape, {}, to="gh")
        return chain((first, scan.plan(shape, settings), _products(shape, apart)[0]), _between(shape))

    def cost(shape: Shape, settings: Settings) -> Cost:
        parts = projection.batched_backward_cost(shape, {}) + scan.cost(shape, settings) + _products(shape, apart)[1]
        return replace(parts, kept_bytes=kept_bytes(shape))

    return Variant(
        name=name,
        operation="layer",
        pass_="backward",
        devices=scan.devices,
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"scan": str(scan.factors["algorithm"]), "projection": "batched", "source": source, "bias": bias},
        settings=scan.settings,
        supports=lambda shape: averaged(shape) or scan.supports(shape),
        rung=rung,
    )


def _training(backward: Variant, forward_scan: Variant, idea: str, rung: int = 0, graph: bool = False) -> Variant:
    """Product, scan and projection forwards, then a backward rung; kv and h stay in between."""
    forward = (PRODUCT, forward_scan, next(v for v in projection.VARIANTS if v.key == "projection/batched"))

    def plan(shape: Shape, settings: Settings) -> Plan:
        plans = [part.plan(shape, part.default_settings()) for part in forward]
        return chain((*plans, backward.plan(shape, settings)), kept(shape, "scratch"), graph)

    def cost(shape: Shape, settings: Settings) -> Cost:
        total = backward.cost(shape, settings)
        for part in forward:
            total += part.cost(shape, part.default_settings())
        return total

    return replace(
        backward,
        name=f"{backward.name}_graph" if graph else backward.name,
        pass_="training",
        idea=idea,
        plan=plan,
        cost=cost,
        factors={**backward.factors, **({"batching": "graph"} if graph else {})},
        supports=lambda shape: backward.supports(shape) or forward_scan.supports(shape),
        rung=rung or backward.rung,
    )


def _autograd(pass_: str, function: Callable[..., Any], cost: Callable[..., Cost], idea: str) -> Variant:
    names, results = (KEPT, GRADIENTS) if pass_ == "backward" else (GIVEN, ("y", "h_last", *GRADIENTS))
    devices: tuple[Device, ...] = ("cpu", "cuda")
    return Variant(
        name="autograd",
        operation="layer",
        pass_=pass_,
        devices=devices,
        idea=idea,
        plan=lambda shape, settings: Plan((Call(function, names, results),)),
        cost=cost,
        factors={"scan": "serial", "projection": "batched", "source": "torch"},
        rung=0,
    )


AUTOGRAD = _autograd(
    "backward", autograd_backward, autograd_backward_cost, "torch's autograd: gates and loop forwards again, and back"
)
CHAINS = (
    _backward("gates_serial", SCAN["fused_gates"], "gates and scan apart between library products", 30),
    _backward("gated_serial", SCAN["serial_gated"], "gates inside the serial scan, from the end of time", 40),
    _backward(
        "batched_streaming", SCAN["streaming"], "on a CPU: library products, and between them one pass", 41,
        source="library, c++",
    ),
    _backward("gated_ring", SCAN["ring"], "the same, the scan fed by an asynchronous-copy ring", 42),
    _backward("gated_look_back", SCAN["look_back_free"], "the same, time split into tiles that look back", 43),
    _backward("checkpoints", SCAN["checkpoints"], "states made again; here h is kept for the projection anyway", 44),
    _backward("bias_in_registers", BIAS_SUMS, "the bias summed by the scan, in two stages", 45, bias="two stages"),
    _backward("bias_atomics", BIAS_ATOMICS, "the bias summed by the scan, by atomic additions", 46, bias="atomics"),
)  # fmt: skip
_BY_NAME = {v.name: v for v in CHAINS}
BACKWARD_VARIANTS = (
    AUTOGRAD,
    *CHAINS,
    _autograd("training", autograd_training, autograd_training_cost, "torch: the loop over time, and its autograd"),
    _training(_BY_NAME["gates_serial"], FORWARD_SCAN["fused_gates"], "gates and scan apart, forwards and back"),
    _training(_BY_NAME["gated_serial"], FORWARD_SCAN["serial_gated"], "gates inside the serial scan, both ways"),
    _training(_BY_NAME["batched_streaming"], FORWARD_SCAN["streaming"], "on a CPU: products, and one pass each way"),
    _training(_BY_NAME["gated_ring"], FORWARD_SCAN["ring"], "the scans fed by asynchronous-copy rings"),
    _training(_BY_NAME["bias_in_registers"], FORWARD_SCAN["serial_gated"], "the bias summed by the scan"),
    _training(
        _BY_NAME["bias_in_registers"],
        FORWARD_SCAN["serial_gated"],
        "the same launches replayed from one CUDA graph",
        47,
        True,
    ),
)
