"""Cells whose gates need the state, so that time cannot be split: the plain RNN, the GRU, the LSTM.

    p_t = W x_t + b          every step at once: one product
    q_t = U h_{t-1} + c      a product a step: each waits for the last
    RNN     h_t = tanh(p + q)
    GRU     r, z = sigma(p + q)          n = tanh(p_n + r q_n)      h_t = (1 - z) n + z h_{t-1}
    LSTM    i, f, o = sigma(p + q)       g = tanh(p_g + q_g)        s_t = f s_{t-1} + i g     h_t = o tanh(s_t)

Backwards (backpropagation through time), with dh_t all of the gradient of h_t, from the last step to the first:

    dp_t, dq_t of dh_t by the chain rule within the step       dh_{t-1} = gh_{t-1} + dq_t U (+ z dh_t of a GRU)
    dW = sum dp_t^T x_t    dU = sum dq_t^T h_{t-1}    db = sum dp_t    dc = sum dq_t    dx_t = dp_t W

So a pass forward and back is 2 T dependent products, whatever the GPU. Weights lie as torch has them: rows r, z, n of
a GRU, i, f, g, o of an LSTM. States start at h_0 and s_0, their gradients at what the loss says of the last ones; those
of the first are dh_0 = dq_1 U (+ z dh_1 of a GRU) and ds_0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kernel_variants.equations import Array, sigmoid

Rows = Sequence[Array]
"""(B, H) of each gate."""


@dataclass(frozen=True)
class Back:
    """Gradients of a step."""

    p: Rows
    q: Rows
    """Of a GRU's candidate other than p."""
    h: Array
    """What goes to the state before by another way than the product."""
    s: Array
    """Of the LSTM's inner state before."""


@dataclass(frozen=True)
class SerialCell:
    """A cell in numpy, a step at a time."""

    name: str
    title: str
    equation: str
    gates: int
    kept: int
    """Values per element that backpropagation needs beside h and x."""
    special: int
    """Exponentials per element and step."""
    flops: int
    """Operations per element and step beside the products; about twice as many back."""
    forward: Callable[[Rows, Rows, Array, Array], tuple[Array, Array, Rows]]
    """p, q, h and s before → h, s, what is kept."""
    backward: Callable[[Array, Array, Rows, Array, Array], Back]
    """dh, ds, what was kept, h and s before."""
    special_back: int = 0
    """Exponentials on the way back: what is cheaper made again than kept, or kept so that no digits are lost."""
    slow: tuple[float, ...] = ()
    """By how much the regime of long memory shifts the logits of each gate; none where no gate holds the state."""
    saturates: tuple[bool, ...] = (True,)
    """Which gates the saturated regime drives to their ends."""
    writes_and_holds: tuple[int, int] | None = None
    """Gates that may both stand open: what holds a state for ever and writes to it."""

    @property
    def has_inner(self) -> bool:
        """Whether a state s goes from step to step beside h; it is kept last."""
        return self.name == "lstm"

    @property
    def states(self) -> tuple[str, ...]:
        """What goes from step to step: tensors are called after it, h0, h_last, gh_last, dh0."""
        return ("h", "s") if self.has_inner else ("h",)


def _rnn(p: Rows, q: Rows, h: Array, s: Array) -> tuple[Array, Array, Rows]:
    state = np.tanh(p[0] + q[0])
    return state, s, (state,)


def _rnn_back(dh: Array, ds: Array, kept: Rows, h: Array, s: Array) -> Back:
    (state,) = kept
    d = dh * (1 - state * state)
    return Back((d,), (d,), np.zeros_like(dh), ds)


def _gru(p: Rows, q: Rows, h: Array, s: Array) -> tuple[Array, Array, Rows]:
    r, z = sigmoid(p[0] + q[0]), sigmoid(p[1] + q[1])
    n = np.tanh(p[2] + r * q[2])
    return (1 - z) * n + z * h, s, (r, z, n, q[2])


def _gru_back(dh: Array, ds: Array, kept: Rows, h: Array, s: Array) -> Back:
    r, z, n, from_state = kept
    dn = dh * (1 - z) * (1 - n * n)
    dr, dz = dn * from_state * r * (1 - r), dh * (h - n) * z * (1 - z)
    return Back((dr, dz, dn), (dr, dz, dn * r), dh * z, ds)


def _lstm(p: Rows, q: Rows, h: Array, s: Array) -> tuple[Array, Array, Rows]:
    i, f, g, o = (a + b for a, b in zip(p, q, strict=True))
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    inner = f * s + i * g
    return o * np.tanh(inner), inner, (i, f, g, o, inner)


def _lstm_back(dh: Array, ds: Array, kept: Rows, h: Array, s: Array) -> Back:
    i, f, g, o, inner = kept
    out = np.tanh(inner)
    ds = ds + dh * o * (1 - out * out)
    rows = (ds * g * i * (1 - i), ds * s * f * (1 - f), ds * i * (1 - g * g), dh * out * o * (1 - o))
    return Back(rows, rows, np.zeros_like(dh), ds * f)


RNN = SerialCell("rnn", "a plain RNN layer: the state through one tanh", "h_t = tanh(W x_t + b + U h_{t-1} + c)",
                 1, 1, 1, 4, _rnn, _rnn_back)  # fmt: skip
GRU = SerialCell("gru", "a GRU layer: gates that need the state",
                 "h_t = (1 - z) n + z h_{t-1}; z, r, n of x_t and h_{t-1}", 3, 4, 3, 12, _gru, _gru_back,
                 special_back=2, slow=(0, 4, 0), saturates=(True, True, False))  # fmt: skip
LSTM = SerialCell("lstm", "an LSTM layer: gates that need the state",
                  "s_t = f s_{t-1} + i g; h_t = o tanh(s_t); i, f, g, o of x_t and h_{t-1}",
                  4, 5, 5, 16, _lstm, _lstm_back,
                  special_back=1, slow=(-4, 4, 0, 0), saturates=(True, True, False, True),
                  writes_and_holds=(0, 1))  # fmt: skip
CELLS = (RNN, GRU, LSTM)
