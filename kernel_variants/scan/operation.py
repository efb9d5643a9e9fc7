"""The scan: h_t = a_t h_{t-1} + b_t, a linear recurrence with a different decay at every step and channel.

Layout (B, T, H), H contiguous. Gates and state are float32 whatever the dtype of the layer: bf16 decays cost
eight times the error of bf16 pre-activations. Only the output h crosses memory in the shape's dtype.
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations, experiment, layer_shapes
from kernel_variants.scan.backward import BACKWARD
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("a", (B, T, H), "float32"),
        Tensor("b", (B, T, H), "float32"),
        Tensor("h0", (B, H), "float32", optional=True),
        Tensor("h", (B, T, H), shape.dtype, "output"),
        Tensor("h_last", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """Gates of random logits: N(0, 1), slow N(-4, 1) (a near 1: long memory), or saturated at -100 and 100."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    kv = equations.random_preactivations((B, T, 2, H), regime, random)
    a, b = equations.gates(kv)
    return {"a": a, "b": b, "h0": random.standard_normal((B, H), dtype=np.float32)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    h, h_last = equations.scan(inputs["a"], inputs["b"], inputs.get("h0"))
    return {"h": h, "h_last": h_last}


def scan_bytes(shape: Shape) -> int:
    """a and b read once, h written once, and the two states: 3E an element in float32."""
    elements = shape["B"] * shape["T"] * shape["H"]
    return elements * (4 + 4 + shape.element_bytes) + 2 * 4 * shape["B"] * shape["H"]


def least(shape: Shape) -> Cost:
    return Cost(bytes=scan_bytes(shape), flops=2 * shape["B"] * shape["T"] * shape["H"], launches=1)


OPERATION = Operation(
    name="scan",
    title="linear recurrence over time",
    equation="h_t = a_t h_{t-1} + b_t",
    axes={"B": 4, "T": 4096, "H": 1024},
    small={"B": 2, "T": 67, "H": 33},
    growth={"B": (1,), "T": (32, 128, 512, 2048, 8192, 32768, 131072), "H": (2,)},
    presets={
        "layers": layer_shapes.SHAPES,
        "quick": ({"B": 4, "T": 1024, "H": 512},),
        # In order of importance: a run that is cut off has the first ones. The whole row at H = 1536, whose longest
        # take minutes of references on the host each, is a preset of its own.
        "gpu": (
            {"B": 8, "T": 16384, "H": 1024},
            {"B": 1, "T": 65536, "H": 256},
            *({"B": 8, "T": T, "H": 1536} for T in (512, 2048, 8192)),
        ),
        "limit": ({"B": 1, "T": 65536, "H": 256}, {"B": 8, "T": 16384, "H": 1024}),
        "experiment": experiment.SHAPES,
        "peers": tuple({"B": 8, "T": 512 << n, "H": 1536} for n in range(8)),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
    depth=lambda shape: shape["T"],
    passes=(BACKWARD,),
)
