"""Two ways for each pass: torch (whose autograd is the backward's baseline), and a kernel of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Variant, ceil_div

HERE = Path(__file__).parent


def torch_silu(x: Any) -> Any:
    import torch

    return torch.nn.functional.silu(x)


def torch_silu_backward(x: Any, gy: Any) -> Any:
    """Forward and backward by autograd: the graph is made anew, as training does."""
    import torch

    leaf = x.detach().requires_grad_()
    (gx,) = torch.autograd.grad(torch.nn.functional.silu(leaf), leaf, gy)
    return gx


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_silu, ("x",), ("y",)),))


def eager_backward(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_silu_backward, ("x", "gy"), ("gx",)),))


def kernel(shape: Shape, settings: Settings) -> Plan:
    return Plan((launch("silu", ("x", "y"), shape, settings),))


def kernel_backward(shape: Shape, settings: Settings) -> Plan:
    return Plan((launch("silu_backward", ("x", "gy", "gx"), shape, settings),))


def launch(function: str, tensors: tuple[str, ...], shape: Shape, settings: Settings) -> Kernel:
    block = int(settings["block"])
    blocks = ceil_div(shape["N"], block)
    return Kernel(HERE / "silu.cu", function, (blocks, 1, 1), (block, 1, 1), (*tensors, shape["N"]))


def moves(arrays: int, launches: int = 1) -> Any:
    """The cost of reading and writing so many arrays."""
    return lambda shape, settings: Cost(
        bytes=arrays * shape["N"] * shape.element_bytes, special=2 * shape["N"], launches=launches
    )


BLOCKS = {"block": (256, 128, 512)}
VARIANTS = (
    Variant("eager", "silu", ("cpu", "cuda"), "torch's own", eager, moves(2), {"source": "torch"}),
    Variant(
        "eager", "silu", ("cpu", "cuda"), "torch's autograd: forward and backward", eager_backward, moves(5, 2),
        {"source": "torch"}, pass_="backward",
    ),
    Variant(
        "kernel", "silu", ("cuda",), "an element per thread", kernel, moves(2),
        {"source": "cuda"}, BLOCKS, rung=10,
    ),
    Variant(
        "kernel", "silu", ("cuda",), "the logistic function recomputed", kernel_backward, moves(3),
        {"source": "cuda"}, BLOCKS, rung=10, pass_="backward",
    ),
)  # fmt: skip
