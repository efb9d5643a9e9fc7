"""What disturbs a block is found: by a process on the same core, and by made-up counts; nothing else is called so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.measure import observe_cpu, observe_gpu
from workbench.measure.observe_gpu import GpuObserver
from workbench.measure.observer import around
from workbench.measure.surroundings import Surroundings, most_common
from workbench.sweep.disturbance import disturbance_of

BUSY = "while True: pass"


@pytest.fixture
def one_core() -> Iterator[int]:
    before = os.sched_getaffinity(0)
    core = min(before)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, before)


def compute(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_busy_process_on_the_same_core_disturbs(one_core: int) -> None:
    """It inherits the affinity: two processes share one core, and one of them waits while the other runs."""
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        _, found = around(lambda: compute(0.4))
    finally:
        other.kill()
        other.wait()
    assert found.cores == 1 and found.cpu_s < found.wall_s
    if found.waited_s is None:
        pytest.skip("this kernel does not say how long threads wait for a core")
    assert "waited for a core" in found.disturbances()
    assert found.switches > 0 and found.load_average is not None


def quiet(**fields: Any) -> Surroundings:
    values = {"wall_s": 0.04, "cores": 4, "cpu_s": 0.04, "waited_s": 0.0, "switches": 0, "others_s": 0.0}
    return Surroundings(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({}, ()),
        ({"cpu_s": 0.16}, ()),  # four threads on four cores
        ({"cpu_s": 0.159, "waited_s": 0.1}, ()),  # eight threads on four cores wait for each other
        ({"cpu_s": 0.001}, ()),  # waits for a disk, or sleeps: its own affair
        ({"waited_s": 0.01}, ("waited for a core",)),
        ({"cpu_s": 0.1, "waited_s": 0.06}, ("waited for a core",)),
        ({"waited_s": None, "switches": 1}, ()),
        ({"waited_s": None, "switches": 9}, ("lost its core",)),
        ({"others_s": 0.02}, ()),  # a tick too many, and little
        ({"others_s": 0.04}, ("others used the machine",)),
        ({"others_s": 0.04, "cores": 64}, ()),  # one of 64 cores
        ({"others_s": None}, ()),
        ({"throttled": ("power cap",)}, ()),
        ({"throttled": ("power cap", "thermal, by hardware")}, ("clock held back (thermal, by hardware)",)),
        ({"foreign": 0}, ()),
        ({"foreign": 2}, ("others computed on the GPU",)),
    ],
)
def test_what_counts_as_a_disturbance(fields: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert quiet(**fields).disturbances() == reasons


def test_a_system_that_tells_nothing_is_not_called_quiet_or_busy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert observe_cpu._waited_s(tmp_path / "missing") is None
    monkeypatch.setattr(observe_cpu, "_waited_s", lambda: None)
    monkeypatch.setattr(observe_cpu, "_busy_s", lambda: None)
    value, found = around(lambda: 7)
    assert value == 7 and found.waited_s is None and found.others_s is None and found.lost_s is None
    assert found.others_cores is None


def test_the_commonest_reason_comes_first() -> None:
    assert most_common([("a",), ("b", "a"), ("b",), (), ("b",)]) == ["b", "a"]


@dataclass
class Process:
    pid: int


@dataclass
class Library:
    """What NVML would say."""

    bits: int = 0
    processes: list[Process] = field(default_factory=list)
    silent: bool = False
    ClockType = SimpleNamespace(SM="sm")
    TemperatureSensors = SimpleNamespace(GPU="gpu")

    def device_get_clock_info(self, handle: object, domain: str) -> int:
        if self.silent or domain != "sm":
            raise RuntimeError("not supported")
        return 1980

    def device_get_power_usage(self, handle: object) -> int:
        return 690_500

    def device_get_temperature_v(self, handle: object, sensor: str) -> int:
        assert sensor == "gpu"
        return 61

    def device_get_current_clocks_event_reasons(self, handle: object) -> int:
        if self.silent:
            raise RuntimeError("not supported")
        return self.bits

    def device_get_compute_running_processes_v3(self, handle: object) -> list[Process]:
        if self.silent:
            raise RuntimeError("not supported")
        return self.processes


def test_what_a_gpu_tells() -> None:
    mine = os.getpid()
    sibling, stranger = 10, 11
    library = Library(0x0004 | 0x0040, [Process(mine), Process(sibling), Process(stranger)])
    gpu = GpuObserver(library, None, lambda pid: pid in (mine, sibling))
    assert gpu.throttled() == ("power cap", "thermal, by hardware") and gpu.foreign() == 1
    _, found = around(lambda: None, (gpu,))
    assert found.disturbances()[-2:] == ("clock held back (thermal, by hardware)", "others computed on the GPU")
    assert found.facts == {"sm_clock_hz": 1.98e9, "power_w": 690.5, "temperature_c": 61.0}
    library.processes = [Process(stranger)]  # the driver counts processes from outside of this container
    assert gpu.foreign() is None
    library.silent = True
    assert gpu.throttled() == () and gpu.foreign() is None
    assert "sm_clock_hz" not in around(lambda: None, (gpu,))[1].facts, "missing is missing"


class Slow:
    """An observer of somebody's own, which takes its time on both sides of a block."""

    def __init__(self, *humidities: float) -> None:
        self._humidities = iter(humidities)

    def before(self) -> None:
        time.sleep(0.02)

    def after(self) -> dict[str, float]:
        time.sleep(0.02)
        return {"humidity_share": next(self._humidities)}


def test_what_another_observer_finds_goes_into_the_record_and_costs_the_block_nothing() -> None:
    observer = Slow(0.25, 0.75, 0.5)
    blocks = [around(lambda: None, (observer,))[1] for _ in range(3)]
    assert all(block.wall_s < 0.02 for block in blocks)
    assert disturbance_of([*blocks, quiet()], [True, True, False, True]).facts == {"humidity_share": 0.5}


def test_workers_of_one_server_are_no_strangers() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        assert observe_gpu._is_ours(os.getpid())
        assert not observe_gpu._is_ours(child.pid), "a child of this process is no sibling of it"
        assert not observe_gpu._is_ours(1) or os.getppid() == 0
        assert not observe_gpu._is_ours(2**22 + 1)
    finally:
        child.communicate()
