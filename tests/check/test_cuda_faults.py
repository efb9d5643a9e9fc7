"""What a kernel must not do is named with kind, line, block, warp and lane, in every schedule in which it can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.check.cuda_source import CudaSource
from tests.kernels.covering import ORDERS
from workbench.declare import I32
from workbench.problem import Problem
from workbench.simulate.launch import SimulationFault
from workbench.simulate.plan import WrongLaunch

ONE_WARP = (32, 1, 1)


@pytest.fixture
def run() -> CudaSource:
    return CudaSource("faults.cu")


def y(n: int = 64) -> dict[str, Any]:
    return {"y": np.zeros(n, np.float32)}


def xy(n: int = 64, of_y: int = 64) -> dict[str, Any]:
    return {"x": np.ones(n, np.float32), **y(of_y)}


ENDS = [
    ("half_a_warp_shuffles", y(), (), {"block": ONE_WARP}, "divergent_warp", "line 32: shfl.sync"),
    ("vote_meets_shuffle", y(), (), {}, "divergent_warp", "lanes of the member mask never reach this instruction"),
    *(("dynamic_shared", y(), (0,), {"shared": 4 * k}, "stray_write", f"at {4 * k} of {4 * k} bytes of shared memory")
      for k in (60, 61, 63)),
    ("dynamic_shared_read", y(), (0,), {"shared": 240}, "stray_read", "warp 1, lane 28"),
    ("dynamic_shared", y(), (0,), {}, "stray_write", "of 0 bytes of shared memory"),
    ("dynamic_shared", y(), (-1,), {"shared": 256}, "stray_write", "warp 0, lane 0"),
    ("copy", xy(128, 128), (1, 0), {"grid": (2, 1, 1)}, "stray_read",
     "0 bytes behind the end of x (kernel copy, block (1, 0, 0), warp 1, lane 31, faults.cu line 80"),
    ("copy", xy(128, 128), (-1, 0), {"grid": (2, 1, 1)}, "stray_read",
     "4 bytes before the start of x (kernel copy, block (0, 0, 0), warp 0, lane 0"),
    ("copy", xy(65, 65), (2, 0), {}, "stray_read", "0 bytes behind the end of x"),
    *(("write_at", y(n), (n, n), {}, "stray_write", "0 bytes behind the end of y (kernel write_at, block (0, 0, 0)")
      for n in (64, 61, 62, 63)),
    ("write_at", y(61), (61, -5), {}, "stray_write", "20 bytes before the start of y"),
    ("write_at", y(61), (61, 500), {}, "stray_write", "1756 bytes behind the end of y"),
    ("copy", {"x": None, **y()}, (0, 0), {}, "stray_read", "through a null pointer"),
    ("index_of_array", y(), (2,), {"block": ONE_WARP}, "stray_write", "lane 31, faults.cu line 91"),
    ("misaligned", xy(), (), {}, "misaligned", "a load of 16 bytes at an address that is no multiple of them"),
    ("traps", y(), (), {}, "trap", "warp 0, lane 5"),
    ("waits", {"flags": np.zeros(1, np.int32)}, (), {"grid": (3, 1, 1), "resident": 3}, "waits_forever", "line 139"),
    ("spins", {"flags": np.zeros(1, np.int32)}, (), {}, "waits_forever", "line 143"),
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("function", "arrays", "numbers", "sizes", "kind", "words"), ENDS)
def test_it_ends_the_launch_in_every_schedule(
    run: CudaSource, function: str, arrays: dict[str, Any], numbers: tuple[int, ...], sizes: dict[str, Any], kind: str,
    words: str, order: str,
) -> None:  # fmt: skip
    with pytest.raises(SimulationFault) as caught:
        run(function, arrays, *numbers, order=order, **sizes)
    told = str(caught.value)
    assert caught.value.kind == kind and words in told, told
    assert f"kernel {function}, block (" in told and ", lane " in told and "faults.cu line " in told


FOUND = [
    ("two_barriers", y(), (), {"grid": (2, 1, 1)}, "divergent_barrier"),
    ("shuffle_from_returned_lane", y(), (20,), {"block": ONE_WARP}, "uninitialised_store"),
    ("shuffle_from_returned_lane", y(), (99,), {"block": (20, 1, 1)}, "uninitialised_store"),
    ("shuffle_from_unnamed_lane", y(), (), {}, "uninitialised_store"),
    ("shuffle_without_caller", y(), (), {"block": ONE_WARP}, "outside_of_mask"),
    ("reverse", xy(), (0,), {}, "race"),
    ("shift_right", xy(), (0,), {}, "race"),
    ("shift_in_warp", xy(), (0,), {}, "race"),
    ("uninitialised", y(), (), {"grid": (5, 1, 1)}, "uninitialised_store"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arrays", "numbers", "sizes", "kind"), FOUND)
def test_it_is_found_by_a_checker(
    run: CudaSource, function: str, arrays: dict[str, Any], numbers: tuple[int, ...], sizes: dict[str, Any], kind: str
) -> None:
    run(function, arrays, *numbers, **sizes)
    assert run.findings and run.findings[0].kind == kind, run.findings
    told = run.findings[0].text
    assert f"kernel {function}: faults.cu line " in told and "block (" in told and "lane " in told


@pytest.mark.parametrize("function", ["reverse", "shift_right", "shift_in_warp"])
def test_with_its_barrier_nothing_is_found(run: CudaSource, function: str) -> None:
    x = np.arange(1, 65, dtype=np.float32)
    expected = x[::-1] if function == "reverse" else np.concatenate([[0], x[:-1]]).astype(np.float32)
    if function == "shift_in_warp":
        expected[32] = 0
    for order in ORDERS:
        found = run(function, {"x": x, "y": np.zeros_like(x)}, 1, order=order)["y"]
        np.testing.assert_array_equal(found, expected)
        assert not run.findings


def test_a_kernel_after_one_with_a_fault_runs(run: CudaSource) -> None:
    for _ in range(3):
        with pytest.raises(SimulationFault):
            run("traps", y())
        assert run("reverse", xy(), 1)["y"].sum() == 64


def test_threads_that_have_returned_are_not_waited_for_at_a_barrier(run: CudaSource) -> None:
    """From sm_70 on a barrier is that of the threads of a block that have not returned."""
    assert run("returns_before_barrier", y(), 40)["y"].sum() == 40 and not run.findings


def look_back(tickets: bool, tiles: int = 12) -> dict[str, Any]:
    zeros = np.zeros(tiles, np.int32)
    return {"flags": zeros, "tickets": zeros[:1] if tickets else None, "sums": np.zeros(tiles, np.float32)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("resident", [1, 2, 5])
def test_look_back_by_ticket_is_right_whatever_starts_first(run: CudaSource, order: str, resident: int) -> None:
    sums = run("look_back", look_back(True), grid=(12, 1, 1), order=order, resident=resident)["sums"]
    np.testing.assert_array_equal(sums, np.arange(1, 13))


@pytest.mark.parametrize("order", ["mixed", "delayed"])
def test_look_back_by_block_index_waits_for_a_block_that_has_not_begun(run: CudaSource, order: str) -> None:
    with pytest.raises(SimulationFault, match="10 blocks have not begun: nothing promises") as caught:
        run("look_back", look_back(False), grid=(12, 1, 1), order=order, resident=2)
    assert caught.value.kind == "waits_forever" and caught.value.block[0] > 0


def test_look_back_by_block_index_with_every_block_resident(run: CudaSource) -> None:
    sums = run("look_back", look_back(False), grid=(12, 1, 1), order="mixed", resident=12)["sums"]
    np.testing.assert_array_equal(sums, np.arange(1, 13))


@pytest.mark.parametrize("order", ORDERS)
def test_spin_on_an_atomic_lets_others_run(run: CudaSource, order: str) -> None:
    assert run("spins_on_an_atomic", {"flags": np.zeros(1, np.int32)}, order=order)["flags"][0] == 2


WRONG = [
    (y(), (), {}, "1 arguments for 2 parameters (64 bits, 64 bits) in faults.cu"),
    (y(), (I32(1),), {}, "argument 2 (1) is 32 bits, the kernel in faults.cu takes 64 bits: write 1"),
    (y(), (1.0,), {}, "argument 2 (1.0) is 32 bits of a float, the kernel in faults.cu takes 64 bits"),
    (y(), (0,), {"shared": (227 << 10) + 1}, "232,449 bytes of shared memory per block: at most 232,448"),
]


@pytest.mark.parametrize(("arrays", "numbers", "sizes", "words"), WRONG)
def test_a_launch_that_fits_no_kernel_is_a_line(
    run: CudaSource, arrays: dict[str, Any], numbers: tuple[Any, ...], sizes: dict[str, Any], words: str
) -> None:
    with pytest.raises(WrongLaunch) as caught:
        run("dynamic_shared", arrays, *numbers, **sizes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_static_shared_memory_counts_too(run: CudaSource) -> None:
    with pytest.raises(WrongLaunch, match="bytes of shared memory per block"):
        run("reverse", xy(), 1, shared=227 << 10)


def test_an_unknown_kernel_is_a_line(run: CudaSource) -> None:
    with pytest.raises(Problem, match="unknown kernel no_such_kernel: known: copy, deep_stack"):
        run("no_such_kernel", y())
