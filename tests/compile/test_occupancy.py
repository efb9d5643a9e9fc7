"""Theoretical occupancy against numbers worked out by hand from the limits of the CUDA programming guide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.compile import occupancy, sweep
from workbench.devices import arch_limits
from workbench.problem import Problem

KB = 1024


@pytest.mark.parametrize(
    ("arch", "block", "registers", "shared", "blocks", "fraction", "limiter"),
    [
        # 65,536 registers: 256 threads x 64 = 16,384 a block, 4 blocks of 8 warps out of 64.
        ("sm_90", 256, 64, 0, 4, 0.5, "registers"),
        # 33 registers x 32 lanes, allocated in 256s: 1,280 a warp; 16,384 a partition hold 12 warps, an SM 48.
        ("sm_90", 128, 33, 0, 12, 0.75, "registers"),
        ("sm_90", 256, 32, 0, 8, 1.0, "warps"),
        # 32 blocks of one warp are all that an SM takes.
        ("sm_90", 32, 32, 0, 32, 0.5, "blocks"),
        # 100 KB and the reserved 1 KB: two of them in 228 KB.
        ("sm_90", 256, 32, 100 * KB, 2, 0.25, "shared memory"),
        # 33 KB with the reserved one: six of them, where 32 KB alone would make seven.
        ("sm_90", 64, 32, 32 * KB, 6, 0.1875, "shared memory"),
        ("sm_90", 256, 32, 227 * KB, 1, 0.125, "shared memory"),
        ("sm_90", 256, 32, 227 * KB + 1, 0, 0.0, "shared memory"),
        ("sm_90", 256, 32, 10_000 * KB, 0, 0.0, "shared memory"),
        # 65 x 32 = 2,080, allocated as 2,304 a warp; 32 warps want 73,728 of 65,536.
        ("sm_90", 1024, 65, 0, 0, 0.0, "registers"),
        ("sm_80", 256, 32, 81 * KB, 2, 0.25, "shared memory"),
        # 1,536 threads an SM: one block of 1,024 leaves a third empty.
        ("sm_86", 1024, 32, 0, 1, 2 / 3, "warps"),
        ("sm_86", 64, 32, 0, 16, 2 / 3, "blocks"),
        ("sm_89", 64, 32, 0, 24, 1.0, "warps"),
        ("sm_89", 256, 32, 48 * KB, 2, 1 / 3, "shared memory"),
        ("sm_120", 256, 32, 99 * KB, 1, 1 / 6, "shared memory"),
        ("sm_100", 256, 128, 0, 2, 0.25, "registers"),
    ],
)  # fmt: skip
def test_hand_computed(
    arch: str, block: int, registers: int, shared: int, blocks: int, fraction: float, limiter: str
) -> None:
    found = occupancy(arch, block, registers, shared)
    assert (found.blocks_per_sm, found.limiter) == (blocks, limiter)
    assert found.fraction == pytest.approx(fraction)
    assert found.warps_per_sm == blocks * -(-block // 32)


@given(
    arch=st.sampled_from(["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]),
    block=st.integers(1, 1024),
    registers=st.integers(1, 255),
    shared=st.one_of(st.integers(0, 227 * KB), st.integers(0, 24 * KB)),
)
def test_agrees_with_the_guides_arithmetic(arch: str, block: int, registers: int, shared: int) -> None:
    """The rules of the CUDA programming guide, written a second time."""
    limits = arch_limits(arch)
    warps = -(-block // 32)
    by_warps = limits.max_threads_per_sm // 32 // warps
    a_warp = -(-registers * 32 // 256) * 256
    by_registers = limits.registers_per_sm // 4 // a_warp * 4 // warps
    if a_warp * -(-warps // 4) * 4 > limits.registers_per_block:
        by_registers = 0
    a_block = -(-(shared + limits.shared_bytes_reserved) // 128) * 128
    by_shared = limits.shared_bytes_per_sm // a_block
    if shared > limits.shared_bytes_per_block:
        by_shared = 0
    expected = min(by_warps, by_registers, by_shared, limits.max_blocks_per_sm)
    assert occupancy(arch, block, registers, shared).blocks_per_sm == expected


def test_named_barriers_limit_from_hopper_on() -> None:
    assert occupancy("sm_90", 32, 32, 0, barriers=16).limiter == "barriers"
    assert occupancy("sm_90", 32, 32, 0, barriers=16).blocks_per_sm == 4  # 64 barriers an SM


def test_a_sweep_is_every_combination_in_order() -> None:
    points = sweep("sm_90", (128, 256), (32, 64), (0, 100 * KB))
    assert [(p.block_threads, p.registers, p.shared_bytes) for p in points] == [
        (b, r, s) for b in (128, 256) for r in (32, 64) for s in (0, 100 * KB)
    ]
    assert points[0].as_dict()["limiter"] == "warps"


def test_bad_questions_are_one_line() -> None:
    with pytest.raises(Problem, match="unknown architecture sm_91: did you mean sm_90"):
        occupancy("sm_91", 256, 32, 0)
    with pytest.raises(Problem, match="block = 0 is out of range"):
        occupancy("sm_90", 0, 32, 0)
    with pytest.raises(Problem, match="registers = -1 is out of range"):
        occupancy("sm_90", 32, -1, 0)
