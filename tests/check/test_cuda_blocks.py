"""Blocks that run side by side, their barriers, and what each thread is told about its place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.check.cuda_source import CudaSource
from tests.kernels.covering import ORDERS


@pytest.fixture
def run():
    return CudaSource("blocks.cu")


@pytest.mark.parametrize("order", ORDERS)
def test_resident_blocks_have_shared_memory_of_their_own(run, order):
    arrays = {"arrived": np.zeros(1, np.int32), "y": np.zeros(5 * 64, np.float32)}
    y = run("own_tiles", arrays, grid=(5, 1, 1), shared=256, order=order, resident=5)["y"]
    expected = 5 * (1000.0 * np.arange(5)[:, None] + np.arange(64))
    np.testing.assert_array_equal(y.reshape(5, 64), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_coordinates(run, order):
    y = {"y": np.full(6 * 7 * 5 * 3 * 2 * 4, -1, np.int32)}
    got = run("coordinates", y, grid=(6, 7, 5), block=(3, 2, 4), order=order)["y"]
    np.testing.assert_array_equal(got, np.arange(got.size))


@pytest.mark.parametrize("order", ORDERS)
def test_named_barriers_join_warps_with_different_jobs(run, order):
    x = np.arange(32 * 9, dtype=np.float32)
    y = run("producer_consumer", {"x": x, "y": np.zeros_like(x)}, 9, order=order)["y"]
    np.testing.assert_array_equal(y.reshape(9, 32), x.reshape(9, 32)[:, ::-1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("ones", [0, 1, 63, 64])
def test_barriers_that_count(run, order, ones):
    x = np.zeros(64, np.int32)
    x[np.random.default_rng(ones).permutation(64)[:ones]] = 7
    y = run("counts", {"x": x, "y": np.zeros(192, np.int32)}, order=order)["y"].reshape(64, 3)
    np.testing.assert_array_equal(y, np.tile([ones, ones == 64, ones > 0], (64, 1)))
