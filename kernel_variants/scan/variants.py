"""The scan's ladder: declarations of every way to compute it, the simplest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernel_variants.scan.operation import scan_bytes
from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Variant, ceil_div

HERE = Path(__file__).parent
TENSORS = ("a", "b", "h0", "h", "h_last")


def elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def serial(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    return Plan(
        (Kernel(HERE / "serial.cu", "scan_serial", (ceil_div(H, block), B, 1), (block, 1, 1), (*TENSORS, T, H)),)
    )


def serial_cost(shape: Shape, settings: Settings) -> Cost:
    return Cost(bytes=scan_bytes(shape), flops=2 * elements(shape), launches=1, serial_steps=shape["T"])


def eager_loop(a: Any, b: Any, h0: Any) -> tuple[Any, Any]:
    """The recurrence as one writes it first in torch: two operations a step. a, b (B, T, H) → h, h_last."""
    import torch

    state = torch.zeros_like(b[:, 0]) if h0 is None else h0
    steps = []
    for t in range(b.shape[1]):
        state = a[:, t] * state + b[:, t]
        steps.append(state)
    return torch.stack(steps, dim=1), state


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(eager_loop, ("a", "b", "h0"), ("h", "h_last")),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """A product (a, state → m), a sum (m, b → state) and the stack (state → h): 8 float32 an element."""
    return Cost(
        bytes=8 * 4 * elements(shape),
        flops=2 * elements(shape),
        launches=2 * shape["T"] + 1,
        serial_steps=2 * shape["T"],
    )


VARIANTS = (
    Variant(
        name="eager",
        operation="scan",
        devices=("cpu", "cuda"),
        idea="torch, two operations a step",
        plan=eager,
        cost=eager_cost,
        factors={"algorithm": "serial", "source": "torch"},
        rung=0,
    ),
    Variant(
        name="serial",
        operation="scan",
        devices=("cuda",),
        idea="one thread a channel, the state in a register",
        plan=serial,
        cost=serial_cost,
        factors={"algorithm": "serial", "source": "cuda"},
        settings={"block": (128, 64, 256)},
        rung=20,
    ),
)
