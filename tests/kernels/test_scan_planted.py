"""Bugs planted in the scan's sources: the harness that calls the real ones right must call these wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kernels.covering import sliced
from tests.kernels.executed import verdict_of
from workbench.catalog import BUILTIN
from workbench.declare import Shape

pytestmark = pytest.mark.sliced

# What is planted, the source, its text, what takes its place, and the variant that runs it.
BUGS = {
    "a carry that forgets a chunk": (
        "scan/60_three_phase.cu",
        "state = apply(Affine{summary_a[at], summary_b[at]}, state);",
        "state = summary_b[at];",
        "scan/three_phase",
    ),
    "a step composed the wrong way round": (
        "include/affine.cuh",
        "Affine{later.a * earlier.a, later.a * earlier.b + later.b}",
        "Affine{later.a * earlier.a, earlier.a * later.b + earlier.b}",
        "scan/hillis_steele",
    ),
    "a level that reads a row too early": (
        "scan/20_hillis_steele.cu",
        "if (step < distance) return here;",
        "if (step + 1 < distance) return here;",
        "scan/hillis_steele",
    ),
    "a barrier gone from the up-sweep": (
        "scan/30_blelloch.cu",
        "                input[right] = both.b;\n            }\n            __syncthreads();",
        "                input[right] = both.b;\n            }",
        "scan/blelloch",
    ),
    "a barrier gone from the down-sweep": (
        "scan/30_blelloch.cu",
        "                input[left] = entering;\n            }\n            __syncthreads();",
        "                input[left] = entering;\n            }",
        "scan/blelloch",
    ),
    "a barrier gone before the tile is turned back": (
        "scan/40_warp_shuffle.cu",
        "        __syncthreads();\n\n#pragma unroll\n        for (int i = 0; i < TILE_STEPS / WARPS; ++i) {\n"
        "            const int step = warp + i * WARPS;\n            if (present",
        "#pragma unroll\n        for (int i = 0; i < TILE_STEPS / WARPS; ++i) {\n"
        "            const int step = warp + i * WARPS;\n            if (present",
        "scan/warp_shuffle",
    ),
    "a vector that stores one channel too many": (
        "include/vector.cuh",
        "        if (i < count) p[i] = values.at[i];",
        "        if (i <= count) p[i] = values.at[i];",
        "scan/vector",
    ),
    "a prefetch past the end": (
        "scan/54_prefetch.cu",
        "if (t + i + AHEAD < T) raw",
        "if (t + i < T) raw",
        "scan/prefetch",
    ),
    "computing warps that do not wait for the copies": (
        "scan/70_ring.cu",
        "shared.full[stage].wait(round & 1);",
        "",
        "scan/ring",
    ),
    "a copying warp that does not wait for room": (
        "scan/70_ring.cu",
        "shared.empty[stage].wait((round & 1) ^ 1);",
        "",
        "scan/ring",
    ),
    "a word that is taken before it is there": (
        "include/flagged.cuh",
        "{ return word >> 32 != 0; }",
        "{ return true; }",
        "scan/look_back_fixed",
    ),
    "tiles numbered by block, not by ticket": (
        "scan/80_look_back.cu",
        "ticket = draw_ticket(tickets);",
        "ticket = gridDim.x - 1 - blockIdx.x;",
        "scan/look_back_free",
    ),
}


def plant(bug: str, folder: Path) -> Path:
    """A copy of the sources with the bug in it → the folder of the .cu files."""
    source, text, replacement, _ = BUGS[bug]
    for name in ("scan", "include"):
        (folder / name).mkdir()
        for pattern in ("*.cu", "*.cuh"):
            for file in (BUILTIN / name).glob(pattern):
                shutil.copy(file, folder / name)
    path = folder / source
    assert path.read_text().count(text) == 1, f"{source} no longer holds the text to change"
    path.write_text(path.read_text().replace(text, replacement))
    return folder / "scan"


@pytest.mark.parametrize("bug", sliced(list(BUGS), __name__))
def test_a_planted_bug_is_found(bug: str, tmp_path: Path) -> None:
    variant = BUGS[bug][3]
    planted = plant(bug, tmp_path)
    verdict = verdict_of(variant, Shape.of("float32", B=1, T=9000, H=3), "slow", planted)
    assert not verdict.right, f"{bug}: nothing is found and every schedule gives the right result"
    assert verdict.reason
