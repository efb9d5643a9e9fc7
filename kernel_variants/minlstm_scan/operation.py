"""minLSTM's scan with its gates inside (arXiv 2410.01201): k_f, k_i, v → h.

    f = sigma(k_f)    i = sigma(k_i)    h_t = f / (f + i) h_{t-1} + i / (f + i) g(v_t)

A forget and an input gate, normalised to sum to 1, which makes it minGRU with the gate logit
softplus(-k_f) - softplus(-k_i): computed that way no logits turn it to 0 / 0, in values or in gradients. pre
(B, T, 3, H) holds rows of k_f, k_i and v. Least traffic: three values in, one out, 4 an element.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations, layer_shapes
from kernel_variants.minlstm_scan.backward import BACKWARD, candidate_and_gates, random_preactivations
from kernel_variants.minlstm_scan.cell import FORWARD_CELL, LEAST_SPECIAL, PARTS
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("pre", (B, T, PARTS, H), shape.dtype),
        Tensor("h0", (B, H), "float32", optional=True),
        Tensor("h", (B, T, H), shape.dtype, "output"),
        Tensor("h_last", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    h0 = random.standard_normal((shape["B"], shape["H"]), dtype=np.float32)
    return {"pre": random_preactivations(shape, regime, random), "h0": h0}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, z, c = candidate_and_gates(inputs["pre"])
    h, h_last = equations.scan(a, z * c, inputs.get("h0"))
    return {"h": h, "h_last": h_last}


def least(shape: Shape) -> Cost:
    special = LEAST_SPECIAL * shape["B"] * shape["T"] * shape["H"]
    return replace(FORWARD_CELL.cost(shape, launches=1, serial_steps=0), special=special)


OPERATION = Operation(
    name="minlstm_scan",
    title="minLSTM: two normalised gates and linear recurrence in one",
    equation="h_t = f / (f + i) h_{t-1} + i / (f + i) g(v_t); f, i = sigma(k_f), sigma(k_i)",
    axes={"B": 4, "T": 4096, "H": 1024},
    small={"B": 2, "T": 67, "H": 33},
    presets={
        "layers": layer_shapes.SHAPES,
        "quick": (),  # the budget of minGRU's ladder
        "gpu": ({"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},),
        "peers": ({"B": 8, "T": 16384, "H": 1024, "dtype": "bfloat16"}, {"B": 1, "T": 65536, "H": 256}),
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
