"""Plans, costs and supports see the limits of the device where they take them; others are called as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.own_folder import folder
from workbench.catalog import load_catalog
from workbench.declare import Limits, Shape
from workbench.declared import DeclarationError
from workbench.limits import limits_for
from workbench.sweep.building import archs_for

SHAPE = Shape.of(N=300)
MINE = '"mine", plan, cost)'


def test_a_persistent_kernel_asks_for_the_multiprocessors(tmp_path: Path) -> None:
    root = folder(tmp_path, "def plan(s, settings):\n    N =", "def plan(s, settings, limits):\n    N = 128 * 2 *"
                  " limits.multiprocessors or")  # fmt: skip
    mine = load_catalog(root).variant("probe/mine")
    for count in (3, 132):
        (step,) = mine.plan(SHAPE, {}, Limits("sm_90", count, 0)).steps
        assert step.grid == (2 * count, 1, 1)
    assert mine.cost(SHAPE, {}, Limits("sm_90", 3, 0)) == mine.cost(SHAPE, {})


def test_a_variant_for_sm_90_and_later_is_unsupported_elsewhere(tmp_path: Path) -> None:
    root = folder(tmp_path, MINE, MINE[:-1] + ', supports=lambda s, limits: limits.lacks("sm_90"))')
    mine = load_catalog(root).variant("probe/mine")
    assert mine.supports(SHAPE, limits_for("sm_89")) == "needs sm_90 or later; this is sm_89"
    assert archs_for(mine, SHAPE, ("sm_89", "sm_90", "sm_100")) == ["sm_90", "sm_100"]


def test_a_plan_of_other_arguments_is_a_line(tmp_path: Path) -> None:
    root = folder(tmp_path, "def plan(s, settings):", "def plan(s):")
    with pytest.raises(DeclarationError, match=r"plan takes other arguments: define it as plan\(shape, settings\), or"):
        load_catalog(root).variant("probe/mine").plan(SHAPE, {})


def test_the_catalogues_own_persistent_kernel_asks_too() -> None:
    ring = load_catalog().variant("scan/look_back_ring")
    shape = Shape.of(B=64, T=65_536, H=1024, dtype="float32")
    grids = [
        ring.plan(shape, ring.default_settings(), Limits("sm_90", count, 227 << 10)).steps[-1].grid
        for count in (10, 132)
    ]
    assert grids == [(20, 1, 1), (264, 1, 1)]
