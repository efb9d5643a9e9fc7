"""The CPU's ceilings: what is measured against them must be able to trust their sizes and their arithmetic."""

from __future__ import annotations

import ctypes
import gc
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
            values = [argument.value for argument in arguments if hasattr(argument, "value")]
            if name == "fill":
                self.filled.add(values[0])
            else:
                self.touched.append((values[0], values[0] + 4 * values[-2]))

        return call


@pytest.mark.parametrize("threads", [1, 2])
def test_no_kind_finds_in_a_cache_what_another_has_just_read(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """All of the memory is gone over before a part of it comes again, whichever kinds the calls are of."""
    monkeypatch.setattr(ceilings_cpu, "PART_BYTES", 1 << 16)
    monkeypatch.setattr(ceilings_cpu, "array_bytes", lambda cache, free: (1 << 20) + 4096)
    places = _Places()
    kinds = ceilings_cpu._memory(cast(ctypes.CDLL, places), threads)
    parts = 16 // threads // 4  # the megabyte over what a round goes over
    for _ in range(parts):
        for round_of in kinds.values():
            round_of()
    first = [start for start, _ in places.touched]
    assert len(kinds) == 5 and set(first) <= places.filled
    for place in range(len(first) - parts):
        assert len(set(first[place : place + parts])) == parts
    assert len(places.filled) == 3 * parts and all(end - start <= 4 * 65536 * threads for start, end in places.touched)


def test_every_ceiling_is_a_rate_and_has_its_median(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings_cpu, "array_bytes", lambda cache, free: 1 << 20)
    monkeypatch.setattr(ceilings_cpu, "BURST_SECONDS", 1e-5)
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
    """Of which rounds a typical rate is made, and which ceilings are told to have had no quiet one."""
    calls = iter(range(1000))

    def disturbed(action: Callable[[], float]) -> tuple[float, Surroundings]:
        busy = 0.0 if next(calls) == quiet_at else 1.0
        return (8.0 if busy else 4.0), Surroundings(1.0, 1, 1.0, waited_s=0.0, others_s=2 * busy)

    monkeypatch.setattr(ceilings_cpu, "around", disturbed)
    monkeypatch.setattr(ceilings_cpu, "AGAIN", 0)
    found = ceilings_cpu._rounds({"one": lambda: 0.0}, 0.0)
    assert len(found["one"]) == ceilings_cpu.LEAST_ROUNDS
    quiet = ceilings_cpu._quiet(found["one"])
    assert [rate for rate, _ in quiet] == ([] if quiet_at is None else [4.0])


BURST = 1_000_000
"""Nanoseconds."""


def bursts(*begins: float) -> list[list[float]]:
    """Of one thread: each as long as BURST, beginning at these multiples of it."""
    return [[begin * BURST, (begin + 1) * BURST] for begin in begins]


@pytest.mark.parametrize(
    ("threads", "rate"),
    [
        ([bursts(0, 1, 2), bursts(0, 1, 2)], 2.0),
        ([bursts(0, 1, 2), bursts(1.5, 2.5, 3.5)], 2.0),  # one began late: both ran during the last burst of the first
        ([bursts(0, 1, 2), bursts(9, 10, 11)], 1.0),  # they never met: no more than one of them alone is seen
        ([bursts(0, 1, 2), bursts(2.5, 3.5, 9)], 1.5),  # they met during the half of a burst
        ([bursts(0, 1, 2), [[0, 30 * BURST], [30 * BURST, 60 * BURST], [60 * BURST, 90 * BURST]]], 1 + 1 / 30),
        ([bursts(0, 1, 2)], 1.0),
    ],
)
def test_the_rate_of_a_round_is_that_of_all_threads_during_its_best_burst(
    threads: list[list[list[float]]], rate: float
) -> None:
    found = ceilings_cpu.rate_of(np.array(threads).astype(np.int64), 1000.0)
    assert found == pytest.approx(rate * 1000.0 / (BURST * 1e-9))


def test_the_cpp_stamps_every_burst_of_every_thread_in_order() -> None:
    library = ceilings_cpu._library()
    maps = ceilings_cpu._filled(library, 1 << 16, 1 << 16, 2)
    stamped = ceilings_cpu._Stamped(2, rounds=3, count=4, pieces=2)
    for kind in ceilings_cpu._bandwidths(library, maps, 1 << 16, stamped).values():
        stamped.stamps[:] = 0
        assert kind() > 0
        in_order = stamped.stamps.reshape(2, -1)
        assert (in_order > 0).all() and (np.diff(in_order, axis=1) >= 0).all()


def test_stamps_live_as_long_as_the_call_that_writes_them() -> None:
    _, given = ceilings_cpu._Stamped(1, 1, 1).arguments()
    gc.collect()
    assert given._obj.kept.ctypes.data == given._obj.stamps and given._obj.kept.tolist() == [[[0, 0]]]


def test_a_copy_in_pieces_copies_everything() -> None:
    library, size = ceilings_cpu._library(), 64 * 37 * 4
    source, target = np.arange(size // 4, dtype=np.float32), np.zeros(size // 4 + 16, dtype=np.float32)
    start = (-target.ctypes.data % 64) // 4
    for name in ("copy", "copy_nt"):
        target[:] = 0
        stamped = ceilings_cpu._Stamped(2, rounds=1, count=3, pieces=3)
        getattr(library, name)(
            ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(target[start:].ctypes.data),
            ctypes.c_longlong(source.size), *stamped.arguments(),
        )  # fmt: skip
        assert np.array_equal(target[start : start + source.size], source), name


def test_two_measurements_agree_or_say_which_do_not() -> None:
    first = {"copy_bytes_per_s": 10e9, "l2_copy_bytes_per_s": 5e10, "step_latency_s": 2e-9, "exp_per_s_median": 1.0}
    second = {"copy_bytes_per_s": 8e9, "l2_copy_bytes_per_s": 4.8e10, "step_latency_s": 1e-9, "exp_per_s_median": 9.0}
    assert apart(first, first) == {}
    assert apart(first, second) == pytest.approx({"copy_bytes_per_s": 0.2, "step_latency_s": 0.5})
    assert together(first, second) == {
        "copy_bytes_per_s": 10e9, "l2_copy_bytes_per_s": 5e10, "step_latency_s": 1e-9, "exp_per_s_median": 9.0,
    }  # fmt: skip
