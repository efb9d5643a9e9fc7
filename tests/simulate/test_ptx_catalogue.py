"""Every CUDA kernel of the catalogue, simulated from NVRTC's PTX, agrees with its float64 reference."""

from __future__ import annotations

import pytest

from tests.simulate.simulated_case import Case, bound, cases, run
from workbench.declare import Shape
from workbench.simulate.launch import Options


@pytest.mark.parametrize("case", cases(), ids=str)
def test_the_catalogue(case: Case) -> None:
    errors, counts = run(case)
    wrong = {name: error for name, error in errors.items() if not error <= bound(case)}
    assert not wrong, f"{case}: relative L2 error {wrong}, bound {bound(case)}"
    assert sum(step.total("executed") for step in counts if step is not None) > 0


SYNCHRONISING = (
    "look_back_fixed",
    "look_back_free",
    "look_back_ring",
    "ring",
    "blelloch",
    "warp_shuffle",
    "three_phase",
)
SEEDS = (1, 2, 3)


def synchronising() -> list[Case]:
    shape = Shape.of("float32", B=2, T=600, H=40)
    return [Case(f"scan/{name}", shape) for name in SYNCHRONISING]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", synchronising(), ids=str)
def test_what_waits_for_others_is_right_in_every_schedule(case: Case, seed: int) -> None:
    """Order of blocks, warps and splits, and how long each runs, by the seed; copies late and at once."""
    for at_once in (False, True):
        options = Options(seed=seed, resident=3 + seed, quantum=50 * seed, copies_at_once=at_once)
        errors, _ = run(case, options)
        assert all(error <= bound(case) for error in errors.values()), (errors, at_once)
