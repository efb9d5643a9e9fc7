"""What the declarations of all CUDA rungs share: where the sources lie, the results, and the limits of a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from workbench.declare import Defines, Settings, Shape

HERE = Path(__file__).parent

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


@dataclass(frozen=True)
class Tile:
    """The tile of 70_ring.cu and 80_look_back.cu: each of `warps` warps holds `steps` steps of 32 `vector` channels."""

    warps: int
    steps: int
    vector: int

    @classmethod
    def of(cls, settings: Settings) -> Tile:
        """From the setting "tile", written WARPSxSTEPSxVECTOR: the three go together, so they are one setting."""
        return cls(*map(int, str(settings["tile"]).split("x")))

    @property
    def length(self) -> int:
        """Steps of a tile."""
        return self.warps * self.steps

    @property
    def channels(self) -> int:
        """Channels of a tile."""
        return LANES * self.vector

    @property
    def defines(self) -> Defines:
        return (("WARPS", self.warps), ("STEPS", self.steps), ("VECTOR", self.vector))


MOST_STAGES = 8
"""Of a ring: beyond 8, small stages only add barriers."""
BARRIER_BYTES, MAP_BYTES, TICKET_BYTES = 8, 8, 4
"""Of an Mbarrier, an Affine and a ticket in shared memory."""


def ring_of(tile: Tile, kilobytes: int, step_bytes: int, least_stages: int) -> tuple[Tile, int, int]:
    """Tile, stages and bytes of a stage of a ring in so much shared memory. Where fewer than `least_stages` would fit,
    tiles of fewer steps: every setting then runs on every device and in every dtype."""
    while (stage_bytes := tile.length * tile.channels * step_bytes) * least_stages > kilobytes * 1024:
        tile = replace(tile, steps=tile.steps // 2)
    return tile, min(MOST_STAGES, kilobytes * 1024 // stage_bytes), stage_bytes
