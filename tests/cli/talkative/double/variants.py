"""Variants that print: a library call on the CPU, and a CUDA kernel by printf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Variant

from .operation import talk

HERE = Path(__file__).parent


def cost(shape: Shape, settings: Settings) -> Cost:
    talk("cost")
    return Cost(bytes=2 * shape["n"] * shape.element_bytes, flops=shape["n"], launches=1)


def twice(x: Any) -> Any:
    talk("a variant")
    return 2 * x


def plain(shape: Shape, settings: Settings) -> Plan:
    talk("plan")
    return Plan((Call(twice, ("x",), ("y",)),))


def kernel(shape: Shape, settings: Settings) -> Plan:
    blocks = (shape["n"] + 127) // 128
    return Plan((Kernel(HERE / "kernel.cu", "double_it", (blocks, 1, 1), (128, 1, 1), ("x", "y", shape["n"])),))


talk("variants.py")
VARIANTS = (
    Variant("plain", "double", ("cpu",), "prints", plain, cost),
    Variant("kernel", "double", ("cuda",), "prints by printf", kernel, cost, rung=1),
)
