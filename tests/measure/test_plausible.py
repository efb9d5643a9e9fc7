"""Times that cannot be: what is under the bound, or against the coordinator's clock; and what is merely odd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.executed import catalog
from workbench.declare import Shape
from workbench.measure.plausible import (
    CORE_BYTES_PER_S,
    MOST_OVER,
    Timed,
    against_the_wall,
    against_unseen,
    least_seconds,
    most_flushing_s,
)

CATALOG = catalog()
SHAPE = Shape.of("float32", B=4, T=64, H=512)


def test_a_picosecond_is_no_time_and_a_first_cache_s_is() -> None:
    """A core that copies 64 bytes in and out in a clock at 4 GHz, from its first cache, is within the bound."""
    least = least_seconds(CATALOG.operation("scan"), SHAPE, "cpu", {})
    assert least is not None and least > 1e-9
    moved = CATALOG.operation("scan").least(SHAPE).bytes
    assert least < moved / CORE_BYTES_PER_S < moved / (128 * 4e9)


@pytest.mark.parametrize("operation", sorted(CATALOG.operations))
def test_the_bound_is_under_the_limit_of_any_memory(operation: str) -> None:
    """Honest variants were seen at 4.2 times the limit at 40 GB/s of main memory."""
    declared = CATALOG.operation(operation)
    shape = Shape(tuple(declared.axes.items()))
    least = least_seconds(declared, shape, "cpu", {"copy_bytes_per_s": 4e10})
    assert least is not None and 4.2 * least < declared.least(shape).bytes / 4e10


def test_a_gpu_without_ceilings_has_no_bound() -> None:
    scan = CATALOG.operation("scan")
    assert least_seconds(scan, SHAPE, "cuda", {}) is None
    known = least_seconds(
        scan, SHAPE, "cuda", {"copy_bytes_per_s": 3e12, "l2_bytes_per_s": 9e13, "matmul_flops_per_s": 1e18}
    )
    assert known == pytest.approx(0.8 * scan.least(SHAPE).bytes / 8 / 3e12)


def block(waited_s: float, samples_s: tuple[float, ...] = (1e-3,) * 40, repeats: int = 1, asked: float = 0.04) -> Timed:
    return Timed(asked, waited_s, samples_s, repeats)


def test_blocks_that_hang_together_say_nothing() -> None:
    assert against_the_wall([], "cpu") is None
    assert against_the_wall([block(0.043)] * 5, "cpu") is None


def test_a_busy_machine_says_nothing() -> None:
    """Three blocks of four that waited ten times their length for a message."""
    assert against_the_wall([block(0.4)] * 6 + [block(0.05)] * 2, "cpu") is None


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([block(0.001)] + [block(0.041)] * 9, "a block that was to last 0.04 s was there after 0.001 s"),
        ([block(0.041, (1e-2,) * 40)] * 3, "blocks claim 9.76 times the time"),
        ([block(0.06, (1e-5,) * 40)] * 3, "times what their samples claim"),
        ([block(0.06, (1e-12,) * 3)] * 3, "times what their samples claim"),
    ],
)
def test_clocks_that_disagree(blocks: list[Timed], reason: str) -> None:
    assert reason in (against_the_wall(blocks, "cpu") or "")


@given(st.floats(1e-7, 10.0), st.integers(1, 1000), st.integers(1, 2000), st.floats(1.0, MOST_OVER * 0.99))
def test_no_honest_block_is_against_the_wall(one_s: float, count: int, repeats: int, over: float) -> None:
    """Whatever the length of an evaluation, as long as the coordinator does not wait several times as long."""
    claimed = one_s * count * repeats
    timed = Timed(0.0, claimed * over, (one_s,) * count, repeats)
    assert against_the_wall([timed] * 4, "cpu") is None


@pytest.mark.parametrize(
    ("median", "unseen", "again", "believed"),
    [
        (1e-3, [1.1e-3, 5e-3], [1e-3, 1e-3], True),
        (1e-3, [9.9e-3, 9.9e-3], [1e-3, 1e-3], True),
        (2e-6, [6e-5, 5e-5], [2e-6, 2e-6], True),  # the code was in no cache
        (2e-6, [8e-3, 8e-3], [8e-3, 2e-6], True),  # a busy machine: the same inputs took as long
        (2e-6, [8e-3, 2e-6], [2e-6, 2e-6], True),
        (2e-6, [8e-3, 8e-3], [2e-6, 2e-6], False),
        (1e-3, [1.2e-2, 1.2e-2], [1e-3, 1e-3], False),
        (1e-3, [], [], True),
    ],
)
def test_inputs_never_seen_before(median: float, unseen: list[float], again: list[float], believed: bool) -> None:
    assert (against_unseen(median, unseen, again) is None) == believed


def test_flushing_hides_no_work() -> None:
    """A block of evaluations of 2 ms, each flushed for 1 ms, that claims a twentieth; the same that claims it all."""
    flushed = {"asked_s": 0.04, "waited_s": 20 * 3e-3, "repeats": 1, "flushing_s": 20 * 1e-3}
    honest, cheat = (Timed(samples_s=(s,) * 20, **flushed) for s in (2e-3, 1e-4))  # type: ignore[arg-type]
    assert against_the_wall([honest] * 4, "cpu") is None
    assert "times what their samples claim" in (against_the_wall([cheat] * 4, "cpu") or "")
    assert most_flushing_s(1_600_000, 20) == pytest.approx(20 * (20e-6 + 1.6e-3)), "and no more"
