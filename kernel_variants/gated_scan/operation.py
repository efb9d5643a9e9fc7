"""The scan with its gates inside: k, v → h. What a minGRU layer does between its two products.

kv (B, T, 2, H) is the first product's output as it lies in memory: for every step a row of H gate logits k, then a
row of H candidates' pre-activations v. The gates (equations.py) and the state are float32; kv and h cross memory in
the shape's dtype. Least traffic: k and v in, h out, 3 values per element, where gates computed apart need 7.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations, experiment, layer_shapes
from kernel_variants.gated_scan.backward import BACKWARD
from kernel_variants.scan.cells import GATED_SCAN, LEAST_SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("kv", (B, T, 2, H), shape.dtype),
        Tensor("h0", (B, H), "float32", optional=True),
        Tensor("h", (B, T, H), shape.dtype, "output"),
        Tensor("h_last", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """Pre-activations: gate logits of N(0, 1), slow N(-4, 1) (long memory), or saturated at -100 and 100."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    kv = equations.random_preactivations((B, T, 2, H), regime, random)
    return {"kv": kv, "h0": random.standard_normal((B, H), dtype=np.float32)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = equations.gates(inputs["kv"])
    h, h_last = equations.scan(a, b, inputs.get("h0"))
    return {"h": h, "h_last": h_last}


def least(shape: Shape) -> Cost:
    special = LEAST_SPECIAL_PER_GATE_PAIR * shape["B"] * shape["T"] * shape["H"]
    return replace(GATED_SCAN.cost(shape, launches=1, serial_steps=0), special=special)


OPERATION = Operation(
    name="gated_scan",
    title="gates and linear recurrence in one",
    equation="h_t = sigma(-k_t) h_{t-1} + sigma(k_t) g(v_t)",
    axes={"B": 4, "T": 4096, "H": 1024},
    small={"B": 2, "T": 67, "H": 33},
    presets={
        "layers": layer_shapes.SHAPES,
        "quick": ({"B": 4, "T": 1024, "H": 512},),
        "gpu": (
            {"B": 8, "T": 16384, "H": 1024, "dtype": "bfloat16"},
            {"B": 1, "T": 65536, "H": 256, "dtype": "bfloat16"},
            {"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},
            {"B": 1, "T": 65536, "H": 1024, "dtype": "bfloat16"},
        ),
        "limit": (
            {"B": 1, "T": 65536, "H": 256, "dtype": "bfloat16"},
            {"B": 8, "T": 16384, "H": 1024, "dtype": "bfloat16"},
        ),
        "experiment": experiment.SHAPES,
        "peers": (
            {"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},
            {"B": 1, "T": 65536, "H": 1024, "dtype": "bfloat16"},
        ),
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
