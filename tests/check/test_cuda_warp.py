"""Warp primitives against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.check.cuda_source import CudaSource
from tests.kernels.covering import ORDERS


@pytest.fixture
def run():
    return CudaSource("warp.cu")


def sources(kind, argument, width):
    """The lane that each lane reads, as CUDA's programming guide defines it."""
    lanes = np.arange(32)
    first = lanes // width * width
    if kind == "idx":
        return first + argument % width
    source = {"up": lanes - argument, "down": lanes + argument, "xor": lanes ^ argument}[kind]
    low = first if kind == "up" else 0
    return np.where((source >= low) & (source < first + width), source, lanes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    argument=st.integers(0, 31),
    width=st.sampled_from([1, 2, 4, 8, 16, 32]),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 9),
)
def test_shuffles(run, argument, width, order, seed):
    x = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    arrays = {"x": x, "y": np.zeros(256, np.float32)}
    y = run("shuffles", arrays, argument, width, order=order, seed=seed)["y"].reshape(4, 2, 32)
    for row, kind in enumerate(["idx", "up", "down", "xor"]):
        np.testing.assert_array_equal(y[row], x.reshape(2, 32)[:, sources(kind, argument, width)], err_msg=kind)


def test_shuffle_of_eight_bytes(run):
    x = np.random.default_rng(0).standard_normal(64)
    y = run("wide_shuffle", {"x": x, "y": np.zeros(64)})["y"]
    np.testing.assert_array_equal(y.reshape(2, 32), x.reshape(2, 32)[:, ::-1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("low", [-3, 0, 2])
def test_votes(run, order, low):
    x = np.random.default_rng(1).integers(low, 5, 64).astype(np.int32)
    y = run("votes", {"x": x, "y": np.zeros(512, np.int32)}, order=order)["y"].reshape(8, 2, 32)
    for warp, v in enumerate(x.reshape(2, 32)):
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        expected = [
            np.full(32, bits[v > 1].sum(dtype=np.uint32)),
            np.full(32, (v > 1).any()),
            np.full(32, (v > 1).all()),
            np.array([bits[v == mine].sum(dtype=np.uint32) for mine in v]),
            np.full(32, v.sum()),
            np.full(32, v.min()),
            np.full(32, v.max()),
            np.full(32, np.bitwise_xor.reduce(v)),
        ]
        for row, values in enumerate(expected):
            np.testing.assert_array_equal(y[row, warp].view(np.uint32), values.astype(np.int64).astype(np.uint32))


@pytest.mark.parametrize("order", ORDERS)
def test_halves_of_a_warp_meet_apart(run, order):
    x = np.arange(64, dtype=np.float32)
    y = run("halves", {"x": x, "y": np.zeros(64, np.float32)}, order=order)["y"].reshape(2, 32)
    for warp, v in enumerate(x.reshape(2, 32)):
        np.testing.assert_array_equal(y[warp, :16], np.full(16, v[:16].sum()))
        np.testing.assert_array_equal(y[warp, 16:], np.repeat(v[16:].reshape(4, 4).sum(1), 4))


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_that_returned_are_not_waited_for(run, order):
    x = np.arange(7, 39, dtype=np.float32)
    arrays = {"x": x, "y": np.zeros(32, np.float32)}
    y = run("after_some_returned", arrays, 20, order=order, block=(32, 1, 1))["y"]
    np.testing.assert_array_equal(y, [27] * 20 + [0] * 12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 31, 256, 1000, 4097])
def test_block_scan(run, order, n):
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    y = run("block_scan", {"x": x, "y": np.zeros_like(x)}, n, order=order, block=(256, 1, 1))["y"]
    exact = np.cumsum(x.astype(np.float64))
    assert np.linalg.norm(y - exact) <= 1e-6 * np.linalg.norm(exact)
