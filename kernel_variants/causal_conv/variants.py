"""The convolution by torch and by the causal-conv1d package."""

from __future__ import annotations

from typing import Any

from kernel_variants.causal_conv.operation import WIDTH, least
from workbench.declare import Call, Cost, Plan, Requirement, Settings, Shape, Variant

INPUTS, OUTPUTS = ("x", "w", "bias"), ("y",)


def conv1d(x: Any, w: Any, bias: Any) -> Any:
    """torch's grouped conv1d, which wants (B, H, T): x (B, T, H) goes in as a view, what it copies is timed. On a CPU
    bf16 is widened first."""
    import torch

    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        return conv1d(x.float(), w.float(), bias.float()).to(x.dtype)
    steps, channels = x.shape[1:]
    y = torch.nn.functional.conv1d(x.transpose(1, 2), w[:, None], bias, padding=WIDTH - 1, groups=channels)
    return y[..., :steps].transpose(1, 2)


def package(x: Any, w: Any, bias: Any) -> Any:
    """causal-conv1d takes (B, H, T) with H contiguous as it is."""
    from causal_conv1d import causal_conv1d_fn

    return causal_conv1d_fn(x.transpose(1, 2), w, bias).transpose(1, 2)


def conv1d_cost(shape: Shape, settings: Settings) -> Cost:
    """A copy into the layout that it wants, then the convolution."""
    elements = shape["B"] * shape["T"] * shape["H"]
    return least(shape) + Cost(2 * elements * shape.element_bytes, launches=1)


def channels(shape: Shape) -> str | None:
    """causal_conv1d's channel-last kernel reads 8 channels at a time (its own check: strides multiples of 8)."""
    return None if shape["H"] % 8 == 0 else f"H = {shape['H']}: its channel-last kernel takes multiples of 8"


VARIANTS = (
    Variant(
        name="torch",
        operation="causal_conv",
        devices=("cpu", "cuda"),
        idea="torch's grouped conv1d, copies into its layout included",
        plan=lambda shape, settings: Plan((Call(conv1d, INPUTS, OUTPUTS),)),
        cost=conv1d_cost,
        factors={"source": "torch", "peer": "yes"},
    ),
    Variant(
        name="causal_conv1d",
        operation="causal_conv",
        devices=("cuda",),
        idea="the causal-conv1d package, H contiguous",
        plan=lambda shape, settings: Plan((Call(package, INPUTS, OUTPUTS),)),
        cost=lambda shape, settings: least(shape),
        factors={"source": "causal_conv1d", "peer": "yes"},
        supports=channels,
        requires=(Requirement("causal_conv1d", "pip install causal-conv1d"),),
        rung=10,
    ),
)
