"""An LSTM layer, for its time beside the layer's: another cell, same axes, x (B, T, D) → h (B, T, H).

    i, f, o = sigma(W x + b + U h + c)    g = tanh(W_g x + b_g + U_g h + c_g)
    s_t = f s_{t-1} + i g                 h_t = o tanh(s_t)

Weights lie as in torch.nn.LSTM: rows i, f, g, o; both states start at zero.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from kernel_variants import equations
from kernel_variants.gru import operation as gru
from workbench.declare import Arrays, Operation, Shape

GATES = 4


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, w, u, (offset, recurrent) = (inputs[name] for name in ("x", "w", "u", "bias"))
    B, T, H = (shape[axis] for axis in "BTH")
    from_input = x @ w.T + (offset + recurrent)
    state, h = np.zeros((B, H)), np.zeros((B, T, H))
    last = np.zeros((B, H))
    for t in range(T):
        i, f, g, o = np.split(from_input[:, t] + last @ u.T, GATES, axis=1)
        state = equations.sigmoid(f) * state + equations.sigmoid(i) * np.tanh(g)
        last = h[:, t] = equations.sigmoid(o) * np.tanh(state)
    return {"h": h}


OPERATION = Operation(
    name="lstm",
    title="an LSTM layer: gates that need the state",
    equation="s_t = f s_{t-1} + i g; h_t = o tanh(s_t); i, f, g, o of x_t and h_{t-1}",
    axes=gru.OPERATION.axes,
    small=gru.OPERATION.small,
    presets=gru.OPERATION.presets,
    tensors=partial(gru.tensors, gates=GATES),
    make_inputs=partial(gru.make_inputs, gates=GATES),
    reference=reference,
    least=partial(gru.least, gates=GATES),
    baseline="torch",
    tolerance=gru.OPERATION.tolerance,
    depth=lambda shape: shape["T"],
)
