"""Bugs planted in the sources of gate, projection and layer: the harness that calls the real ones right finds them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kernels.covering import sliced
from tests.kernels.executed import verdict_of
from workbench.catalog import BUILTIN
from workbench.declare import Shape

pytestmark = pytest.mark.sliced

GATE = Shape.of("float32", B=2, T=70, D=37, H=70)
LONG = Shape.of("float32", B=2, T=900, D=5, H=66, O=17)
LONG_BF16 = Shape.of("bfloat16", B=2, T=300, D=70, H=66, O=17)

STORE = "    if (owner) chain.state[at] = leaving;\n"
MEET = "    __syncthreads();\n"
RELEASE = "    if (threadIdx.x == 0) release(flags + tile, STATE);"

# What is planted, the source, its text, what takes its place, the variant that runs it, and on what.
BUGS = {
    "a bias of the wrong gate": (
        "include/warp_dot.cuh",
        "load_io(bias + channels)",
        "load_io(bias)",
        "gate/fused",
        GATE,
    ),
    "a warp sum that leaves lanes out": (
        "include/warp_dot.cuh",
        "distance = WARP / 2; distance > 0;",
        "distance = WARP / 2; distance > 1;",
        "gate/per_step",
        GATE,
    ),
    "a step that reads the row of another": (
        "projection/10_per_step.cu",
        "h + (sequence * T + t) * H,",
        "h + (sequence * T + t + 1) * H,",
        "projection/per_step",
        Shape.of("float32", B=2, T=5, H=33, O=17),
    ),
    "a vector past the end of a row": (
        "gate/31_elementwise_vector.cu",
        "const int count = H - channel < VECTOR ? (int)(H - channel) : VECTOR;",
        "const int count = VECTOR;",
        "gate/batched_vector",
        GATE,
    ),
    "a barrier gone before the tile is read": (
        "include/product_tile.cuh",
        "        __syncthreads();\n        multiply_depth",
        "        multiply_depth",
        "gate/fused_shared",
        GATE,
    ),
    "a barrier gone before the tile is overwritten": (
        "include/product_tile.cuh",
        "        multiply_depth(tile, sums);\n        __syncthreads();",
        "        multiply_depth(tile, sums);",
        "gate/fused_shared",
        GATE,
    ),
    "a tile that reads past the depth": (
        "include/product_tile.cuh",
        "first_d + d < D ? rows : 0",
        "first_d + d <= D ? rows : 0",
        "gate/fused_shared",
        GATE,
    ),
    "a cell that forgets its initial state": (
        "layer/11_cell_step.cu",
        ": h0 ? h0[i] : 0.0f",
        ": 0.0f",
        "layer/per_step_fused",
        Shape.of("float32", B=2, T=9, D=5, H=33, O=17),
    ),
    "a step beyond the sequence that is no identity": (
        "layer/50_epilogue_scan.cu",
        "step + i < T ? gates(",
        "true ? gates(",
        "layer/epilogue_scan",
        LONG,
    ),
    "a tile that skips the summaries on its way forwards": (
        "include/tile_chain.cuh",
        "state = apply(Affine{__ldcg(chain.a + from), __ldcg(chain.b + from)}, state);",
        ";",
        "layer/epilogue_scan",
        LONG,
    ),
    "a tile that does not wait for the one before": (
        "include/tile_chain.cuh",
        "while ((progress = acquire(flags + nearest)) == NOTHING) backoff();",
        "progress = STATE;",
        "layer/epilogue_scan",
        LONG,
    ),
    "a flag released before its state is stored": (
        "include/tile_chain.cuh",
        STORE + MEET + RELEASE,
        RELEASE + MEET + STORE,
        "layer/epilogue_scan",
        LONG,
    ),
    "tiles numbered by block, not by ticket": (
        "layer/50_epilogue_scan.cu",
        "ticket = draw_ticket(flags);",
        "ticket = gridDim.x - 1 - blockIdx.x;",
        "layer/epilogue_scan",
        LONG,
    ),
    "steps dealt to the wrong columns": (
        "layer/51_epilogue_scan_tensor.cu",
        "of_segment / 2 * 8 + segment * 2 + of_segment % 2",
        "of_segment / 2 * 8 + segment + of_segment % 2 * 4",
        "layer/epilogue_scan_tensor",
        LONG_BF16,
    ),
    "a stage overwritten while it is read": (
        "layer/51_epilogue_scan_tensor.cu",
        "            __syncthreads();  // before the next copies overwrite this stage\n",
        "",
        "layer/epilogue_scan_tensor",
        LONG_BF16,
    ),
    "fragments with their halves of the depth exchanged": (
        "layer/51_epilogue_scan_tensor.cu",
        "[d + matrix % 2 * 8]",
        "[d + (matrix + 1) % 2 * 8]",
        "layer/epilogue_scan_tensor",
        LONG_BF16,
    ),
}


def plant(bug: str, folder: Path) -> Path:
    """A copy of the sources with the bug in it → the folder of the variant's .cu files."""
    source, text, replacement, variant, _ = BUGS[bug]
    for name in ("gate", "projection", "layer", "include"):
        (folder / name).mkdir()
        for pattern in ("*.cu", "*.cuh"):
            for file in (BUILTIN / name).glob(pattern):
                shutil.copy(file, folder / name)
    path = folder / source
    assert path.read_text().count(text) == 1, f"{source} no longer holds the text to change"
    path.write_text(path.read_text().replace(text, replacement))
    for file in (folder / "projection").glob("*.cu"):  # whose launches a layer's plan holds too
        shutil.copy(file, folder / "layer")
    return folder / variant.split("/")[0]


@pytest.mark.parametrize("bug", sliced(list(BUGS), __name__))
def test_a_planted_bug_is_found(bug: str, tmp_path: Path) -> None:
    variant, shape = BUGS[bug][3:]
    planted = plant(bug, tmp_path)
    verdict = verdict_of(variant, shape, "slow", planted)
    assert not verdict.right, f"{bug}: nothing is found and every schedule gives the right result"
    assert verdict.reason
