"""The layer in other people's code: minGRU-pytorch's log-space form, and what torch's compiler makes of torch."""

from __future__ import annotations

from typing import Any

from kernel_variants.gate import eager as gate_eager
from kernel_variants.gate import operation as gate
from kernel_variants.layer.operation import SCAN_FLOPS, layer_bytes
from kernel_variants.scan.in_torch import associative_scan
from kernel_variants.scan.peers import FIRST_RUNG, TRITON, compiled
from workbench.declare import Call, Cost, Device, Plan, Requirement, Settings, Shape, Variant

MINGRU = (
    Requirement("minGRU_pytorch", "pip install minGRU-pytorch==0.2.1"),
    Requirement("einops", "pip install einops"),
)
INPUTS, OUTPUTS = ("x", "w", "bias", "h0", "w_out", "bias_out"), ("y", "h_last")


def _projected(h: Any, w_out: Any, bias_out: Any) -> Any:
    """h (B, T, H) float32 → y (B, T, O) in the weights' dtype; on a CPU multiplied in float32."""
    import torch

    if h.device.type == "cpu":
        return torch.nn.functional.linear(h, w_out.float(), bias_out.float()).to(w_out.dtype)
    return torch.nn.functional.linear(h.to(w_out.dtype), w_out, bias_out)


def log_space_layer(x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    """minGRU-pytorch's forward pass between products that have biases, in float32; its states are positive."""
    import torch
    from minGRU_pytorch.minGRU import heinsen_associative_scan_log, log_g

    softplus, pad = torch.nn.functional.softplus, torch.nn.functional.pad
    k, v = gate_eager.linear(x, w[0], bias[0]), gate_eager.linear(x, w[1], bias[1])
    log_decay, log_inputs = -softplus(k), -softplus(-k) + log_g(v)
    if h0 is not None:
        log_inputs = torch.cat((h0[:, None].log(), log_inputs), dim=1)
        log_decay = pad(log_decay, (0, 0, 1, 0))
    h = heinsen_associative_scan_log(log_decay, log_inputs)[:, -x.shape[1] :]
    return _projected(h, w_out, bias_out), h[:, -1]


def batched_layer(x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    """The layer for all steps at once: products, gates elementwise, torch's associative_scan, product."""
    a, b = gate_eager.gates(x, w, bias)
    h, last = associative_scan(a, b, h0)
    return _projected(h, w_out, bias_out), last


def compiled_layer(x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    y, last = compiled(batched_layer)(x, w, bias, h0, w_out, bias_out)
    return y, last


def step(x: Any, w: Any, bias: Any, state: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    """One step of the eager layer. x (B, D), state (B, H) → y (B, O), state."""
    a, b = gate_eager.gates(x, w, bias)
    state = a * state + b
    return _projected(state, w_out, bias_out), state


def compiled_steps(x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    """The eager layer's loop over the compiled step: a compiled loop would be unrolled, T steps of code."""
    import torch

    state = torch.zeros(x.shape[0], w.shape[1], device=x.device) if h0 is None else h0
    outputs = []
    for at in x.unbind(1):
        y, state = compiled(step)(at, w, bias, state, w_out, bias_out)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def _products(shape: Shape) -> Cost:
    """The three products' operations and the bytes that no form of the layer saves."""
    outputs = shape["B"] * shape["T"] * shape["O"]
    return Cost(layer_bytes(shape), flops=outputs, matrix_flops=gate.product_flops(shape) + 2 * shape["H"] * outputs)


def log_space_cost(shape: Shape, settings: Settings) -> Cost:
    """Between the products, in float32 values per element: k, v widened with their biases (8), four passes of softplus
    and signs (8), log g in six (14), sums and sequences with h0 before them (9), the scan's five passes (12), the
    cast (2)."""
    n, E = gate.elements(shape), shape.element_bytes
    own = Cost((53 * 4 + 4 * E) * n, flops=20 * n, special=10 * n, launches=30, serial_steps=shape["T"])
    return _products(shape) + own


def compiled_cost(shape: Shape, settings: Settings) -> Cost:
    """k, v written and read once each, a and b written, then the compiled tree: about 36 bytes per element a level,
    which halve from level to level."""
    n, E = gate.elements(shape), shape.element_bytes
    levels = max(1, (shape["T"] - 1).bit_length())
    own = Cost((4 * E + 2 * 4 + 36 + 2 * E) * n, flops=20 * n, special=gate.GATE_SPECIAL * n, launches=2 * levels + 4)
    return _products(shape) + own + Cost(0, serial_steps=2 * levels + 1)


def compiled_steps_cost(shape: Shape, settings: Settings) -> Cost:
    """Three products and about two elementwise launches per step; a step's values stay in the L2 cache."""
    n, T = gate.elements(shape), shape["T"]
    flops = (gate.GATE_FLOPS + SCAN_FLOPS) * n
    return _products(shape) + Cost(0, flops, special=gate.GATE_SPECIAL * n, launches=5 * T, serial_steps=5 * T)


def _variant(
    place: int,
    name: str,
    idea: str,
    function: Any,
    cost: Any,
    requires: tuple[Requirement, ...],
    devices: tuple[Device, ...] = ("cuda",),
    known_loss: str = "",
) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(function, INPUTS, OUTPUTS),))

    return Variant(
        name=name,
        operation="layer",
        devices=devices,
        own_kernels=False,
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"source": "torch" if requires == (TRITON,) else requires[0].module, "peer": "yes"},
        requires=requires,
        known_loss=known_loss,
        rung=FIRST_RUNG + place,
    )


PEER_VARIANTS = (
    _variant(
        0,
        "mingru_pytorch",
        "minGRU-pytorch 0.2.1's log-space scan in float32 between torch's products",
        log_space_layer,
        log_space_cost,
        MINGRU,
        ("cpu", "cuda"),
        "differences of long sums of logarithms lose digits as T grows, and with forgetful gates",
    ),
    _variant(
        1,
        "compiled",
        "torch.compile of the whole layer: products for all steps, gates, associative_scan",
        compiled_layer,
        compiled_cost,
        (TRITON,),
    ),
    _variant(
        2,
        "compiled_step",
        "torch.compile of the eager layer's step, in a loop over time",
        compiled_steps,
        compiled_steps_cost,
        (TRITON,),
    ),
)
