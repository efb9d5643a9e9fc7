"""The gates a time step at a time: the naive beginning, and its kernels fused into one a step.

Both are also what a whole layer does per step, so they hand out the launches of one step t.
"""

from __future__ import annotations

from pathlib import Path

from workbench.declare import At, Kernel, Settings, Shape, Tensor, ceil_div

HERE = Path(__file__).parent
WARP = 32
LAUNCHES = 6
"""Launches a step of the unfused beginning."""


def scratch(shape: Shape) -> tuple[Tensor, ...]:
    """One step's intermediate values: k, v, z and c, (B, H) each."""
    return tuple(Tensor(f"step_{name}", (shape["B"], shape["H"]), "float32", "scratch") for name in "kvzc")


def warps(outputs: int, block: int) -> tuple[int, int, int]:
    """The grid that gives every output a warp."""
    return (ceil_div(outputs, block // WARP), 1, 1)


def unfused_step(shape: Shape, settings: Settings, t: int) -> tuple[Kernel, ...]:
    """x[:, t] → a[:, t], b[:, t]: two products and four elementwise kernels."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    source, block = HERE / "10_per_step.cu", int(settings["block"])
    one_each, warp_each = (ceil_div(B * H, block), 1, 1), warps(B * H, block)
    sizes, threads = (t, B, T, D, H), (block, 1, 1)
    return (
        Kernel(source, "gate_step_product", warp_each, threads, ("x", "w", "bias", "step_k", *sizes)),
        Kernel(source, "gate_step_product", warp_each, threads, ("x", At("w", H * D), At("bias", H), "step_v", *sizes)),
        Kernel(source, "gate_step_decay", one_each, threads, ("step_k", "a", t, B, T, H)),
        Kernel(source, "gate_step_sigmoid", one_each, threads, ("step_k", "step_z", B * H)),
        Kernel(source, "gate_step_candidate", one_each, threads, ("step_v", "step_c", B * H)),
        Kernel(source, "gate_step_multiply", one_each, threads, ("step_z", "step_c", "b", t, B, T, H)),
    )


def fused_step(shape: Shape, settings: Settings, t: int) -> tuple[Kernel, ...]:
    """x[:, t] → a[:, t], b[:, t] in one launch."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    block = int(settings["block"])
    arguments = ("x", "w", "bias", "a", "b", t, B, T, D, H)
    return (Kernel(HERE / "11_per_step_fused.cu", "gate_step", warps(B * H, block), (block, 1, 1), arguments),)
