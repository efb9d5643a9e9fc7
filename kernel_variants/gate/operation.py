"""The gates: a and b of the recurrence from the layer's input, one matrix product and a few special functions.

    k, v = x w^T + bias          a = sigma(-k)          b = sigma(k) g(v)

w[0] and bias[0] make k, the gate logit; w[1] and bias[1] make v, the candidate's pre-activation. The gates are
float32 whatever the dtype that crosses memory (see `kernel_variants/equations.py` for g and for why a is not 1 - z).
"""

from __future__ import annotations

from kernel_variants import equations, experiment
from kernel_variants.gate.backward import BACKWARD
from kernel_variants.gate.inputs import elements as elements
from kernel_variants.gate.inputs import input_elements as input_elements
from kernel_variants.gate.inputs import make_inputs as make_inputs
from kernel_variants.gate.inputs import preactivations as preactivations
from kernel_variants.gate.inputs import product_flops as product_flops
from kernel_variants.gate.inputs import weight_elements as weight_elements
from kernel_variants.scan.cells import FLOPS_PER_GATE_PAIR, LEAST_SPECIAL_PER_GATE_PAIR, SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

GATE_SPECIAL = SPECIAL_PER_GATE_PAIR
"""Special functions an element, as include/gates.cuh computes both gates together."""
GATE_FLOPS = FLOPS_PER_GATE_PAIR + 2
"""Other operations per element, with the two biases."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H = shape["B"], shape["T"], shape["D"], shape["H"]
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (2, H, D), shape.dtype),
        Tensor("bias", (2, H), shape.dtype),
        Tensor("a", (B, T, H), "float32", "output"),
        Tensor("b", (B, T, H), "float32", "output"),
    )


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = equations.gates(preactivations(inputs["x"], inputs["w"], inputs["bias"]))
    return {"a": a, "b": b}


def gate_bytes(shape: Shape) -> int:
    """x, w and bias read once, a and b written once in float32."""
    return (input_elements(shape) + weight_elements(shape)) * shape.element_bytes + 2 * 4 * elements(shape)


def least(shape: Shape) -> Cost:
    return Cost(
        bytes=gate_bytes(shape),
        flops=GATE_FLOPS * elements(shape),
        matrix_flops=product_flops(shape),
        special=LEAST_SPECIAL_PER_GATE_PAIR * elements(shape),
        launches=1,
    )


OPERATION = Operation(
    name="gate",
    title="gates of the recurrence from the layer's input",
    equation="k, v = W x + bias; a = sigma(-k), b = sigma(k) g(v)",
    axes={"B": 4, "T": 4096, "D": 1024, "H": 1024},
    small={"B": 2, "T": 35, "D": 19, "H": 33},
    presets={
        "quick": ({"B": 4, "T": 1024, "D": 512, "H": 512},),
        "gpu": ({"B": 8, "T": 4096, "D": 1024, "H": 1024, "dtype": "bfloat16"},),
        "experiment": experiment.SHAPES,
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
    passes=(BACKWARD,),
)
