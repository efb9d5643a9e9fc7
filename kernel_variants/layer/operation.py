"""The layer: gates, scan and projection in one, x → y. What a user of a minGRU layer waits for."""

from __future__ import annotations

from kernel_variants import equations, experiment
from kernel_variants.gate import operation as gate
from kernel_variants.layer.backward import BACKWARD, TRAINING
from kernel_variants.layer.inputs import make_inputs
from kernel_variants.projection import operation as projection
from kernel_variants.scan.cells import LEAST_SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

SCAN_FLOPS = 2
"""One multiply-add an element: a h + b."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H, O = (shape[axis] for axis in "BTDHO")
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (2, H, D), shape.dtype),
        Tensor("bias", (2, H), shape.dtype),
        Tensor("h0", (B, H), "float32", optional=True),
        Tensor("w_out", (O, H), shape.dtype),
        Tensor("bias_out", (O,), shape.dtype),
        Tensor("y", (B, T, O), shape.dtype, "output"),
        Tensor("h_last", (B, H), "float32", "output"),
    )


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = equations.gates(gate.preactivations(inputs["x"], inputs["w"], inputs["bias"]))
    h, h_last = equations.scan(a, b, inputs.get("h0"))
    return {"y": projection.reference(shape, {**inputs, "h": h})["y"], "h_last": h_last}


def state_bytes(shape: Shape) -> int:
    """h0 read and h_last written, float32."""
    return 2 * 4 * shape["B"] * shape["H"]


def layer_bytes(shape: Shape) -> int:
    """Every input read once and every output written once: gates and states never leave the chip."""
    rows, H, O = shape["B"] * shape["T"], shape["H"], shape["O"]
    weights = gate.weight_elements(shape) + O * (H + 1)
    return (gate.input_elements(shape) + weights + rows * O) * shape.element_bytes + state_bytes(shape)


def least(shape: Shape) -> Cost:
    elements, outputs = gate.elements(shape), shape["B"] * shape["T"] * shape["O"]
    return Cost(
        bytes=layer_bytes(shape),
        flops=(gate.GATE_FLOPS + SCAN_FLOPS) * elements + outputs,
        matrix_flops=gate.product_flops(shape) + 2 * shape["H"] * outputs,
        special=LEAST_SPECIAL_PER_GATE_PAIR * elements,
        launches=1,
    )


OPERATION = Operation(
    name="layer",
    title="a minGRU layer: gates, scan, projection",
    equation="k, v = W x + bias; h_t = sigma(-k) h_{t-1} + sigma(k) g(v); y = W_o h + bias_o",
    axes={"B": 4, "T": 4096, "D": 1024, "H": 1024, "O": 1024},
    small={"B": 2, "T": 35, "D": 19, "H": 33, "O": 17},
    presets={
        "quick": ({"B": 4, "T": 1024, "D": 512, "H": 512, "O": 512},),
        "gpu": ({"B": 8, "T": 4096, "D": 1024, "H": 1024, "O": 1024, "dtype": "bfloat16"},),
        "limit": ({"B": 8, "T": 4096, "D": 1024, "H": 1024, "O": 1024, "dtype": "bfloat16"},),
        "experiment": experiment.SHAPES,
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
    depth=lambda shape: shape["T"],
    passes=(BACKWARD, TRAINING),
)
