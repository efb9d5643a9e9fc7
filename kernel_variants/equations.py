"""The equations of the cells, once, in float64 numpy: what every reference is made of.

minGRU (arXiv 2410.01201), with the candidate in its "log-safe" form:

    k, v = W x + bias                         pre-activations, (B, T, H) each
    z = sigma(k)         a = sigma(-k)        a is never computed as 1 - z: it loses all digits where z is near 1
    c = g(v)             g(v) = v + 1/2 for v >= 0, sigma(v) for v < 0
    h_t = a_t h_{t-1} + z_t c_t               so b = z c

The "linear" candidate c = v is a different model with the same recurrence; it is not what is measured here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sigmoid(x: Array) -> Array:
    """Logistic function, elementwise, with no overflow for logits of any size."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def candidate(v: Array) -> Array:
    """g(v), the log-safe candidate: positive everywhere and continuous, with slope 1 for v >= 0."""
    return np.where(v >= 0, v + 0.5, sigmoid(np.minimum(v, 0.0)))


def gates(kv: Array) -> tuple[Array, Array]:
    """Pre-activations kv (B, T, 2, H) → a, b (B, T, H): the decay and the input of the recurrence."""
    k, v = kv[..., 0, :], kv[..., 1, :]
    return sigmoid(-k), sigmoid(k) * candidate(v)


def scan(a: Array, b: Array, h0: Array | None) -> tuple[Array, Array]:
    """h_t = a_t h_{t-1} + b_t along T. a, b (B, T, H), h0 (B, H) or None for zeros → h (B, T, H), h_last (B, H)."""
    h = np.empty_like(b)
    state = np.zeros_like(b[:, 0]) if h0 is None else h0.astype(b.dtype)
    for t in range(b.shape[1]):
        state = a[:, t] * state + b[:, t]
        h[:, t] = state
    return h, state


def random_preactivations(shape: tuple[int, ...], regime: str, random: np.random.Generator) -> Array:
    """float32 pre-activations kv (..., 2, H) of a regime: gate logits k of N(0, 1), of N(-4, 1) ("slow"), or
    a random one of -100 and 100 ("saturated"); v is N(0, 1) in all three."""
    kv = random.standard_normal(shape, dtype=np.float32)
    if regime == "slow":
        kv[..., 0, :] -= 4.0
    elif regime == "saturated":
        kv[..., 0, :] = np.where(kv[..., 0, :] > 0, 100.0, -100.0)
    return kv
