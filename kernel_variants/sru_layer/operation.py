"""A whole layer of SRU's first version (arXiv 1709.02755), one direction, as wide as its input, with training as a
further pass: the product for all steps, then gates, recurrence and highway.

    k, v, r = W x + bias      c_t = sigma(-k) c_{t-1} + sigma(k) v      h_t = sigma(r) tanh(c_t) + sigma(-r) x

x and h (B, T, H), w (3, H, H), bias (3, H): rows k, v, r. The paper has no bias for v; one is a row of zeros away.
"""

from __future__ import annotations

import numpy as np

from kernel_variants.layer.backward import THROUGH_ROUNDED_GATES
from kernel_variants.sru_scan import equations as sru
from kernel_variants.sru_scan import operation as sru_scan
from kernel_variants.sru_scan.cell import TANH
from workbench.declare import Arrays, Cost, Operation, Pass, Shape, Tensor

ROWS = 3
VALUES_IN_BF16 = {"h": 3e-3, "c_last": 6e-3}
"""A logit between -4 and -8 that crossed memory in bf16 is off by 0.009 (root mean square). Other cells' states average
that over time; this one's candidates are around 0, so that the state is as small a sum as that of the errors."""
STATES_GRADIENT_IN_BF16 = 4e-3


def scanned(shape: Shape) -> Shape:
    """The shape of the layer's scan."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    return Shape.of(shape.dtype, B=B, T=T, H=H, directions=1, phi=TANH, rows=ROWS, dropout=1)


def given(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("x", (B, T, H), shape.dtype),
        Tensor("w", (ROWS, H, H), shape.dtype, "parameter"),
        Tensor("bias", (ROWS, H), shape.dtype, "parameter"),
        Tensor("c0", (B, H), "float32"),
    )


def values(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return Tensor("h", (B, T, H), shape.dtype, "output"), Tensor("c_last", (B, H), "float32", "output")


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    return *given(shape), *values(shape)


def training_tensors(shape: Shape) -> tuple[Tensor, ...]:
    """Also gh and gc_last, what the loss says of h and c_last, and the gradients of all that is given."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        *given(shape),
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("gc_last", (B, H), "float32"),
        *values(shape),
        Tensor("dx", (B, T, H), shape.dtype, "output"),
        Tensor("dw", (ROWS, H, H), "float32", "output"),
        Tensor("dbias", (ROWS, H), "float32", "output"),
        Tensor("dc0", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x and c0 N(0, 1); w uniform with variance 1 / H, as the paper draws it; biases N(0, 0.01). Slow: the logit of
    what comes in about -4."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    bound = (3 / H) ** 0.5
    made = {
        "x": random.standard_normal((B, T, H), dtype=np.float32),
        "w": random.uniform(-bound, bound, (ROWS, H, H)).astype(np.float32),
        "bias": random.standard_normal((ROWS, H), dtype=np.float32) * np.float32(0.1),
        "c0": random.standard_normal((B, H), dtype=np.float32),
    }
    if regime == "slow":
        made["bias"][0] -= 4.0
    return made


def make_training_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return {
        **make_inputs(shape, regime, random),
        "gh": random.standard_normal((B, T, H), dtype=np.float32),
        "gc_last": random.standard_normal((B, H), dtype=np.float32),
    }


def _pre(inputs: Arrays) -> np.ndarray:
    return np.tensordot(inputs["x"], inputs["w"], (2, 2)) + inputs["bias"]


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    c0 = inputs["c0"]
    h, _, last = sru.forward(_pre(inputs), inputs["x"], c0, None, np.ones_like(c0), True)
    return {"h": h, "c_last": last}


def training_reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, c0, pre = inputs["x"], inputs["c0"], _pre(inputs)
    seen = (pre, x, c0, None, np.ones_like(c0), True)
    dpre, dx, dc0, _ = sru.backward(*seen, inputs["gh"], inputs["gc_last"])
    return {
        **reference(shape, inputs),
        "dx": dx + np.tensordot(dpre, inputs["w"], ((2, 3), (0, 1))),
        "dw": np.tensordot(dpre, x, ((0, 1), (0, 1))),
        "dbias": dpre.sum((0, 1)),
        "dc0": dc0,
    }


def product_flops(shape: Shape) -> int:
    return 2 * ROWS * shape["B"] * shape["T"] * shape["H"] ** 2


def _bytes(found: tuple[Tensor, ...]) -> int:
    return sum(tensor.nbytes for tensor in found)


def least(shape: Shape) -> Cost:
    scan = sru_scan.least(scanned(shape))
    return Cost(_bytes(tensors(shape)), scan.flops, product_flops(shape), scan.special, launches=1)


def kept_bytes(shape: Shape) -> int:
    """x, pre and c."""
    return (1 + ROWS + 1) * shape["B"] * shape["T"] * shape["H"] * shape.element_bytes


def training_least(shape: Shape) -> Cost:
    there, back = sru_scan.least(scanned(shape)), sru_scan.least_backward(scanned(shape))
    return Cost(
        _bytes(training_tensors(shape)), there.flops + back.flops, 3 * product_flops(shape), back.special, launches=1,
        kept_bytes=kept_bytes(shape),
    )  # fmt: skip


OPERATION = Operation(
    name="sru_layer",
    title="an SRU layer: product, gates, linear recurrence and highway",
    equation="k, v, r = W x + bias; c_t = sigma(-k) c_{t-1} + sigma(k) v; h_t = sigma(r) tanh(c_t) + sigma(-r) x",
    axes={"B": 32, "T": 128, "H": 512},
    small={"B": 2, "T": 35, "H": 33},
    presets={"quick": ()},  # the budget of minGRU's ladder
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 2e-6, "bfloat16": VALUES_IN_BF16},
    regimes=("normal", "slow"),
    depth=lambda shape: shape["T"],
    passes=(
        Pass(
            name="training",
            equation="h, c_last and the gradients of x, W, bias, c_0",
            tensors=training_tensors,
            make_inputs=make_training_inputs,
            reference=training_reference,
            least=training_least,
            baseline="autograd",
            tolerance={
                "float32": 5e-6,
                "bfloat16": {
                    **VALUES_IN_BF16,
                    **dict.fromkeys(("dx", "dw", "dbias"), THROUGH_ROUNDED_GATES),
                    "dc0": STATES_GRADIENT_IN_BF16,
                },
            },
            depth=lambda shape: 2 * shape["T"],
        ),
    ),
)
