"""The experiment that this ladder starts from, as shapes of every operation of the minGRU layer (preset `experiment`).

One sequence, T doubled from 64 to 65,536 steps. The naive layer launches eight kernels a step; once its gates and its
scan are batched the projection, still a launch per step, is all that is left; once that is batched too, the matrix
products are. Where each takes over from the one before, and from which T on a GPU is the faster device, is what a
sweep over these shapes on both devices shows.
"""

from __future__ import annotations

CHANNELS = 256
SHAPES = tuple({"B": 1, "T": 64 << n, "D": CHANNELS, "H": CHANNELS, "O": CHANNELS} for n in range(11))
