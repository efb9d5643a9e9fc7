"""SRU in float64: one direction of it, its gradients, and both directions laid side by side.

    c_t = sigma(-k) c_{t-1} + sigma(k) v      h_t = s m phi(c_t) + (1 - s) x      s = sigma(r)

with m of a sequence the same at every step, 1 without dropout. The second version has k + w_k c_{t-1} for k and
r + w_r c_{t-1} for r: it is serial forwards. Backwards both are a linear scan, the second with the decay
J_t = a + w_k a z (v - c_{t-1}):

    lambda_t = gh s m phi'(c_t) + mu_{t+1}       mu_t = J_t lambda_t + w_r dr_t       dc_0 = mu_1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kernel_variants.equations import Array, sigmoid

Gradients = Mapping[str, Array]


def curve(c: Array, tanh: bool) -> tuple[Array, Array]:
    """phi and phi'."""
    y = np.tanh(c) if tanh else c
    return y, 1.0 / np.cosh(np.minimum(np.abs(c), 300.0)) ** 2 if tanh else np.ones_like(c)


def forward(rows: Array, x: Array, c0: Array, w: Array | None, m: Array, tanh: bool) -> tuple[Array, Array, Array]:
    """rows (B, T, 3, H): k, v, r; x (B, T, H), c0, m (B, H), w (2, H) or None → h, c (B, T, H), c_last (B, H)."""
    h, c, state = np.empty_like(x), np.empty_like(x), c0
    for t in range(x.shape[1]):
        k, v, r = (rows[:, t, part] for part in range(3))
        if w is not None:
            k, r = k + w[0] * state, r + w[1] * state
        state = sigmoid(-k) * state + sigmoid(k) * v
        c[:, t] = state
        h[:, t] = sigmoid(r) * m * curve(state, tanh)[0] + sigmoid(-r) * x[:, t]
    return h, c, state


def backward(
    rows: Array, x: Array, c0: Array, w: Array | None, m: Array, tanh: bool, gh: Array, gc_last: Array
) -> tuple[Array, Array, Array, Array]:
    """The same and gh (B, T, H), gc_last (B, H) → gradients of rows, x, c0 and w."""
    _, c, _ = forward(rows, x, c0, w, m, tanh)
    drows, dx, carried = np.empty_like(rows), np.empty_like(x), gc_last
    weights = np.zeros((2, x.shape[2])) if w is None else w
    dw = np.zeros_like(weights)
    for t in range(x.shape[1] - 1, -1, -1):
        before = c[:, t - 1] if t else c0
        k, v, r = (rows[:, t, part] for part in range(3))
        k, r = k + weights[0] * before, r + weights[1] * before
        a, z, s, not_s = sigmoid(-k), sigmoid(k), sigmoid(r), sigmoid(-r)
        y, slope = (m * part for part in curve(c[:, t], tanh))
        carried = gh[:, t] * s * slope + carried
        dr = gh[:, t] * (y - x[:, t]) * s * not_s
        dk = carried * (v - before) * a * z
        drows[:, t] = np.stack((dk, carried * z, dr), axis=1)
        dx[:, t] = gh[:, t] * not_s
        dw += np.stack(((dk * before).sum(0), (dr * before).sum(0)))
        carried = a * carried + weights[0] * dk + weights[1] * dr
    return drows, dx, carried, dw


def in_order(array: Array, direction: int) -> Array:
    """(B, T, …) in the order in which a direction takes steps."""
    return array[:, ::-1] if direction else array


def of_each(directions: int, one: Callable[[int], tuple[Array, ...]]) -> tuple[tuple[Array, ...], ...]:
    """one(direction) for each, its results sorted by kind."""
    return tuple(zip(*(one(direction) for direction in range(directions)), strict=True))
