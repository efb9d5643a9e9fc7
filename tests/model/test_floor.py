"""Each resource binds when it is the scarcest; what is not known does not bind."""

from __future__ import annotations

import pytest

from workbench.declare import Cost
from workbench.model.floor import Limits, floor, limits_of

ALL = Limits(
    bytes_per_s=1e12, flops_per_s=1e12, matrix_flops_per_s=1e12, special_per_s=1e12, step_latency_s=1e-9, launch_s=1e-6
)


@pytest.mark.parametrize(
    ("cost", "seconds", "bound_by"),
    [
        (Cost(bytes=4_000_000), 4e-6, "bandwidth"),
        (Cost(bytes=1, flops=5_000_000), 5e-6, "flops"),
        (Cost(bytes=1, matrix_flops=6_000_000), 6e-6, "matrix"),
        (Cost(bytes=1, special=7_000_000), 7e-6, "special"),
        (Cost(bytes=1, serial_steps=8_000), 8e-6, "latency"),
        (Cost(bytes=1, launches=9), 9e-6, "launches"),
    ],
)
def test_the_scarcest_resource_binds(cost: Cost, seconds: float, bound_by: str) -> None:
    found = floor(cost, ALL)
    assert found is not None
    assert (found.seconds, found.bound_by) == (pytest.approx(seconds), bound_by)


def test_unknown_limits_do_not_bind() -> None:
    cost = Cost(bytes=1000, flops=10**12, serial_steps=10**9)
    found = floor(cost, Limits(bytes_per_s=1e12))
    assert found is not None
    assert found.bound_by == "bandwidth"
    assert floor(cost, Limits()) is None
    assert floor(Cost(bytes=0), ALL) is None, "nothing to do takes no time that could be told"


def test_limits_of_takes_the_best_bandwidth_and_the_rate_of_the_dtype() -> None:
    ceilings = {
        "copy_bytes_per_s": 21e9, "copy_nt_bytes_per_s": 45e9, "triad_bytes_per_s": 20e9, "triad_nt_bytes_per_s": 47e9,
        "exp_per_s": 3e9, "matmul_flops_per_s": 100e9,
    }  # fmt: skip
    limits = limits_of(ceilings, "float32")
    assert limits.bytes_per_s == 47e9
    assert limits.special_per_s == 3e9
    assert limits.matrix_flops_per_s == 100e9
    assert limits.step_latency_s is None
    assert limits_of(ceilings, "bfloat16").matrix_flops_per_s is None, "a float32 rate says nothing of bfloat16"
    assert limits_of({**ceilings, "matmul_flops_per_s_bfloat16": 7e9}, "bfloat16").matrix_flops_per_s == 7e9
    assert limits_of({}, "float32") == Limits()


def test_only_ceilings_of_memory_are_its_bandwidth() -> None:
    found = limits_of({"copy_bytes_per_s": 1e10, "l2_bytes_per_s": 9e10, "nvlink_bytes_per_s": 8e10}, "float32")
    assert found.bytes_per_s == 1e10
    assert limits_of({"l2_bytes_per_s": 9e10}, "float32").bytes_per_s is None
