"""SRU's second version (the package `sru`): gates that see their own channel of the state.

    c_t = sigma(-k') c_{t-1} + sigma(k') v      k' = k + w_k c_{t-1}
    h_t = s m phi(c_t) + (1 - s) x              s = sigma(r + w_r c_{t-1})

Forwards time is serial. Backwards it is a linear scan: every gate's slope is known, and the chain rule is linear. Axes
and tensors are those of the first version (sru_scan), with w (directions, 2, H) beside them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kernel_variants.gated_scan.backward import VANISHED
from kernel_variants.sru_scan import operation as first_version
from kernel_variants.sru_scan import tensors
from workbench.declare import Tolerance

SUM_VANISHED = 1e-18
"""dw sums gradients over sequences and steps: a million that vanished (gated_scan.backward.VANISHED) are 0 as well."""


def _tolerance(relative: float) -> dict[str, Tolerance]:
    each = Tolerance(relative, VANISHED)
    return {"dpre": each, "dx": each, "dc0": each, "dw": Tolerance(relative, SUM_VANISHED)}


BACKWARD = replace(
    first_version.BACKWARD,
    equation="lambda = gh s m phi'(c) + mu_{t+1}, mu = J lambda + w_r dr, J = a + w_k (v - c_{t-1}) a z; "
    "dk, dv, dr, dx as sru_scan; dw = sums of dk c_{t-1}, dr c_{t-1}",
    tensors=partial(tensors.backward, weights=True),
    make_inputs=partial(tensors.make_backward, weights=True),
    tolerance={"float32": _tolerance(2e-6), "bfloat16": _tolerance(4e-3)},
)

OPERATION = replace(
    first_version.OPERATION,
    name="sru2_scan",
    title="SRU's second version: gates that see their channel of the state",
    equation="c_t = sigma(-k') c_{t-1} + sigma(k') v, k' = k + w_k c_{t-1}; h_t = s m phi(c_t) + (1 - s) x, "
    "s = sigma(r + w_r c_{t-1})",
    tensors=partial(tensors.forward, weights=True),
    make_inputs=partial(tensors.make_forward, weights=True),
    passes=(BACKWARD,),
)
