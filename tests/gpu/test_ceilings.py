"""Ceilings against the datasheet of the GPU at hand: none above it, the arithmetic ones near it."""

from __future__ import annotations

import pytest

from workbench.devices import device
from workbench.execute.this_machine import gpu_name
from workbench.measure.ceilings_cuda import measure_cuda_ceilings
from workbench.model.floor import STEP_CYCLES
from workbench.problem import Problem


def test_ceilings_lie_under_the_datasheet_and_near_it() -> None:
    rates = measure_cuda_ceilings(repeats=6).rates
    assert all(rate > 0 for rate in rates.values())
    assert 0.2e-6 < rates["launch_s"] < 10e-6
    try:
        known = device(gpu_name() or "")
    except Problem as why:
        pytest.skip(str(why))
    assert rates["copy_bytes_per_s"] <= (known.bandwidth_bytes_per_s or float("inf"))
    if known.fp32_flops_per_s:
        assert 0.7 < rates["fma_flops_per_s"] / known.fp32_flops_per_s < 1.1
    if known.special_per_s:
        assert 0.7 < rates["exp_per_s"] / known.special_per_s < 1.1
    if known.boost_clock_hz:
        assert 0.9 < rates["step_latency_s"] * known.boost_clock_hz / STEP_CYCLES < 2
