"""Bugs planted in the project's own kernels, and what the simulator says of each: which fault, of which thread.

Each is a small change to a copy of a source. The unchanged kernels pass in every schedule (tests/kernels).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernels.covering import sliced
from tests.kernels.executed import verdict_of
from workbench.catalog import BUILTIN
from workbench.declare import Shape

pytestmark = pytest.mark.sliced

SCAN = Shape.of("float32", B=2, T=1100, H=5)
GATE = Shape.of("float32", B=2, T=71, D=37, H=67)  # outputs do not fill the last block


@dataclass(frozen=True)
class Bug:
    variant: str
    source: str
    text: str
    instead: str
    found_as: str
    """The kind of fault, or "wrong" where only the result shows it."""
    shape: Shape = SCAN
    occurrence: int = 0
    """Which of the places that hold `text`, from 0."""


BUGS = {
    "an index one too far": Bug("scan/serial", "scan/50_serial.cu", "t < T", "t <= T", "stray_"),
    "an output one too far": Bug("gate/fused", "gate/21_fused.cu", "a[output]", "a[output + 1]", "stray_write", GATE),
    "a bound one too far": Bug(
        "gate/fused", "gate/21_fused.cu", "output >= rows * H", "output > rows * H", "stray_", GATE
    ),
    "a barrier gone behind the load of a tile": Bug(
        "scan/blelloch", "scan/30_blelloch.cu", "__syncthreads();", "", "race", occurrence=0
    ),
    "a barrier gone between load and product": Bug(
        "gate/fused_shared", "include/product_tile.cuh", "__syncthreads();", "", "race", GATE, occurrence=0
    ),
    "a barrier gone between product and next load": Bug(
        "gate/fused_shared", "include/product_tile.cuh", "__syncthreads();", "", "race", GATE, occurrence=1
    ),
    "a carry from the step before the last": Bug(
        "scan/blelloch", "scan/30_blelloch.cu", "leaf_row == CHUNK - 1", "leaf_row == CHUNK - 2", "wrong"
    ),
    "a carry from the lane before the last": Bug(
        "scan/warp_shuffle", "scan/40_warp_shuffle.cu", "state, LANES - 1)", "state, LANES - 2)", "wrong"
    ),
    "a sum that half of the warp computes": Bug(
        "gate/fused",
        "include/warp_dot.cuh",
        "distance = WARP / 2; distance > 0",
        "distance = WARP / 2; distance > 0 && lane_index() < 16",
        "uninitialised_store",
        GATE,
    ),
    "a shuffle that names half of the warp": Bug(
        "scan/warp_shuffle",
        "scan/40_warp_shuffle.cu",
        "__shfl_sync(ALL_LANES",
        "__shfl_sync(0xffff",
        "outside_of_mask",
    ),
    "threads without a channel that leave before a barrier": Bug(
        "scan/blelloch",
        "scan/30_blelloch.cu",
        "    for (index_t start",
        "    if (!present) return;\n    for (index_t start",
        "wrong",
    ),
    "a barrier that half of the block passes by": Bug(
        "gate/fused_shared",
        "include/product_tile.cuh",
        "__syncthreads();",
        "if (threadIdx.x < 64) __syncthreads();",
        "race",
        GATE,
    ),
    "one stage more than the launch has shared memory for": Bug(
        "scan/ring", "scan/70_ring.cu", "TileStage stage[STAGES];", "TileStage stage[STAGES + 1];", "stray_write"
    ),
    "an array of shared memory that is one row short": Bug(
        "scan/warp_shuffle", "scan/40_warp_shuffle.cu", "tile_b[LANES][", "tile_b[LANES - 1][", "stray_write"
    ),
    "tiles in the order of blocks": Bug(
        "scan/look_back_free",
        "scan/80_look_back.cu",
        "ticket = draw_ticket(tickets)",
        "ticket = blockIdx.x",
        "waits_forever",
    ),
}


def plant(bug: Bug, folder: Path) -> Path:
    """Copies the sources with the bug in them → the folder of the variant's .cu files."""
    kernels = bug.variant.split("/")[0]
    for name in (kernels, "include"):
        shutil.copytree(BUILTIN / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    path = folder / bug.source
    pieces = path.read_text().split(bug.text)
    assert len(pieces) > bug.occurrence + 1, f"{bug.source} no longer holds the text to change: {bug.text}"
    before, behind = pieces[: bug.occurrence + 1], pieces[bug.occurrence + 1 :]
    path.write_text(bug.text.join(before) + bug.instead + bug.text.join(behind))
    return folder / kernels


@pytest.mark.parametrize("name", sliced(list(BUGS), __name__))
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    verdict = verdict_of(bug.variant, bug.shape, "slow", plant(bug, tmp_path))
    assert not verdict.right, name
    if bug.found_as == "wrong":
        assert not verdict.findings and verdict.comparison is not None and not verdict.comparison.right
    else:
        told = [finding for finding in verdict.findings if f": {bug.found_as}" in finding]
        assert told and "kernel " in told[0] and "block (" in told[0] and "lane " in told[0], verdict.findings
