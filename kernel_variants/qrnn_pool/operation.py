"""QRNN's pooling (arXiv 1611.01576), its gates inside the scan: pre → h.

    c_t = sigma(-k) c_{t-1} + w tanh(v)      h_t = c_t, or sigma(o) c_t

k is the logit of what comes in. The axis `rows` of pre (B, T, rows, H) says which pooling it is: 2, f, k and v with
w = sigma(k) and h = c; 3, fo, with o; 4, ifo, with an input gate of its own, w = sigma(i). With o, c crosses memory
besides h, because a backward pass needs it: 3, 5 and 6 values per element.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations, layer_shapes
from kernel_variants.equations import Array
from kernel_variants.gated_scan.backward import VANISHED
from kernel_variants.qrnn_pool.cell import F_POOLING, FO_POOLING, IFO_POOLING, backward_cells, forward_cells, states_of
from workbench.declare import Arrays, Cost, Operation, Pass, Role, Shape, Tensor, Tolerance


def _read(shape: Shape, role: Role) -> tuple[Tensor, ...]:
    B, T, H, rows = (shape[axis] for axis in ("B", "T", "H", "rows"))
    return Tensor("pre", (B, T, rows, H), shape.dtype, role), Tensor("c0", (B, H), "float32")


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    size = (shape["B"], shape["T"], shape["H"])
    c = () if shape["rows"] == F_POOLING else (Tensor("c", size, shape.dtype, "output"),)
    last = Tensor("c_last", (shape["B"], shape["H"]), "float32", "output")
    return (*_read(shape, "input"), Tensor("h", size, shape.dtype, "output"), *c, last)


def tensors_backward(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    pre, c0 = _read(shape, "saved")
    return (
        pre,
        c0,
        Tensor(states_of(shape), (B, T, H), shape.dtype, "saved"),
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("gc_last", (B, H), "float32"),
        replace(pre, name="dpre", role="output"),
        Tensor("dc0", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """All N(0, 1); slow: k of N(-4, 1), a near 1; saturated: k, o and i one of -100 and 100 each."""
    B, T, H, rows = (shape[axis] for axis in ("B", "T", "H", "rows"))
    pre = random.standard_normal((B, T, rows, H), dtype=np.float32)
    if regime == "slow":
        pre[:, :, 0] -= 4.0
    elif regime == "saturated":
        gates = [part for part in range(rows) if part != 1]
        pre[:, :, gates] = np.where(pre[:, :, gates] > 0, 100.0, -100.0)
    return {"pre": pre, "c0": random.standard_normal((B, H), dtype=np.float32)}


def make_backward(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The same, rounded, with the states that follow and gradients of N(0, 1)."""
    made = make_inputs(shape, regime, random)
    pre, c0 = equations.rounded(made["pre"], shape.dtype), made["c0"]
    a, b, _ = _gates(pre.astype(np.float64))
    c, _ = equations.scan(a, b, c0)
    gh, gc_last = (random.standard_normal(array.shape, dtype=np.float32) for array in (c, c0))
    return {"pre": pre, "c0": c0, states_of(shape): c.astype(np.float32), "gh": gh, "gc_last": gc_last}


def _gates(pre: Array) -> tuple[Array, Array, Array]:
    """pre → a, b and the output gate, 1 where there is none."""
    k, v = pre[:, :, 0], pre[:, :, 1]
    write = equations.sigmoid(pre[:, :, 3] if pre.shape[2] == IFO_POOLING else k)
    o = equations.sigmoid(pre[:, :, 2]) if pre.shape[2] > F_POOLING else np.ones_like(k)
    return equations.sigmoid(-k), write * np.tanh(v), o


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, b, o = _gates(inputs["pre"])
    c, last = equations.scan(a, b, inputs["c0"])
    return {"h": o * c, "c_last": last, **({} if shape["rows"] == F_POOLING else {"c": c})}


def reference_backward(shape: Shape, inputs: Arrays) -> Arrays:
    """Of the states that follow from pre, whatever a variant was handed for them."""
    pre, c0, gh = inputs["pre"], inputs["c0"], inputs["gh"]
    sigmoid = equations.sigmoid
    a, b, o = _gates(pre)
    c, _ = equations.scan(a, b, c0)
    da, db, dc0 = equations.scan_backward(a, c, c0, gh * o, inputs["gc_last"])
    k, t = pre[:, :, 0], np.tanh(pre[:, :, 1])
    both = sigmoid(k) * sigmoid(-k)
    own = shape["rows"] == IFO_POOLING
    write = sigmoid(pre[:, :, 3]) if own else sigmoid(k)
    rows = [-da * both if own else (db * t - da) * both, db * write / np.cosh(np.clip(pre[:, :, 1], -300, 300)) ** 2]
    if shape["rows"] > F_POOLING:
        rows.append(gh * c * o * sigmoid(-pre[:, :, 2]))
    if own:
        rows.append(db * t * write * sigmoid(-pre[:, :, 3]))
    return {"dpre": np.stack(rows, 2), "dc0": dc0}


def _special(shape: Shape) -> int:
    """The exponentials."""
    return shape["rows"] * shape["B"] * shape["T"] * shape["H"]


def least(shape: Shape) -> Cost:
    (cell,) = forward_cells(shape)
    return replace(cell.cost(shape, launches=1, serial_steps=0), special=_special(shape))


def least_backward(shape: Shape) -> Cost:
    """pre and gh in, dpre out; c, which pre makes again, is left out."""
    (cell,) = backward_cells(shape)
    cost = cell.cost(shape, launches=1, serial_steps=0)
    c = shape["B"] * shape["T"] * shape["H"] * shape.element_bytes
    return replace(cost, bytes=cost.bytes - c, special=_special(shape))


BACKWARD = Pass(
    name="backward",
    equation="lambda = gh sigma(o) + m_{t+1}, m = a lambda; dk = lambda (tanh(v) - c_{t-1}) a sigma(k), "
    "dv = lambda sigma(k) (1 - tanh(v)^2), do = gh c sigma(o) sigma(-o)",
    tensors=tensors_backward,
    make_inputs=make_backward,
    reference=reference_backward,
    least=least_backward,
    baseline="autograd",
    tolerance={"float32": Tolerance(2e-6, VANISHED), "bfloat16": Tolerance(4e-3, VANISHED)},
)

OPERATION = Operation(
    name="qrnn_pool",
    title="QRNN's pooling: gates and linear recurrence in one",
    equation="c_t = sigma(-k) c_{t-1} + sigma(k) tanh(v); h_t = sigma(o) c_t",
    axes={"B": 4, "T": 4096, "H": 1024, "rows": 3},
    small={"B": 2, "T": 67, "H": 33, "rows": 3},
    presets={
        "layers": layer_shapes.SHAPES,
        "quick": (),  # the budget of minGRU's ladder
        "standard": ({"rows": FO_POOLING}, {"rows": IFO_POOLING, "T": 2048}),
        "gpu": ({"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},),
        "peers": ({"B": 8, "T": 16384, "H": 1024, "dtype": "bfloat16"}, {"B": 1, "T": 65536, "H": 256}),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
    depth=lambda shape: shape["T"],
    passes=(BACKWARD,),
)
