"""SRU's first version (arXiv 1709.02755), its gates and its highway inside the scan: pre, x → h.

    c_t = sigma(-k) c_{t-1} + sigma(k) v      h_t = s m phi(c_t) + (1 - s) x      s = sigma(r)

k is the logit of what comes in: minus that of the paper's forget gate. Axes beside B, T, H: `directions` of time, 1 or
2; `phi`, 1 the identity or 2 tanh; `rows` of pre, 3 where the highway takes the layer's input x and 4 where it has a
product of its own (layers of other widths than their inputs); `dropout`, 1 none (m is 1) or 2 a mask m of the paper's
convention, (directions, B, H): the same at every step. c crosses memory too, because a backward pass needs it:
6 values per element for each direction.
"""

from __future__ import annotations

from dataclasses import replace

from kernel_variants import layer_shapes
from kernel_variants.gated_scan.backward import VANISHED
from kernel_variants.sru_scan import tensors
from kernel_variants.sru_scan.cell import (
    LEAST_SPECIAL,
    LEAST_SPECIAL_OF_TANH,
    MASKED,
    TANH,
    backward_cells,
    forward_cells,
    has_tanh,
)
from workbench.declare import Cost, Operation, Pass, Shape, Tolerance


def _special(shape: Shape) -> int:
    of_tanh = LEAST_SPECIAL_OF_TANH if has_tanh(shape) else 0
    return (LEAST_SPECIAL + of_tanh) * shape["B"] * shape["T"] * shape["H"] * shape["directions"]


def least(shape: Shape) -> Cost:
    first, *others = (cell.cost(shape, launches=1, serial_steps=0) for cell in forward_cells(shape))
    return replace(sum(others, first), special=_special(shape), launches=1)


def least_backward(shape: Shape) -> Cost:
    """pre, x and gh in, their gradients out; c, which pre makes again, is left out."""
    first, *others = (cell.cost(shape, launches=1, serial_steps=0) for cell in backward_cells(shape))
    cost = sum(others, first)
    c = shape["B"] * shape["T"] * shape["H"] * shape["directions"] * shape.element_bytes
    return replace(cost, bytes=cost.bytes - c, special=_special(shape), launches=1)


BACKWARD = Pass(
    name="backward",
    equation="lambda = gh s m phi'(c) + mu_{t+1}, mu = a lambda; dk = lambda (v - c_{t-1}) a z, dv = lambda z, "
    "dr = gh (m phi(c) - x) s (1 - s), dx = gh (1 - s)",
    tensors=tensors.backward,
    make_inputs=tensors.make_backward,
    reference=tensors.reference_backward,
    least=least_backward,
    baseline="autograd",
    tolerance={"float32": Tolerance(2e-6, VANISHED), "bfloat16": Tolerance(4e-3, VANISHED)},
)

OPERATION = Operation(
    name="sru_scan",
    title="SRU: gates, linear recurrence and highway in one",
    equation="c_t = sigma(-k) c_{t-1} + sigma(k) v; h_t = sigma(r) m phi(c_t) + sigma(-r) x",
    axes={"B": 4, "T": 4096, "H": 1024, "directions": 1, "phi": 1, "rows": 3, "dropout": 1},
    small={"B": 2, "T": 67, "H": 33, "directions": 2, "phi": 2, "rows": 3, "dropout": 2},
    presets={
        "layers": layer_shapes.SHAPES,
        "quick": (),  # the budget of minGRU's ladder
        "standard": ({}, {"T": 2048, "directions": 2, "phi": TANH, "dropout": MASKED}),
        "gpu": ({"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},),
        # The two panels of figure 1 of arXiv 1709.02755, and where one thread per channel fills no machine.
        "peers": (
            {"B": 32, "T": 32, "H": 256, "phi": TANH},
            {"B": 32, "T": 128, "H": 512, "phi": TANH},
            {"B": 1, "T": 65536, "H": 256},
        ),
    },
    tensors=tensors.forward,
    make_inputs=tensors.make_forward,
    reference=tensors.reference_forward,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
    depth=lambda shape: shape["T"],
    passes=(BACKWARD,),
)
