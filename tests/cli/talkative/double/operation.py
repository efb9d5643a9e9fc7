"""y = 2 x, by declarations and kernels that print wherever they can: when imported, asked and run."""

from __future__ import annotations

import ctypes
import os
import sys

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def talk(place: str) -> None:
    """In Python, in C, and to the descriptor."""
    print(f"{place} in Python")
    sys.stdout.write(f"{place} to the stream\n")
    ctypes.CDLL(None).puts(f"{place} in C".encode())
    os.write(1, f"{place} to the descriptor\n".encode())


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    talk("tensors")
    return Tensor("x", (shape["n"],), shape.dtype), Tensor("y", (shape["n"],), shape.dtype, "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    talk("make_inputs")
    return {"x": random.standard_normal(shape["n"], dtype=np.float32)}


talk("operation.py")
OPERATION = Operation(
    name="double",
    title="twice x",
    equation="y = 2 x",
    axes={"n": 3001},
    small={"n": 301},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=lambda shape, inputs: {"y": 2 * inputs["x"]},
    least=lambda shape: Cost(bytes=2 * shape["n"] * shape.element_bytes, flops=shape["n"]),
    baseline="plain",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
)
