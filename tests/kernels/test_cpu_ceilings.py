"""The CPU's ceilings: what is measured against them must be able to trust their sizes and their arithmetic."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from workbench.measure import ceilings_cpu
from workbench.measure.ceilings import apart, together
from workbench.measure.surroundings import Surroundings


def test_the_exponential_of_the_ceiling_is_one() -> None:
    """To about a unit in the last place, over all of float32's range: no cheaper than a user's expf."""
    library = ceilings_cpu._library()
    x = np.linspace(-86.9, 87.9, 4001).astype(np.float32)
    found = np.array([library.exponential_of(value) for value in x])
    assert np.abs(found / np.exp(x.astype(np.float64)) - 1).max() < 1.5e-7


def test_arrays_pass_the_cache_and_leave_memory() -> None:
    assert ceilings_cpu.array_bytes(32 << 20, 64 << 30) == 128 << 20
    assert ceilings_cpu.array_bytes(512 << 20, 4 << 30) == 256 << 20
    assert ceilings_cpu.array_bytes(1 << 20, 64 << 30) == ceilings_cpu.LEAST_ARRAY_BYTES


class _Places:
    """A library that notes which parts of which arrays its functions are called for."""

    def __init__(self) -> None:
        self.filled: set[int] = set()
        self.touched: list[tuple[int, int]] = []
        """First byte, last one, of each call's first array."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            values = [argument.value for argument in arguments]
            if name == "fill":
                self.filled.add(values[0])
            else:
                self.touched.append((values[0], values[0] + 4 * values[-3]))

        return call


@pytest.mark.parametrize("threads", [1, 2])
def test_no_kind_finds_in_a_cache_what_another_has_just_read(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """All of the memory is gone over before a part of it comes again, whichever kinds the calls are of."""
    monkeypatch.setattr(ceilings_cpu, "PART_BYTES", 1 << 16)
    monkeypatch.setattr(ceilings_cpu, "array_bytes", lambda cache, free: (1 << 20) + 4096)
    places = _Places()
    kinds = ceilings_cpu._memory(cast(ctypes.CDLL, places), threads)
    parts = 16 // threads
    for _ in range(parts):
        for action, _ in kinds.values():
            action()
    first = [start for start, _ in places.touched]
    assert len(kinds) == (5 if threads == 1 else 10) and set(first) <= places.filled
    for place in range(len(first) - parts):
        assert len(set(first[place : place + parts])) == parts
    assert len(places.filled) == 3 * parts and all(end - start <= 65536 * threads for start, end in places.touched)


def test_every_ceiling_is_a_rate_and_has_its_median(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings_cpu, "array_bytes", lambda cache, free: 1 << 20)
    monkeypatch.setattr(ceilings_cpu, "ARITHMETIC_SECONDS", 1e-4)
    monkeypatch.setattr(ceilings_cpu, "PRODUCT_SIZE", 64)
    monkeypatch.setattr(ceilings_cpu, "AGAIN", 0)
    monkeypatch.setattr(ceilings_cpu, "cache_bytes", lambda: {"L1": 1 << 16, "L2": 1 << 17, "L3": 1 << 20})
    measured = ceilings_cpu.measure_cpu_ceilings(0.0)
    found = measured.rates
    memory = {f"{kind}_bytes_per_s" for kind in ("read", "copy", "copy_nt", "triad", "triad_nt")}
    memory |= {f"{level}_{name}" for level in ("l1", "l3") for name in memory}
    assert not any(name.startswith("l2_") for name in found), "a half of L2 that is no larger than L1 stays in L1"
    assert memory | {"exp_per_s", "fma_flops_per_s", "matmul_flops_per_s"} <= set(found)
    assert all(math.isfinite(rate) and rate > 0 for rate in found.values())
    for name in [name for name in found if not name.endswith("_median")]:
        assert found[f"{name}_median"] <= found[name]


@pytest.mark.parametrize("quiet_at", [0, 3, None])
def test_rounds_without_a_disturbance_count_and_load_is_told(
    monkeypatch: pytest.MonkeyPatch, quiet_at: int | None
) -> None:
    """The disturbed round is the fastest here, so that it would win if it counted; without a quiet one it has to."""
    calls = iter(range(1000))

    def disturbed(action: Callable[[], float]) -> tuple[float, Surroundings]:
        place, busy = next(calls), 0.0
        busy = 0.0 if place == quiet_at else 1.0
        return (1.0 if busy else 2.0), Surroundings(1.0, 1, 1.0, waited_s=0.0, others_s=2 * busy)

    monkeypatch.setattr(ceilings_cpu, "around", disturbed)
    monkeypatch.setattr(ceilings_cpu, "AGAIN", 0)
    found = ceilings_cpu._rounds({"one": (lambda: None, 8.0)}, 0.0)
    assert len(found["one"]) == ceilings_cpu.LEAST_ROUNDS
    quiet = ceilings_cpu._quiet(found["one"])
    assert [rate for rate, _ in quiet] == ([] if quiet_at is None else [4.0])


def test_two_measurements_agree_or_say_which_do_not() -> None:
    first = {"copy_bytes_per_s": 10e9, "l2_copy_bytes_per_s": 5e10, "step_latency_s": 2e-9, "exp_per_s_median": 1.0}
    second = {"copy_bytes_per_s": 8e9, "l2_copy_bytes_per_s": 4.8e10, "step_latency_s": 1e-9, "exp_per_s_median": 9.0}
    assert apart(first, first) == {}
    assert apart(first, second) == pytest.approx({"copy_bytes_per_s": 0.2, "step_latency_s": 0.5})
    assert together(first, second) == {
        "copy_bytes_per_s": 10e9, "l2_copy_bytes_per_s": 5e10, "step_latency_s": 1e-9, "exp_per_s_median": 9.0,
    }  # fmt: skip
