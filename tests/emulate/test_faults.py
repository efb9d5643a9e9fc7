"""Each error that the emulator exists to find is reported with its kind, kernel, block and thread."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.declare import I32
from workbench.emulate import ORDERS, EmulationFault, launch
from workbench.emulate.runtime import runtime


@pytest.fixture
def run(kernels_of):
    return kernels_of("faults.cu")


def y(n=64):
    return {"y": np.zeros(n, np.float32)}


def fault(run, kind, *arguments, **settings):
    with pytest.raises(EmulationFault) as caught:
        run(*arguments, **settings)
    assert caught.value.kind == kind, caught.value
    assert caught.value.kernel == arguments[0]
    return caught.value


@pytest.mark.parametrize("order", ORDERS)
def test_block_at_two_barriers(run, order):
    found = fault(run, "divergent_barrier", "two_barriers", y(), order=order, grid=(2, 1, 1))
    assert found.block in ((0, 0, 0), (1, 0, 0))
    assert "faults.cu:" in found.text
    assert found.thread is not None
    if order == "forward":
        assert found.thread == (40, 0, 0)


@pytest.mark.parametrize("order", ORDERS)
def test_threads_return_before_a_barrier(run, order):
    found = fault(run, "divergent_barrier", "returns_before_barrier", y(), 40, order=order)
    assert found.block == (0, 0, 0)
    assert found.thread is not None
    run("returns_before_barrier", y(), 64, order=order)


@pytest.mark.parametrize("order", ORDERS)
def test_shuffle_from_a_lane_that_returned(run, order):
    found = fault(run, "inactive_lane", "shuffle_from_returned_lane", y(), 20, block=(32, 1, 1), order=order)
    assert found.thread == (19, 0, 0)
    assert "lane 20, which has returned" in found.text


def test_shuffle_from_a_lane_that_does_not_exist(run):
    found = fault(run, "inactive_lane", "shuffle_from_returned_lane", y(), 99, block=(20, 1, 1))
    assert found.thread == (19, 0, 0)
    assert "does not exist" in found.text


def test_shuffle_from_a_lane_that_the_mask_does_not_name(run):
    assert "lane 20, which is not in the mask" in fault(run, "inactive_lane", "shuffle_from_unnamed_lane", y()).text


def test_shuffle_of_a_lane_that_its_own_mask_does_not_name(run):
    assert fault(run, "inactive_lane", "shuffle_without_caller", y(), block=(32, 1, 1)).thread == (16, 0, 0)


@pytest.mark.parametrize("order", ORDERS)
def test_shuffle_that_half_of_the_warp_never_reaches(run, order):
    found = fault(run, "divergent_warp", "half_a_warp_shuffles", y(), order=order, block=(32, 1, 1))
    assert found.thread is not None and found.thread[0] < 16
    assert "lane 16" in found.text


def test_vote_meets_shuffle(run):
    assert "__ballot_sync" in fault(run, "divergent_warp", "vote_meets_shuffle", y()).text


@pytest.mark.parametrize("function", ["reverse", "shift_right", "shift_in_warp"])
def test_missing_barrier_gives_a_wrong_result_in_some_order(run, function):
    x = np.arange(1, 65, dtype=np.float32)
    expected = x[::-1] if function == "reverse" else np.concatenate([[0], x[:-1]]).astype(np.float32)
    if function == "shift_in_warp":
        expected[32] = 0
    wrong = []
    for order in ORDERS:
        right = run(function, {"x": x, "y": np.zeros_like(x)}, 1, order=order)["y"]
        np.testing.assert_array_equal(right, expected)
        without = run(function, {"x": x, "y": np.zeros_like(x)}, 0, order=order)["y"]
        wrong.append(not np.array_equal(without, expected))
    assert any(wrong)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("floats", [60, 61, 63])
def test_dynamic_shared_memory_too_small_for_a_write(run, order, floats):
    found = fault(run, "shared_too_small", "dynamic_shared", y(), 0, shared=4 * floats, order=order)
    assert found.block == (0, 0, 0)
    assert found.thread is not None and found.thread[0] >= floats
    run("dynamic_shared", y(), 0, shared=256, order=order)


def test_dynamic_shared_memory_too_small_for_a_read(run):
    found = fault(run, "shared_too_small", "dynamic_shared_read", y(), 0, shared=4 * 60)
    assert found.thread == (60, 0, 0)
    assert "read at offset 240" in found.text
    assert np.isnan(run("dynamic_shared_read", y(), 0, shared=4 * 63)["y"][63])


def test_no_dynamic_shared_memory_at_all(run):
    assert fault(run, "shared_too_small", "dynamic_shared", y(), 0).thread == (0, 0, 0)


def test_write_in_front_of_dynamic_shared_memory(run):
    assert "offset -4" in fault(run, "shared_too_small", "dynamic_shared", y(), -1, shared=256).text


def test_read_one_too_far(run):
    arrays = {"x": np.ones(128, np.float32), "y": np.zeros(128, np.float32)}
    found = fault(run, "stray_read", "copy", arrays, 1, 0, grid=(2, 1, 1))
    assert (found.block, found.thread) == ((1, 0, 0), (63, 0, 0))
    assert "0 bytes behind the end of x" in found.text and "faults.cu:" in found.text


def test_read_one_too_low(run):
    arrays = {"x": np.ones(128, np.float32), "y": np.zeros(128, np.float32)}
    found = fault(run, "stray_read", "copy", arrays, -1, 0, grid=(2, 1, 1), order="reversed")
    assert (found.block, found.thread) == ((0, 0, 0), (0, 0, 0))
    assert "4 bytes before the beginning of x" in found.text


def test_read_one_too_far_where_no_page_ends_gives_nan(run):
    y = run("copy", {"x": np.ones(65, np.float32), "y": np.zeros(65, np.float32)}, 2, 0)["y"]
    assert np.isnan(y[63])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [64, 61, 62, 63])
def test_write_one_too_far(run, order, n):
    found = fault(run, "stray_write", "write_at", y(n), n, n, order=order)
    assert (found.block, found.thread) == ((0, 0, 0), (37, 0, 0))
    assert "behind the end of y" in found.text


@pytest.mark.parametrize("at", [-1, -5, 500])
def test_write_elsewhere_in_the_buffer_s_pages_is_seen_after_the_launch(run, at):
    """-1 and -5 meet the guard page in reversed order, where the thread is known."""
    order = "reversed" if at == 500 else "forward"
    found = fault(run, "stray_write", "write_at", y(61), 61, at, order=order)
    assert found.thread is None
    if at < 0:
        assert fault(run, "stray_write", "write_at", y(61), 61, at, order="reversed").thread == (37, 0, 0)


def test_a_canary_that_is_read_computed_with_and_written_back_is_seen(kernels_of):
    """A NaN that is as it was stands for a canary that nobody touched: arithmetic must change it."""
    run = kernels_of("blocks.cu")
    found = fault(run, "stray_write", "doubles", {"x": np.ones(61, np.float32)}, 0, block=(64, 1, 1))
    assert found.thread == (61, 0, 0)


def test_null_pointer(run):
    found = fault(run, "stray_read", "copy", {"x": None, "y": np.zeros(64, np.float32)}, 0, 0)
    assert "null pointer" in found.text


def test_index_past_a_static_array(run):
    run("index_of_array", y(), 1, block=(32, 1, 1))
    found = fault(run, "array_index", "index_of_array", y(), 2, block=(32, 1, 1))
    assert found.thread == (31, 0, 0)
    assert "index 33" in found.text and "faults.cu:" in found.text


@pytest.mark.parametrize("order", ORDERS)
def test_uninitialised_shared_memory_is_nan_in_every_block(run, order):
    assert np.isnan(run("uninitialised", y(), grid=(5, 1, 1), order=order)["y"]).all()


def test_misaligned_vector_load(run):
    found = fault(run, "misaligned", "misaligned", {"x": np.ones(64, np.float32), **y()})
    assert "multiple of 16" in found.text


def test_division_by_zero(run):
    assert fault(run, "division_by_zero", "divides", y(), 9).thread == (9, 0, 0)


def test_stack_overflow(run):
    fault(run, "stack_overflow", "deep_stack", y(), 100)  # the array's beginning is the deepest


def test_trap(run):
    assert fault(run, "trap", "traps", y()).thread == (5, 0, 0)


def look_back(tickets, tiles=12):
    zeros = np.zeros(tiles, np.int32)
    return {"flags": zeros, "tickets": zeros[:1] if tickets else None, "sums": np.zeros(tiles, np.float32)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("resident", [1, 2, 5])
def test_look_back_by_ticket_is_right_whatever_starts_first(run, order, resident):
    sums = run("look_back", look_back(True), grid=(12, 1, 1), order=order, resident=resident)["sums"]
    np.testing.assert_array_equal(sums, np.arange(1, 13))


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_look_back_by_block_index_waits_for_a_block_that_has_not_started(run, order):
    found = fault(run, "waits_for_unstarted_block", "look_back", look_back(False), grid=(12, 1, 1), order=order)
    assert found.block is not None and found.block[0] > 0
    assert found.thread == (0, 0, 0)


def test_look_back_by_block_index_with_every_block_resident(run):
    sums = run("look_back", look_back(False), grid=(12, 1, 1), order="reversed", resident=12)["sums"]
    np.testing.assert_array_equal(sums, np.arange(1, 13))


def test_spin_on_an_atomic_lets_others_run(run):
    flags = run("spins_on_an_atomic", {"flags": np.zeros(1, np.int32)})["flags"]
    assert flags[0] == 2


@pytest.mark.parametrize("order", ORDERS)
def test_every_thread_waits_for_ever(run, order):
    arrays = {"flags": np.zeros(1, np.int32)}
    found = fault(run, "waits_forever", "waits", arrays, grid=(3, 1, 1), order=order, resident=3)
    assert found.block is not None and found.thread is not None


def test_spin_without_yield(run):
    runtime().emulator_set_watchdog(0)
    try:
        assert fault(run, "spins_without_yield", "spins", {"flags": np.zeros(1, np.int32)}).thread == (0, 0, 0)
    finally:
        runtime().emulator_set_watchdog(10)


def test_limits_of_a_launch(run):
    assert "1025" in fault(run, "block_too_big", "traps", y(), block=(1025, 1, 1)).text
    fault(run, "block_too_big", "traps", y(), block=(1, 1, 65))
    fault(run, "grid_too_big", "traps", y(), grid=(1, 65536, 1))
    fault(run, "shared_too_big", "dynamic_shared", y(), 0, shared=(227 << 10) + 1)
    fault(run, "shared_too_big", "reverse", {"x": np.ones(64, np.float32), **y()}, 1, shared=227 << 10)
    fault(run, "empty_launch", "traps", y(), grid=(0, 1, 1))


def test_arguments(run):
    assert "1 arguments for 2" in fault(run, "arguments", "dynamic_shared", y()).text
    assert "argument 2" in fault(run, "arguments", "dynamic_shared", y(), I32(1)).text
    assert "argument 2" in fault(run, "arguments", "dynamic_shared", y(), 1.0).text
    assert "is *i32" in fault(run, "arguments", "dynamic_shared", {"y": np.zeros(64, np.int32)}, 1).text
    fault(run, "unknown_kernel", "no_such_kernel", y())


def test_a_fault_leaves_the_emulator_usable(run):
    for _ in range(3):
        fault(run, "divergent_barrier", "two_barriers", y())
        assert run("reverse", {"x": np.ones(64, np.float32), **y()}, 1)["y"].sum() == 64


def test_unknown_order(run):
    with pytest.raises(ValueError, match="unknown order"):
        launch(run.library, None, None, order="sideways")
