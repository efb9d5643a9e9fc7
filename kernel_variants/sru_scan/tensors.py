"""What both of SRU's versions read and write, and how it is drawn.

pre (B, T, directions, rows, H) holds rows of k, v, r, and of x where the highway has a product of its own (rows = 4);
else x is the layer's input, (B, T, directions, H): H channels for each direction. States are (directions, B, H).
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from kernel_variants.equations import Array
from kernel_variants.sru_scan import equations as sru
from kernel_variants.sru_scan.cell import has_mask, has_tanh, own_highway
from workbench.declare import Arrays, Role, Shape, Tensor

KEPT = 0.75
"""Of the mask."""


def _pre(shape: Shape) -> tuple[int, ...]:
    return (shape["B"], shape["T"], shape["directions"], shape["rows"], shape["H"])


def _row(shape: Shape) -> tuple[int, ...]:
    return (shape["B"], shape["T"], shape["directions"], shape["H"])


def _state(shape: Shape) -> tuple[int, ...]:
    return (shape["directions"], shape["B"], shape["H"])


def _weights(shape: Shape) -> tuple[int, ...]:
    """w_k and w_r of each direction."""
    return (shape["directions"], 2, shape["H"])


def forward(shape: Shape, weights: bool = False) -> tuple[Tensor, ...]:
    return (
        *_read(shape, "input", weights),
        Tensor("h", _row(shape), shape.dtype, "output"),
        Tensor("c", _row(shape), shape.dtype, "output"),
        Tensor("c_last", _state(shape), "float32", "output"),
    )


def backward(shape: Shape, weights: bool = False) -> tuple[Tensor, ...]:
    dx = () if own_highway(shape) else (Tensor("dx", _row(shape), shape.dtype, "output"),)
    return (
        *_read(shape, "saved", weights),
        Tensor("c", _row(shape), shape.dtype, "saved"),
        Tensor("gh", _row(shape), shape.dtype),
        Tensor("gc_last", _state(shape), "float32"),
        Tensor("dpre", _pre(shape), shape.dtype, "output"),
        *dx,
        Tensor("dc0", _state(shape), "float32", "output"),
        *((Tensor("dw", _weights(shape), "float32", "output"),) if weights else ()),
    )


def _read(shape: Shape, role: Role, weights: bool) -> tuple[Tensor, ...]:
    return (
        Tensor("pre", _pre(shape), shape.dtype, role),
        *(() if own_highway(shape) else (Tensor("x", _row(shape), shape.dtype, role),)),
        *((Tensor("m", _state(shape), "float32", role),) if has_mask(shape) else ()),
        *((Tensor("w", _weights(shape), "float32", "parameter"),) if weights else ()),
        Tensor("c0", _state(shape), "float32"),
    )


def make_forward(shape: Shape, regime: str, random: np.random.Generator, weights: bool = False) -> Arrays:
    """All N(0, 1); slow: k of N(-4, 1), a near 1; saturated: k and r one of -100 and 100 each. w is N(0, 1/4); m drops
    a quarter."""
    pre = random.standard_normal(_pre(shape), dtype=np.float32)
    if regime == "slow":
        pre[..., 0, :] -= 4.0
    elif regime == "saturated":
        pre[..., (0, 2), :] = np.where(pre[..., (0, 2), :] > 0, 100.0, -100.0)
    made = {"pre": pre, "c0": random.standard_normal(_state(shape), dtype=np.float32)}
    if not own_highway(shape):
        made["x"] = random.standard_normal(_row(shape), dtype=np.float32)
    if has_mask(shape):
        made["m"] = (random.random(_state(shape)) < KEPT).astype(np.float32) / np.float32(KEPT)
    if weights:
        made["w"] = 0.5 * random.standard_normal(_weights(shape), dtype=np.float32)
    return made


def make_backward(shape: Shape, regime: str, random: np.random.Generator, weights: bool = False) -> Arrays:
    """The same, rounded, with the states that follow and gradients of N(0, 1)."""
    given = {name: equations.rounded(array, shape.dtype if name in ("pre", "x") else "float32")
             for name, array in make_forward(shape, regime, random, weights).items()}  # fmt: skip
    states = reference_forward(shape, {name: array.astype(np.float64) for name, array in given.items()})
    return {
        **given,
        "c": states["c"].astype(np.float32),
        "gh": random.standard_normal(_row(shape), dtype=np.float32),
        "gc_last": random.standard_normal(_state(shape), dtype=np.float32),
    }


def _given(shape: Shape, inputs: Arrays, direction: int) -> tuple[Array, Array, Array, Array | None, Array, bool]:
    """rows, x, c0, w, m and whether phi is tanh, of one direction in its own order."""
    own = sru.in_order(inputs["pre"][:, :, direction], direction)
    x = own[:, :, 3] if own_highway(shape) else sru.in_order(inputs["x"][:, :, direction], direction)
    w = inputs["w"][direction] if "w" in inputs else None
    c0 = inputs["c0"][direction]
    m = inputs["m"][direction] if "m" in inputs else np.ones_like(c0)
    return own[:, :, :3], x, c0, w, m, has_tanh(shape)


def reference_forward(shape: Shape, inputs: Arrays) -> Arrays:
    def one(direction: int) -> tuple[Array, ...]:
        h, c, last = sru.forward(*_given(shape, inputs, direction))
        return sru.in_order(h, direction), sru.in_order(c, direction), last

    h, c, last = sru.of_each(shape["directions"], one)
    return {"h": np.stack(h, 2), "c": np.stack(c, 2), "c_last": np.stack(last)}


def reference_backward(shape: Shape, inputs: Arrays) -> Arrays:
    """Of the states that follow from pre, whatever a variant was handed for c."""

    def one(direction: int) -> tuple[Array, ...]:
        gh = sru.in_order(inputs["gh"][:, :, direction], direction)
        drows, dx, dc0, dw = sru.backward(*_given(shape, inputs, direction), gh, inputs["gc_last"][direction])
        return sru.in_order(drows, direction), sru.in_order(dx, direction), dc0, dw

    drows, dx, dc0, dw = sru.of_each(shape["directions"], one)
    dpre = np.stack(drows, 2)
    found = {"dc0": np.stack(dc0)}
    if own_highway(shape):
        dpre = np.concatenate((dpre, np.stack(dx, 2)[..., None, :]), 3)
    else:
        found["dx"] = np.stack(dx, 2)
    if "w" in inputs:
        found["dw"] = np.stack(dw)
    return {**found, "dpre": dpre}
