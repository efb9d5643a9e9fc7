"""Random weights of the projection, for every pass."""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Shape


def make_weights(shape: Shape, random: np.random.Generator) -> Arrays:
    """w_out N(0, 1/H), so that y is of the size of h, and bias_out N(1, 0.04).

    With a bias about 0 an output can be a small difference of large rounded terms (all of a run of time, where h is
    slow), and its relative error then tells of the draw and not of the kernel.
    """
    H, O = shape["H"], shape["O"]
    return {
        "w_out": random.standard_normal((O, H), dtype=np.float32) / np.float32(np.sqrt(H)),
        "bias_out": random.standard_normal((O,), dtype=np.float32) * np.float32(0.2) + np.float32(1.0),
    }
