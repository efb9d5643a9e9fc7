"""Three ways to compute it: torch a step at a time, a CUDA thread per row, a Triton program per row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.declare import (
    Call,
    Cost,
    Kernel,
    Plan,
    Requirement,
    Settings,
    Shape,
    TritonKernel,
    Variant,
    ceil_div,
)

HERE = Path(__file__).parent


def steps_in_torch(a: Any, b: Any) -> Any:
    import torch

    state, out = torch.zeros_like(a[:, 0]), []
    for t in range(a.shape[1]):
        state = a[:, t] * state + b[:, t]
        out.append(state)
    return torch.stack(out, 1).to(b.dtype)


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(steps_in_torch, ("a", "b"), ("h",)),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    elements = shape["rows"] * shape["T"]
    return Cost(bytes=28 * elements, flops=2 * elements, launches=2 * shape["T"] + 1, serial_steps=2 * shape["T"])


def serial(shape: Shape, settings: Settings) -> Plan:
    block = int(settings["block"])
    grid = (ceil_div(shape["rows"], block), 1, 1)
    arguments = ("a", "b", "h", shape["rows"], shape["T"])
    return Plan((Kernel(HERE / "row_serial.cu", "row_serial", grid, (block, 1, 1), arguments),))


def in_triton(shape: Shape, settings: Settings) -> Plan:
    kernel = TritonKernel(
        source=HERE / "row_scan_kernel.py",
        function="row_scan",
        grid=(shape["rows"], 1, 1),
        arguments=("a", "b", "h", shape["T"]),
        defines=(("BLOCK", settings["block"]),),
        warps=int(settings["warps"]),
        dtypes=(("a", "float32"),),
    )
    return Plan((kernel,))


def once_cost(shape: Shape, settings: Settings) -> Cost:
    elements = shape["rows"] * shape["T"]
    moved = (4 + 2 * shape.element_bytes) * elements
    return Cost(bytes=moved, flops=2 * elements, launches=1, serial_steps=shape["T"])


def block_cost(shape: Shape, settings: Settings) -> Cost:
    """A block's scan is a tree; only the carry goes from block to block."""
    blocks, block = ceil_div(shape["T"], int(settings["block"])), int(settings["block"])
    whole = once_cost(shape, settings)
    flops = 3 * shape["rows"] * blocks * block * block.bit_length()
    return Cost(whole.bytes, flops, launches=1, serial_steps=blocks * block.bit_length())


VARIANTS = (
    Variant("eager", "row_scan", ("cuda", "cpu"), "torch, a step at a time", eager, eager_cost),
    Variant(
        "serial", "row_scan", ("cuda",), "a thread per row", serial, once_cost, settings={"block": (64, 128)}, rung=10
    ),
    Variant(
        "triton",
        "row_scan",
        ("cuda",),
        "Triton: a program per row, an associative scan per block",
        in_triton,
        block_cost,
        settings={"block": (512, 1024, 256), "warps": (4, 8, 2)},
        requires=(Requirement("triton", "pip install triton"),),
        rung=20,
    ),
)
