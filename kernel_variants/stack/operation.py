"""Several minGRU layers on top of each other, in one or both directions of time, with training as a further pass.

    k, v = W_l x_l + bias_l        h_t = sigma(-k_t) h_{t-1} + sigma(k_t) g(v_t)        x_{l+1} = h of layer l

With both directions a layer has weights for each; the second one's walks from the last step to the first, and the next
layer sees the states of both beside each other. Every layer is as wide as its input, `directions` H.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kernel_variants import equations, layer_shapes
from kernel_variants.equations import Array
from kernel_variants.gate.inputs import BIAS_SPREAD
from kernel_variants.scan.cells import FLOPS_PER_GATE_PAIR, GATED_SCAN_BACKWARD, LEAST_SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Operation, Pass, Shape, Tensor

SCAN_FLOPS = 2


def width(shape: Shape) -> int:
    """Channels of a layer's input, and of what it yields."""
    return shape["directions"] * shape["H"]


def cells(shape: Shape) -> int:
    """Layers, each in every direction."""
    return shape["layers"] * shape["directions"]


def elements(shape: Shape) -> int:
    """Of h of one layer in one direction."""
    return shape["B"] * shape["T"] * shape["H"]


def given(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H, L, D = (shape[axis] for axis in ("B", "T", "H", "layers", "directions"))
    return (
        Tensor("x", (B, T, D * H), shape.dtype),
        Tensor("w", (L, D, 2, H, D * H), shape.dtype, "parameter"),
        Tensor("bias", (L, D, 2, H), shape.dtype, "parameter"),
        Tensor("h0", (L, D, B, H), "float32"),
    )


def values(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H, L, D = (shape[axis] for axis in ("B", "T", "H", "layers", "directions"))
    return Tensor("y", (B, T, D, H), shape.dtype, "output"), Tensor("h_last", (L, D, B, H), "float32", "output")


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    return *given(shape), *values(shape)


def training_tensors(shape: Shape) -> tuple[Tensor, ...]:
    """Also gy and gh_last, what the loss says of y and h_last, and the gradients of all that is given; those of
    parameters are sums over time, float32."""
    sums = ("w", "bias")
    gradients = (
        Tensor(f"d{t.name}", t.shape, "float32" if t.name in sums else t.dtype, "output") for t in given(shape)
    )
    y, last = values(shape)
    return (
        *given(shape), Tensor("gy", y.shape, y.dtype), Tensor("gh_last", last.shape, last.dtype), y, last, *gradients,
    )  # fmt: skip


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x N(0, 1), w and bias so that logits are about N(0, 1); slow: k about -4, a near 1. h0 is |N(0, 1)|: states of
    this cell are positive if the first one is (see kernel_variants/layer/inputs.py)."""
    sizes = {t.name: t.shape for t in given(shape)}
    spread = np.float32(np.sqrt((1 - BIAS_SPREAD**2) / width(shape)))
    bias = random.standard_normal(sizes["bias"], dtype=np.float32) * np.float32(BIAS_SPREAD)
    if regime == "slow":
        bias[:, :, 0] -= 4.0
    return {
        "x": random.standard_normal(sizes["x"], dtype=np.float32),
        "w": random.standard_normal(sizes["w"], dtype=np.float32) * spread,
        "bias": bias,
        "h0": np.abs(random.standard_normal(sizes["h0"], dtype=np.float32)),
    }


def make_training_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    y, last = values(shape)
    return {
        **make_inputs(shape, regime, random),
        "gy": random.standard_normal(y.shape, dtype=np.float32),
        "gh_last": random.standard_normal(last.shape, dtype=np.float32),
    }


class _Walked(NamedTuple):
    """A layer in one direction, its steps in the order in which they are walked."""

    layer: int
    direction: int
    x: Array
    kv: Array
    h: Array


def _in_order(array: Array, direction: int) -> Array:
    return array[:, ::-1] if direction else array


def _walked(shape: Shape, inputs: Arrays) -> Iterator[_Walked]:
    x = inputs["x"]
    for layer in range(shape["layers"]):
        rows = []
        for direction in range(shape["directions"]):
            w, bias, h0 = (inputs[name][layer, direction] for name in ("w", "bias", "h0"))
            seen = _in_order(x, direction)
            kv = np.tensordot(seen, w, (2, 2)) + bias
            h, _ = equations.scan(*equations.gates(kv), h0)
            yield _Walked(layer, direction, seen, kv, h)
            rows.append(_in_order(h, direction))
        x = np.concatenate(rows, 2)


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    y, last = (np.empty(tensor.shape) for tensor in values(shape))
    for one in _walked(shape, inputs):
        last[one.layer, one.direction] = one.h[:, -1]
        y[:, :, one.direction] = _in_order(one.h, one.direction)
    return {"y": y, "h_last": last}


def training_reference(shape: Shape, inputs: Arrays) -> Arrays:
    found = {f"d{t.name}": np.empty(t.shape) for t in given(shape)}
    gradient = inputs["gy"].reshape(inputs["x"].shape)
    walked = list(_walked(shape, inputs))
    while walked:
        below = np.zeros_like(inputs["x"])
        for direction in reversed(range(shape["directions"])):
            one = walked.pop()
            at = one.layer, direction
            own = gradient[..., direction * shape["H"] : (direction + 1) * shape["H"]]
            a, _ = equations.gates(one.kv)
            h0, last = inputs["h0"][at], inputs["gh_last"][at]
            da, db, found["dh0"][at] = equations.scan_backward(a, one.h, h0, _in_order(own, direction), last)
            dkv = equations.gates_backward(one.kv, da, db)
            found["dw"][at] = np.tensordot(dkv, one.x, ((0, 1), (0, 1)))
            found["dbias"][at] = dkv.sum((0, 1))
            below += _in_order(np.tensordot(dkv, inputs["w"][at], ((2, 3), (0, 1))), direction)
        gradient = below
    return {**reference(shape, inputs), **found, "dx": gradient}


def product_flops(shape: Shape) -> int:
    """Of the products forwards."""
    return 2 * 2 * elements(shape) * width(shape) * cells(shape)


def _bytes(found: tuple[Tensor, ...]) -> int:
    return sum(tensor.nbytes for tensor in found)


def least(shape: Shape) -> Cost:
    n = elements(shape) * cells(shape)
    flops, special = (FLOPS_PER_GATE_PAIR + SCAN_FLOPS + 2) * n, LEAST_SPECIAL_PER_GATE_PAIR * n
    return Cost(_bytes(tensors(shape)), flops, product_flops(shape), special, launches=1)


def kept_bytes(shape: Shape) -> int:
    """x, and kv and h of every layer."""
    return (elements(shape) * shape["directions"] + 3 * elements(shape) * cells(shape)) * shape.element_bytes


def training_least(shape: Shape) -> Cost:
    n, cell = elements(shape) * cells(shape), GATED_SCAN_BACKWARD
    there = least(shape)
    back = (cell.flops_per_step + cell.flops_per_output + SCAN_FLOPS + 2) * n
    return Cost(
        _bytes(training_tensors(shape)), there.flops + back, 3 * there.matrix_flops, there.special, launches=1,
        kept_bytes=kept_bytes(shape),
    )  # fmt: skip


def shortest_chain(shape: Shape) -> int:
    """A step of a layer waits for the layer below, not for that layer's later steps; with both directions it does."""
    T, L = shape["T"], shape["layers"]
    return L * T if shape["directions"] > 1 else T + L - 1


VALUES_IN_BF16 = 4e-3
"""Rounding alone is 1.7e-3 (root mean square), and up to 2.5e-3 of few values; what layers below were rounded by comes
on top, but states average over it."""
ACROSS_THE_KINK = 4e-2
"""Of gradients in bf16. The slope of g(v) is 1 above 0 and 1/4 just below it, and a v of the upper layers that rounding
below has carried across 0 has the other one: of four layers' v one in a thousand, which makes 0.75 sqrt(0.001) = 2.4e-2
(root mean square) of that layer's gradients. torch's autograd in bf16 is as far off."""

OPERATION = Operation(
    name="stack",
    title="minGRU layers on top of each other, in one or both directions",
    equation="k, v = W_l x_l + bias_l; h_t = sigma(-k) h_{t-1} + sigma(k) g(v); x_{l+1} = h",
    axes={"B": 4, "T": 4096, "H": 512, "layers": 4, "directions": 1},
    small={"B": 2, "T": 35, "H": 19, "layers": 3, "directions": 1},
    presets={
        "layers": layer_shapes.STACKS,
        "quick": (),  # the budget of minGRU's ladder
        "gpu": ({}, {"B": 1, "T": 16384, "H": 256, "layers": 8}),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 2e-6, "bfloat16": VALUES_IN_BF16},
    regimes=("normal", "slow"),
    depth=shortest_chain,
    passes=(
        Pass(
            name="training",
            equation="y, h_last and the gradients of x, W, bias, h_0",
            tensors=training_tensors,
            make_inputs=make_training_inputs,
            reference=training_reference,
            least=training_least,
            baseline="autograd",
            tolerance={
                "float32": 5e-6,
                "bfloat16": {
                    **dict.fromkeys(("y", "h_last"), VALUES_IN_BF16),
                    **dict.fromkeys(("dx", "dw", "dbias", "dh0"), ACROSS_THE_KINK),
                },
            },
            depth=lambda shape: 2 * shortest_chain(shape),
        ),
    ),
)
