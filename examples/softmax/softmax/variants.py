"""Two ways to compute it: torch, and one block a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Variant

HERE = Path(__file__).parent


def torch_softmax(x: Any) -> Any:
    import torch

    return torch.softmax(x, dim=1)


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_softmax, ("x",), ("y",)),))


def row_block(shape: Shape, settings: Settings) -> Plan:
    block = int(settings["block"])
    return Plan(
        (
            Kernel(
                HERE / "row_block.cu",
                "softmax_row_block",
                (shape["rows"], 1, 1),
                (block, 1, 1),
                ("x", "y", shape["columns"]),
                shared_bytes=4 * block,
            ),
        )
    )


def one_pass(shape: Shape, settings: Settings) -> Cost:
    """What reaches main memory: the second and third read of a row come from a cache."""
    elements = shape["rows"] * shape["columns"]
    return Cost(bytes=2 * elements * shape.element_bytes, flops=3 * elements, special=2 * elements, launches=1)


VARIANTS = (
    Variant("eager", "softmax", ("cpu", "cuda"), "torch's own", eager, one_pass, {"source": "torch"}, rung=0),
    Variant(
        "row_block",
        "softmax",
        ("cuda",),
        "a block a row, reductions in shared memory",
        row_block,
        one_pass,
        {"source": "cuda", "memory": "shared"},
        {"block": (128, 256, 64)},
        rung=10,
    ),
)
