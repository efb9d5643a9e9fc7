"""Atomics, alone and as a lock, in every order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.check.cuda_source import CudaSource
from tests.kernels.covering import ORDERS


@pytest.fixture
def run():
    return CudaSource("atomics.cu")


@pytest.mark.parametrize("order", ORDERS)
def test_integers(run, order):
    n = 6 * 64
    arrays = {
        "counters": np.zeros(5, np.int32),
        "wrapping": np.zeros(1, np.uint32),
        "wide": np.zeros(2, np.uint64),
        "order": np.full(n, -1, np.int32),
    }
    got = run("integers", arrays, grid=(6, 1, 1), order=order)
    assert got["counters"].tolist() == [n, -(n - 1), n - 1, 0, n]
    assert got["wrapping"][0] == n % 10
    assert got["wide"].tolist() == [n << 33, 2**64 - 1]
    assert sorted(got["order"]) == list(range(n))
    if order == "in_order":
        assert got["order"].tolist() == list(range(n))


def test_seeds_give_different_orders_and_the_same_seed_the_same(run):
    def order_of(seed):
        arrays = {
            "counters": np.zeros(5, np.int32),
            "wrapping": np.zeros(1, np.uint32),
            "wide": np.zeros(2, np.uint64),
            "order": np.zeros(384, np.int32),
        }
        return run("integers", arrays, grid=(6, 1, 1), order="mixed", seed=seed)["order"].tolist()

    assert order_of(1) == order_of(1)
    assert order_of(1) != order_of(2)


@pytest.mark.parametrize("order", ORDERS)
def test_floats(run, order):
    x = np.arange(64, dtype=np.float32) / 4
    got = run("floats", {"x": x, "sum": np.zeros(1, np.float32), "wide": np.zeros(1)}, order=order)
    assert got["sum"][0] == x.sum()
    assert got["wide"][0] == 32


@pytest.mark.parametrize("order", ORDERS)
def test_compare_and_swap_loop(run, order):
    x = np.linspace(0.9, 1.1, 64, dtype=np.float32)
    got = run("product", {"x": x, "result": np.ones(1, np.float32)}, order=order)["result"][0]
    np.testing.assert_allclose(got, np.prod(x.astype(np.float64)), rtol=1e-5)
