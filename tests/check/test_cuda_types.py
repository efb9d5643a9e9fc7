"""bf16 and half through NVIDIA's headers, vectors, and CUDA's arithmetic, against numpy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.check.cuda_source import CudaSource

BF16 = np.dtype(ml_dtypes.bfloat16)


@pytest.fixture
def run():
    return CudaSource("types.cu")


def test_bf16_rounds_to_nearest_even(run):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(1001) * 10.0 ** rng.integers(-20, 20, 1001)).astype(np.float32)
    x[:6] = [0.0, -0.0, np.inf, -np.inf, 1.00390625, 1.01171875]  # the last two are ties
    y = run("to_bf16", {"x": x, "y": np.zeros(1001, BF16)}, 1001, grid=(16, 1, 1))["y"]
    np.testing.assert_array_equal(y.view(np.uint16), x.astype(BF16).view(np.uint16))


def test_bf16_widens_exactly(run):
    x = np.random.default_rng(0).standard_normal(100).astype(BF16)
    y = run("from_bf16", {"x": x, "y": np.zeros(100, np.float32)}, 100, grid=(2, 1, 1))["y"]
    np.testing.assert_array_equal(y, x.astype(np.float32))


def test_half_pairs(run):
    x = np.random.default_rng(0).standard_normal(128).astype(np.float16)
    np.testing.assert_array_equal(run("half_pairs", {"x": x, "y": np.zeros_like(x)})["y"], x + x)


def test_shuffle_of_bf16(run):
    x = np.arange(64).astype(BF16)
    y = run("shuffled_bf16", {"x": x, "y": np.zeros(64, BF16)})["y"]
    np.testing.assert_array_equal(y, x.reshape(32, 2)[:, ::-1].reshape(64))


def test_vectors(run):
    x = np.random.default_rng(0).standard_normal(256).astype(np.float32)
    y = run("vectors", {"x": x, "y": np.zeros_like(x)})["y"]
    np.testing.assert_array_equal(y.reshape(64, 4), x.reshape(64, 4)[:, ::-1])


def test_arithmetic(run):
    x = np.linspace(-3, 3.1, 64, dtype=np.float32)
    y = run("arithmetic", {"x": x, "y": np.zeros(64 * 12, np.float32)}, 0.25)["y"].reshape(64, 12)
    v, i = x.astype(np.float64), np.arange(64)
    bits = np.array([f"{n:032b}" for n in i])
    integers = [(b + "1").index("1") + b.count("1") + (32 - b.rindex("1") if "1" in b else 0) for b in bits]
    expected = [
        np.exp(v),
        1 / (1 + np.exp(-v)),
        1 / v,
        1 / np.sqrt(np.abs(v)),
        v * v + 0.25,
        np.maximum(v, 0),
        np.minimum(i, 7),
        v,
        np.array(integers),
        np.clip(v, 0, 1),
        np.log(np.abs(v)),
        np.tanh(v),
    ]
    np.testing.assert_allclose(y, np.stack(expected, 1), rtol=1e-6, atol=1e-6)
