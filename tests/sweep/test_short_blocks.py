"""Blocks too short for the coordinator's clock to say anything of: longer ones are asked for, and believed once."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.measure.plausible import LONG_ENOUGH_S, Timed, against_the_wall
from workbench.sweep.presets import PRESETS
from workbench.sweep.variant_process import LONGER_BLOCKS, VariantProcess


def block(seconds: float, claimed: float, stretched: float = 1.0) -> Timed:
    """One that lasts as long as asked, with samples of 250 µs each, said to be `claimed` of what they were."""
    count = int(seconds / 250e-6)
    return Timed(seconds, seconds * stretched + 1e-3, (250e-6 * claimed,) * count, 1)


def judged(asked: float, claimed: float, longer: list[Timed]) -> tuple[str | None, int]:
    """The reason, and how many longer blocks were asked for."""
    process: Any = object.__new__(VariantProcess)
    process.device = "cpu"
    given = iter(longer)
    found = process._against_the_wall([block(asked, claimed)] * 5, lambda seconds: (None, next(given)))
    return found, len(longer) - len(list(given))


def test_what_a_short_block_hides_a_longer_one_shows() -> None:
    short = PRESETS["small"].block_s
    assert against_the_wall([block(short, 0.05)] * 5, "cpu") is None, "else no longer one were needed"
    reason, asked = judged(short, 0.05, [block(LONG_ENOUGH_S, 0.05)] * LONGER_BLOCKS)
    assert "times what their samples claim" in str(reason) and asked == LONGER_BLOCKS


@pytest.mark.parametrize("stretched", [[1.0, 9.0, 9.0], [9.0, 9.0, 1.0]])
def test_one_longer_block_that_keeps_to_the_clock_is_enough(stretched: list[float]) -> None:
    longer = [block(LONG_ENOUGH_S, 1.0, by) for by in stretched]
    assert judged(PRESETS["small"].block_s, 1.0, longer) == (None, 1 + stretched.index(1.0))


def test_long_blocks_are_followed_by_none() -> None:
    assert judged(LONG_ENOUGH_S, 1.0, []) == (None, 0)
