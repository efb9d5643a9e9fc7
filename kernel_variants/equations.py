"""The equations of the cells, once, in float64 numpy: what every reference is made of.

minGRU (arXiv 2410.01201), with the candidate in its "log-safe" form:

    k, v = W x + bias                         pre-activations, (B, T, H) each
    z = sigma(k)         a = sigma(-k)        a is never computed as 1 - z: it loses all digits where z is near 1
    c = g(v)             g(v) = v + 1/2 for v >= 0, sigma(v) for v < 0
    h_t = a_t h_{t-1} + z_t c_t               so b = z c

The "linear" candidate c = v is a different model with the same recurrence; it is not what is measured here.

Backwards, with gh_t what the loss says of h_t directly and lambda_t all of its gradient:

    lambda_t = gh_t + a_{t+1} lambda_{t+1}    da_t = lambda_t h_{t-1}    db_t = lambda_t    dh_0 = a_1 lambda_1
    dk_t = (db_t c_t - da_t) z_t a_t          dv_t = db_t z_t g'(v_t)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PIECE = 8192
"""Values of a float64 array that stay in a core's nearest cache with what is made of them on the way."""


def in_pieces(elementwise: Callable[..., Array]) -> Callable[..., Array]:
    """The function of arrays of one shape, called for a piece at a time: what it makes on the way of large arrays would
    be written to fresh memory only to be read once, which takes several times as long as the arithmetic."""

    @functools.wraps(elementwise)
    def whole(*arrays: Array) -> Array:
        if arrays[0].size <= PIECE:
            return elementwise(*arrays)
        sides: list[list[str]] = [["readonly"]] * len(arrays) + [["writeonly", "allocate"]]
        dtypes = [*(array.dtype for array in arrays), np.result_type(*arrays)]
        flags = ["external_loop", "buffered"]
        with np.nditer([*arrays, None], flags, sides, dtypes, buffersize=PIECE) as pieces:  # type: ignore[arg-type]
            for *given, out in pieces:
                out[...] = elementwise(*given)
            result: Array = pieces.operands[-1]
        return result

    return whole


# Below no np.where chooses by the sign of a random value: a core guesses that wrong half of the time, which costs more
# than two exponentials.


@in_pieces
def sigmoid(x: Array) -> Array:
    """Logistic function, elementwise, with no overflow for logits of any size: 1 / (1 + e^-x) for x >= 0, and
    e^x / (1 + e^x) for x < 0."""
    return np.exp(np.minimum(x, 0.0)) / (1.0 + np.exp(-np.abs(x)))


@in_pieces
def candidate(v: Array) -> Array:
    """g(v), the log-safe candidate: positive everywhere and continuous, with slope 1 for v >= 0."""
    e = np.exp(np.minimum(v, 0.0))
    return np.maximum(v, 0.0) + e / (1.0 + e)


def gates(kv: Array) -> tuple[Array, Array]:
    """Pre-activations kv (B, T, 2, H) → a, b (B, T, H): the decay and the input of the recurrence."""
    k, v = kv[..., 0, :], kv[..., 1, :]
    return decay(k), written(k, v)


@in_pieces
def decay(k: Array) -> Array:
    """a = 1 - z."""
    return sigmoid(-k)


@in_pieces
def written(k: Array, v: Array) -> Array:
    """b = z c."""
    return sigmoid(k) * candidate(v)


def scan(a: Array, b: Array, h0: Array | None) -> tuple[Array, Array]:
    """h_t = a_t h_{t-1} + b_t along T. a, b (B, T, H), h0 (B, H) or None for zeros → h (B, T, H), h_last (B, H)."""
    h = np.empty_like(b)
    state = np.zeros_like(b[:, 0]) if h0 is None else h0.astype(b.dtype)
    for t in range(b.shape[1]):
        state = a[:, t] * state + b[:, t]
        h[:, t] = state
    return h, state


@in_pieces
def candidate_slope(v: Array) -> Array:
    """g'(v): 1 for v >= 0, sigma(v) sigma(-v) for v < 0."""
    negative, rising = np.minimum(v, 0.0), (v >= 0).astype(v.dtype)
    slope: Array = rising + (1.0 - rising) * (sigmoid(negative) * sigmoid(-negative))
    return slope


OF_FLOAT32 = 1e-5
"""More than a float32 product of rows of N(0, 1) is wrong by."""


def clear_of_the_kink(x: Array, w: Array, bias: Array) -> Array:
    """x (B, T, D) with no candidate v = w x + bias (w (H, D), bias (H)) within OF_FLOAT32 of 0: float32 may put it on
    the other side, where g' is 1 instead of 1/4, and one among millions puts gradients out by 1e-4. Rows that have such
    a v are made a thousandth longer, until none has."""
    rows = x.reshape(-1, x.shape[-1]).copy()
    near = np.arange(len(rows))
    for _ in range(100):  # of what is 0 however long it is made, there is nothing to clear
        near = near[(np.abs(rows[near] @ w.T + bias) < OF_FLOAT32).any(-1)]
        if not len(near):
            break
        rows[near] *= np.float32(1.001)
    return rows.reshape(x.shape)


def gates_backward(kv: Array, da: Array, db: Array) -> Array:
    """kv (B, T, 2, H), gradients of a and b (B, T, H) → those of kv."""
    k, v = kv[..., 0, :], kv[..., 1, :]
    return np.stack((_dk(k, v, da, db), _dv(k, v, db)), axis=-2)


@in_pieces
def _dk(k: Array, v: Array, da: Array, db: Array) -> Array:
    return (db * candidate(v) - da) * sigmoid(k) * sigmoid(-k)


@in_pieces
def _dv(k: Array, v: Array, db: Array) -> Array:
    return db * sigmoid(k) * candidate_slope(v)


def scan_backward(a: Array, h: Array, h0: Array | None, gh: Array, gh_last: Array | None) -> tuple[Array, Array, Array]:
    """Gradients da, db (B, T, H) and dh0 (B, H) from those of h (B, T, H) and h_last (B, H; None for zeros)."""
    da, db = np.empty_like(a), np.empty_like(a)
    carried = np.zeros_like(a[:, 0]) if gh_last is None else gh_last.astype(a.dtype)
    initial = np.zeros_like(a[:, 0]) if h0 is None else h0
    for t in range(a.shape[1] - 1, -1, -1):
        db[:, t] = gh[:, t] + carried
        da[:, t] = db[:, t] * (h[:, t - 1] if t > 0 else initial)
        carried = a[:, t] * db[:, t]
    return da, db, carried


def rounded(values: Array, dtype: str) -> Array:
    """Finite float32 values as they are once they have crossed memory in `dtype`: float32 or bfloat16, to nearest
    even."""
    values = np.ascontiguousarray(values, np.float32)
    if dtype == "float32":
        return values
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)).view(
        np.float32
    )


def random_preactivations(shape: tuple[int, ...], regime: str, random: np.random.Generator) -> Array:
    """float32 pre-activations kv (..., 2, H) of a regime: gate logits k of N(0, 1), of N(-4, 1) ("slow"), or
    a random one of -100 and 100 ("saturated"); v is N(0, 1) in all three."""
    kv = random.standard_normal(shape, dtype=np.float32)
    if regime == "slow":
        kv[..., 0, :] -= 4.0
    elif regime == "saturated":
        kv[..., 0, :] = np.where(kv[..., 0, :] > 0, 100.0, -100.0)
    return kv
