"""The projection's ladder: a product a time step, and one for all steps.

Weights count once in the declared bytes of DRAM: those of one step's product stay in the L2 cache for the next.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kernel_variants.gate import products
from kernel_variants.gate.per_step import warps
from kernel_variants.projection.operation import projection_bytes
from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Variant

HERE = Path(__file__).parent
TENSORS = ("h", "w_out", "bias_out", "y")


def cost(shape: Shape, launches: int, serial_steps: int = 0) -> Cost:
    outputs = shape["B"] * shape["T"] * shape["O"]
    return Cost(
        bytes=projection_bytes(shape),
        flops=outputs,
        matrix_flops=2 * shape["H"] * outputs,
        launches=launches,
        serial_steps=serial_steps,
    )


def eager_steps(h: Any, w_out: Any, bias_out: Any) -> Any:
    """A torch product a time step, as a loop over a recurrent cell's outputs does it. h (B, T, H) → y (B, T, O)."""
    import torch

    w, bias = products.widened(w_out), products.widened(bias_out)
    steps = [torch.nn.functional.linear(products.widened(h[:, t]), w, bias) for t in range(h.shape[1])]
    return torch.stack(steps, dim=1).to(h.dtype)


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(eager_steps, ("h", "w_out", "bias_out"), ("y",)),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """The stack reads every output and writes it once more."""
    once = cost(shape, shape["T"] + 1, shape["T"])
    return replace(once, bytes=once.bytes + 2 * shape["B"] * shape["T"] * shape["O"] * shape.element_bytes)


def step(shape: Shape, settings: Settings, t: int) -> Kernel:
    """h[:, t] → y[:, t], a warp an output."""
    B, T, H, O = (shape[axis] for axis in "BTHO")
    block = int(settings["block"])
    return Kernel(
        HERE / "10_per_step.cu", "projection_step", warps(B * O, block), (block, 1, 1), (*TENSORS, t, B, T, H, O)
    )


def per_step(shape: Shape, settings: Settings) -> Plan:
    return Plan(tuple(step(shape, settings, t) for t in range(shape["T"])))


def per_step_graph(shape: Shape, settings: Settings) -> Plan:
    return replace(per_step(shape, settings), graph=True)


def per_step_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, shape["T"], shape["T"])


def batched(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(products.multiply_add, TENSORS),))


def batched_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, 1)


VARIANTS = (
    Variant(
        name="eager",
        operation="projection",
        devices=("cpu", "cuda"),
        idea="torch, a product a step",
        plan=eager,
        cost=eager_cost,
        factors={"batching": "per step", "source": "torch"},
        rung=0,
    ),
    Variant(
        name="per_step",
        operation="projection",
        devices=("cuda",),
        idea="a launch a step",
        plan=per_step,
        cost=per_step_cost,
        factors={"batching": "per step", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=10,
    ),
    Variant(
        name="per_step_graph",
        operation="projection",
        devices=("cuda",),
        idea="the same launches replayed from one CUDA graph",
        plan=per_step_graph,
        cost=per_step_cost,
        factors={"batching": "per step, graph", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=11,
    ),
    Variant(
        name="batched",
        operation="projection",
        devices=("cpu", "cuda"),
        idea="one library product for all steps",
        plan=batched,
        cost=batched_cost,
        factors={"batching": "all steps", "source": "library"},
        rung=30,
    ),
)
