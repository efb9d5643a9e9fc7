"""Backwards through the layer, and training: forward and backward as one.

    dh = gy W_o,  dW_o = gy^T h,  dbias_o = sum gy         the projection's
    dkv from dh, kv and h                                  the scan's with its gates inside
    dx = dkv W,  dW = dkv^T x,  dbias = sum dkv            the products'

What the forward pass keeps are x, kv and h, in the dtype that crosses memory. Training keeps them too, but nobody hands
them over: its least traffic is that of inputs and outputs alone.
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from kernel_variants.gate import backward as gate
from kernel_variants.gate import inputs as gate_inputs
from kernel_variants.layer.inputs import make_inputs as make_forward_inputs
from kernel_variants.projection import backward as projection
from kernel_variants.scan.cells import GATED_SCAN_BACKWARD, LEAST_SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Pass, Role, Shape, Tensor

SCAN_FLOPS = 2
INCOMING = ("gy", "gh_last")


def given(shape: Shape) -> dict[str, Tensor]:
    """What training is given, by name."""
    B, T, D, H, O = (shape[axis] for axis in "BTDHO")
    found = (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (2, H, D), shape.dtype, "parameter"),
        Tensor("bias", (2, H), shape.dtype, "parameter"),
        Tensor("h0", (B, H), "float32"),
        Tensor("w_out", (O, H), shape.dtype, "parameter"),
        Tensor("bias_out", (O,), shape.dtype, "parameter"),
        Tensor("gy", (B, T, O), shape.dtype),
        Tensor("gh_last", (B, H), "float32", optional=True),
    )
    return {tensor.name: tensor for tensor in found}


def kept(shape: Shape, role: Role) -> tuple[Tensor, ...]:
    """kv and h."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("kv", (B, T, 2, H), shape.dtype, role),
        Tensor("h", (B, T, H), shape.dtype, role),
    )


def gradients(shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H, O = (shape[axis] for axis in "BTDHO")
    return (
        Tensor("dx", (B, T, D), shape.dtype, "output"),
        Tensor("dw", (2, H, D), "float32", "output"),
        Tensor("dbias", (2, H), "float32", "output"),
        Tensor("dh0", (B, H), "float32", "output"),
        Tensor("dw_out", (O, H), "float32", "output"),
        Tensor("dbias_out", (O,), "float32", "output"),
    )


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    from_outside = given(shape)
    names = ("x", "w", "h0", "w_out", *INCOMING)
    return (*(from_outside[name] for name in names), *kept(shape, "saved"), *gradients(shape))


def training_tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H, O = (shape[axis] for axis in "BTHO")
    values = (Tensor("y", (B, T, O), shape.dtype, "output"), Tensor("h_last", (B, H), "float32", "output"))
    return (*given(shape).values(), *values, *gradients(shape))


def make_training_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The forward pass's inputs, clear of the candidate's kink, and gradients of N(0, 1)."""
    B, T, H, O = (shape[axis] for axis in "BTHO")
    made = make_forward_inputs(shape, regime, random)
    return {
        **made,
        "x": equations.clear_of_the_kink(made["x"], made["w"][1], made["bias"][1]),
        "gy": random.standard_normal((B, T, O), dtype=np.float32),
        "gh_last": random.standard_normal((B, H), dtype=np.float32),
    }


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The same, rounded, with kv and h as a forward pass keeps them: h is made of the kv that is kept."""
    made = dict(make_training_inputs(shape, regime, random))
    made |= {name: equations.rounded(made[name], shape.dtype) for name in ("x", "w", "bias")}
    exact = gate_inputs.preactivations(*(made[name].astype(np.float64) for name in ("x", "w", "bias")))
    kv = equations.rounded(exact, shape.dtype)
    h, _ = equations.scan(*equations.gates(kv.astype(np.float64)), made["h0"])
    del made["bias"], made["bias_out"]
    # What the gates saw is kv: the bias is in it, and no gradient but its own needs it.
    return {**made, "kv": kv, "h": h.astype(np.float32)}


def through(shape: Shape, inputs: Arrays, kv: equations.Array) -> dict[str, equations.Array]:
    """Values and gradients, of pre-activations."""
    a, b = equations.gates(kv)
    h0 = inputs["h0"]
    h, h_last = equations.scan(a, b, h0)
    back = projection.reference(shape, {"h": h, "w_out": inputs["w_out"], "gy": inputs["gy"]})
    da, db, dh0 = equations.scan_backward(a, h, h0, back["dh"], inputs.get("gh_last"))
    dkv = equations.gates_backward(kv, da, db)
    weights = {"dw_out": back["dw_out"], "dbias_out": back["dbias_out"]}
    return {"h": h, "h_last": h_last, "dh0": dh0, **weights, **gate.products_backward(dkv, inputs["x"], inputs["w"])}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    """Of the kv that was kept: the bias is not among what this pass is given."""
    found = through(shape, inputs, inputs["kv"])
    return {tensor.name: found[tensor.name] for tensor in gradients(shape)}


def training_reference(shape: Shape, inputs: Arrays) -> Arrays:
    kv = gate_inputs.preactivations(inputs["x"], inputs["w"], inputs["bias"])
    found = through(shape, inputs, kv)
    rows = found["h"].reshape(-1, shape["H"]) @ inputs["w_out"].T + inputs["bias_out"]
    found["y"] = rows.reshape(shape["B"], shape["T"], shape["O"])
    return {t.name: found[t.name] for t in training_tensors(shape) if t.compared}


def _bytes(found: tuple[Tensor, ...]) -> int:
    return sum(tensor.nbytes for tensor in found)


def least(shape: Shape) -> Cost:
    n, outputs = gate_inputs.elements(shape), shape["B"] * shape["T"] * shape["O"]
    special = LEAST_SPECIAL_PER_GATE_PAIR * n
    flops = (GATED_SCAN_BACKWARD.flops_per_step + GATED_SCAN_BACKWARD.flops_per_output + 4) * n + outputs
    return Cost(
        bytes=_bytes(tensors(shape)),
        flops=flops,
        matrix_flops=2 * gate_inputs.product_flops(shape) + 2 * 2 * shape["H"] * outputs,
        special=special,
        launches=1,
        kept_bytes=kept_bytes(shape),
    )


def kept_bytes(shape: Shape) -> int:
    """x, kv and h."""
    return gate_inputs.input_elements(shape) * shape.element_bytes + _bytes(kept(shape, "saved"))


def training_least(shape: Shape) -> Cost:
    n, outputs = gate_inputs.elements(shape), shape["B"] * shape["T"] * shape["O"]
    back = least(shape)
    return Cost(
        bytes=_bytes(training_tensors(shape)),
        flops=back.flops + (14 + SCAN_FLOPS) * n + outputs,
        matrix_flops=back.matrix_flops * 3 // 2,
        special=back.special,
        launches=1,
        kept_bytes=back.kept_bytes,
    )


BACKWARD = Pass(
    name="backward",
    equation="dh = gy W_o; lambda_t = dh_t + a_{t+1} lambda_{t+1}; dkv from lambda; dx = dkv W, dW = dkv^T x",
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
)
THROUGH_ROUNDED_GATES = 8e-3
"""Of gradients through gates whose pre-activations crossed memory in bf16: a logit between -4 and -8 is then off by
0.009 (root mean square), sigma(k) by as much of itself, and dk with it. States average that over time, gradients do
not."""
TRAINING = Pass(
    name="training",
    equation="y, h_last and the gradients of x, W, bias, h_0, W_o, bias_o",
    tensors=training_tensors,
    make_inputs=make_training_inputs,
    reference=training_reference,
    least=training_least,
    baseline="autograd",
    tolerance={
        "float32": 2e-6,
        "bfloat16": {
            **dict.fromkeys(("y", "h_last"), 3e-3),
            **dict.fromkeys(("dx", "dw", "dbias"), THROUGH_ROUNDED_GATES),
            **dict.fromkeys(("dh0", "dw_out", "dbias_out"), 4e-3),
        },
    },
)
