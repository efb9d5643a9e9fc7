"""Shapes by which layers to take home choose their kernels on a CPU (preset `layers`): long and short, narrow and wide,
those of the benchmark among them. A table of them says what is fastest within 8 times of each (docs/layers.md)."""

from __future__ import annotations

Sizes = dict[str, int | str]


def _narrow(T: int) -> Sizes:
    return {"B": 16, "T": T, "H": 256}


def _wide(T: int) -> Sizes:
    return {"B": 4, "T": T, "H": 1024}


SHAPES: tuple[Sizes, ...] = (
    _narrow(256), _narrow(1024), _narrow(4096), _wide(1024), _wide(4096),
    {**_narrow(1024), "dtype": "bfloat16"}, {**_wide(4096), "dtype": "bfloat16"},
)  # fmt: skip
STACKS: tuple[Sizes, ...] = (
    {"B": 4, "T": 2048, "H": 256, "layers": 4},
    {"B": 4, "T": 2048, "H": 256, "layers": 2, "directions": 2},
)
