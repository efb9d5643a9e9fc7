"""What every pass of the layer starts from."""

from __future__ import annotations

import numpy as np

from kernel_variants.gate import inputs as gate
from kernel_variants.projection.weights import make_weights
from workbench.declare import Arrays, Shape


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The gate's inputs of that regime, h0 of |N(0, 1)|, and the projection's weights.

    States of this cell are positive if the first one is, because g is. A negative one would pass through 0 on its way,
    and what is left of it there is a difference of larger numbers, which no relative bound can judge.
    """
    h0 = np.abs(random.standard_normal((shape["B"], shape["H"]), dtype=np.float32))
    return {**gate.make_inputs(shape, regime, random), "h0": h0, **make_weights(shape, random)}
