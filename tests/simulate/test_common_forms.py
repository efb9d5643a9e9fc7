"""Forms that every front end shares, held against what their instruction set says in words or pseudo-code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16

from tests.simulate.one_form import run_form
from workbench.simulate.launch import SimulationFault
from workbench.simulate.program import Space

RANDOM = np.random.default_rng(5)
LANES = np.arange(32)


def shuffled(mode: str, a: Any, b: Any, c: Any) -> Any:
    """The pseudo-code of shfl.sync."""
    made = []
    for lane in range(32):
        distance, clamp, segment = int(b[lane]) & 31, int(c[lane]) & 31, int(c[lane]) >> 8 & 31
        most, least = (lane & segment) | (clamp & ~segment), lane & segment
        j = {
            "up": lane - distance, "down": lane + distance, "bfly": lane ^ distance,
            "idx": least | (distance & ~segment),
        }[mode]  # fmt: skip
        reaches = j >= most if mode == "up" else j <= most
        made.append(a[j] if reaches else a[lane])
    return np.array(made)


@pytest.mark.parametrize("mode", ["up", "down", "bfly", "idx"])
def test_shuffles_follow_the_pseudo_code(mode: str) -> None:
    a = RANDOM.integers(0, 2**32, 32, dtype=np.uint64)
    for width in (1, 2, 4, 8, 16, 32):
        for distance in range(33):
            b = np.full(32, distance)
            c = np.full(32, (32 - width) << 8 | (0 if mode == "up" else 31))
            (found,), _ = run_form(f"shfl.{mode}", "dsssm-", [a, b, c])
            np.testing.assert_array_equal(found, shuffled(mode, a, b, c), f"{width} {distance}")


def test_matches_and_reductions() -> None:
    a = RANDOM.integers(0, 4, 32).astype(np.uint64)
    (found,), _ = run_form("match.any.b32", "ds--m", [a])
    np.testing.assert_array_equal(found, [sum(1 << k for k in range(32) if a[k] == x) for x in a])
    b = RANDOM.integers(0, 2**32, 32, dtype=np.uint64)
    signed = b.astype(np.uint32).view(np.int32)
    for form, want in {
        "redux.add.u32": int(b.sum()) & 0xFFFFFFFF, "redux.max.u32": b.max(),
        "redux.min.s32": int(signed.min()) % 2**32,
        "redux.xor.b32": np.bitwise_xor.reduce(b), "redux.and.b32": np.bitwise_and.reduce(b),
    }.items():  # fmt: skip
        (found,), _ = run_form(form, "ds--m", [b])
        np.testing.assert_array_equal(found, np.full(32, want, np.uint64), form)


def test_atomics_act_lane_by_lane_and_count_the_deepest_address() -> None:
    start = np.arange(32, dtype=np.uint32)
    addresses = 4 * (LANES // 8)
    (old, shared), counts = run_form(
        "atomic.add.u32", "sds", [addresses, np.ones(32)], start, space=Space.SHARED, address_rows=1
    )
    np.testing.assert_array_equal(old, LANES // 8 + LANES % 8)
    np.testing.assert_array_equal(shared.view(np.uint32)[:5], [8, 9, 10, 11, 4])
    assert counts.total("same_address") == 8
    (old, shared), _ = run_form(
        "atomic.cas.b32", "sdss", [0 * LANES, LANES, LANES + 1], start, space=Space.SHARED, address_rows=1
    )
    np.testing.assert_array_equal(old, LANES)
    assert shared.view(np.uint32)[0] == 32


@pytest.mark.parametrize("transposed", [0, 1])
def test_matrices_go_to_the_lanes_that_the_layout_names(transposed: int) -> None:
    values = RANDOM.integers(0, 2**16, (4, 8, 8), dtype=np.uint16)
    found, counts = run_form(
        "ldmatrix", "sdddd", [16 * LANES], values, space=Space.SHARED, address_rows=1, elements=4, variant=transposed
    )
    for m in range(4):
        matrix = values[m].T if transposed else values[m]
        pairs = matrix.reshape(32, 2).astype(np.uint64)
        np.testing.assert_array_equal(found[m], pairs[:, 0] | pairs[:, 1] << np.uint64(16))
    assert max(counts["wavefronts"]) == 4


def fragments(matrix: Any, registers: int, per: int) -> list[Any]:
    """Registers of an A-like fragment (rows x K) in 16-bit elements."""
    made = []
    for r in range(registers):
        words = np.zeros(32, np.uint64)
        for lane in range(32):
            for e in range(per):
                bits = matrix[lane // 4 + 8 * (r % 2), lane % 4 * per + e + r // 2 * 4 * per]
                words[lane] |= np.uint64(int(bits) << (32 // per) * e)
        made.append(words)
    return made


def test_a_product_of_bf16_matrices() -> None:
    a = RANDOM.standard_normal((16, 16)).astype(bfloat16)
    b = RANDOM.standard_normal((8, 16)).astype(bfloat16)
    c = RANDOM.standard_normal((16, 8)).astype(np.float32)
    a_registers = fragments(a.view(np.uint16), 4, 2)
    b_registers = fragments(np.vstack([b, b]).view(np.uint16), 4, 2)[::2]
    places = [(LANES // 4 + 8 * (n // 2), 2 * (LANES % 4) + n % 2) for n in range(4)]
    c_registers = [c[p].view(np.uint32).astype(np.uint64) for p in places]
    found, _ = run_form("mma.m16n8k16.f32.bf16", "ddddssssssssss", [*a_registers, *b_registers, *c_registers])
    want = (a.astype(np.float64) @ b.astype(np.float64).T + c).astype(np.float32)
    for n, p in enumerate(places):
        np.testing.assert_allclose(found[n].astype(np.uint32).view(np.float32), want[p], rtol=1e-6, atol=1e-6)


def test_an_mbarrier_beyond_shared_memory_is_a_fault() -> None:
    with pytest.raises(SimulationFault, match="stray_write"):
        run_form("mbarrier.init", "ss", [1024 + 0 * LANES, np.ones(32)], np.zeros(32, np.uint32), space=Space.SHARED,
                 address_rows=1)  # fmt: skip
