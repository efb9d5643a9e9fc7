"""The projection's ladder: a product a time step, and one for all steps.

Weights count once in the declared bytes of DRAM: those of one step's product stay in the L2 cache for the next.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kernel_variants.gate import products
from kernel_variants.gate.per_step import warps
from kernel_variants.projection import backward
from kernel_variants.projection.operation import projection_bytes
from workbench.declare import Call, Cost, Kernel, Plan, Repeat, Settings, Shape, Turn, Variant

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
    steps = [torch.nn.functional.linear(products.widened(at), w, bias) for at in h.unbind(1)]
    return torch.stack(steps, dim=1).to(h.dtype)


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(eager_steps, ("h", "w_out", "bias_out"), ("y",)),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """The stack reads every output and writes it once more."""
    once = cost(shape, shape["T"] + 1, shape["T"])
    return replace(once, bytes=once.bytes + 2 * shape["B"] * shape["T"] * shape["O"] * shape.element_bytes)


def step(shape: Shape, settings: Settings) -> Kernel:
    """h[:, t] → y[:, t] at turn t, a warp an output."""
    B, T, H, O = (shape[axis] for axis in "BTHO")
    block = int(settings["block"])
    return Kernel(
        HERE / "10_per_step.cu", "projection_step", warps(B * O, block), (block, 1, 1), (*TENSORS, Turn(), B, T, H, O)
    )


def per_step(shape: Shape, settings: Settings) -> Plan:
    return Plan((Repeat((step(shape, settings),), shape["T"]),))


def per_step_graph(shape: Shape, settings: Settings) -> Plan:
    return replace(per_step(shape, settings), graph=True)


def per_step_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, shape["T"], shape["T"])


def batched(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(products.multiply_add, TENSORS),))


def batched_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, 1)


def autograd_steps(h: Any, w_out: Any, gy: Any) -> tuple[Any, Any, Any]:
    """The loop of `eager` again under autograd, in float32."""
    import torch

    state, w = h.float().detach().requires_grad_(), w_out.float().detach().requires_grad_()
    bias = torch.zeros(w.shape[0], device=h.device, requires_grad=True)
    with torch.enable_grad():
        y = eager_steps(state, w, bias)
    dh, dw, dbias = torch.autograd.grad(y, (state, w, bias), gy.float())
    return dh.to(h.dtype), dw, dbias


def autograd(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(autograd_steps, ("h", "w_out", "gy"), ("dh", "dw_out", "dbias_out")),))


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """Forward again; per step two products and a sum, whose gradients of the weights are added up in the L2 cache."""
    T = shape["T"]
    wide = replace(shape, dtype="float32")
    forward, rows = eager_cost(wide, settings), shape["B"] * T
    cast = 0 if shape.dtype == "float32" else rows * (shape["H"] * 2 + shape["O"]) * (shape.element_bytes + 4)
    back = backward.moved_bytes(wide, gy_reads=4) + 2 * 4 * rows * shape["H"] + cast
    once = backward.cost(shape, forward.bytes + back, forward.launches + 6 * T, 2 * T)
    return replace(once, matrix_flops=once.matrix_flops * 3 // 2)


def batched_backward(shape: Shape, settings: Settings, to: str = "dh") -> Plan:
    """`to`: where the gradient of h goes."""
    return Plan(
        (
            Call(products.input_gradient, ("gy", "w_out", to)),
            Call(products.weight_gradient, ("gy", "h", "dw_out")),
            Call(products.bias_gradient, ("gy", "dbias_out")),
        )
    )


def batched_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """gy read by both products and by the sum."""
    return backward.cost(shape, backward.moved_bytes(shape, gy_reads=3), 3)


BATCHED_BACKWARD = Variant(
    name="batched",
    operation="projection",
    pass_="backward",
    devices=("cpu", "cuda"),
    idea="two library products and a sum for all steps",
    plan=batched_backward,
    cost=batched_backward_cost,
    factors={"batching": "all steps", "source": "library"},
    rung=30,
)
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
        idea="a launch per step",
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
    Variant(
        name="autograd",
        operation="projection",
        pass_="backward",
        devices=("cpu", "cuda"),
        idea="torch's autograd: a product a step forwards again, and back",
        plan=autograd,
        cost=autograd_cost,
        factors={"batching": "per step", "source": "torch"},
        rung=0,
    ),
    BATCHED_BACKWARD,
)
