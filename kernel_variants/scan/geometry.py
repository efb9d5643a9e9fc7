"""What the declarations of all CUDA rungs share: where the sources lie, the results, and the limits of a grid."""

from __future__ import annotations

from pathlib import Path

from workbench.declare import Shape

HERE = Path(__file__).parent
RESULTS = ("h0", "h", "h_last")
"""The arguments that follow the streams of every kernel that computes a whole scan."""

LANES = 32
GRID_LIMIT = 65535
"""Largest grid.y and grid.z (CUDA C++ programming guide, technical specifications per compute capability)."""
GRID_X_LIMIT = 2**31 - 1


def log2_ceil(n: int) -> int:
    """The least L with 2^L >= n: levels of a tree over n leaves."""
    return (n - 1).bit_length()


def few_sequences(shape: Shape) -> str | None:
    """For kernels that put the sequence on grid.y or grid.z: the reason why there are too many, if so."""
    return f"B={shape['B']} is over the {GRID_LIMIT} blocks of a grid's y and z" if shape["B"] > GRID_LIMIT else None
