"""What the driver of an NVIDIA GPU tells of it. NVML comes with `cuda.bindings`, which the workbench has anyway."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Bits of NVML's nvmlClocksEventReasons (nvml.h): which ones mean that a timing is not what it could be.
THROTTLE_REASONS = {
    0x0004: "power cap",
    0x0008: "hardware slowdown",
    0x0010: "sync boost",
    0x0020: "thermal, by software",
    0x0040: "thermal, by hardware",
    0x0080: "power brake",
}


class GpuObserver:
    """The GPU that CUDA shows this process, as the driver's management library (NVML) sees it: why its clock is held
    back, who else computes on it, its clock, power and temperature at the end of the block."""

    def __init__(self, library: Any, handle: Any, ours: Callable[[int], bool]) -> None:
        """`ours`: whether a process is one of the workbench's."""
        self._library, self._handle, self._ours = library, handle, ours

    def before(self) -> None:
        """What NVML tells is of the moment: there is nothing to take the difference from."""

    def after(self) -> dict[str, Any]:
        found: dict[str, Any] = {"throttled": self.throttled(), "foreign": self.foreign()}
        n, gpu = self._library, self._handle
        clock_mhz = _asked(lambda: float(n.device_get_clock_info(gpu, n.ClockType.SM)))
        power_mw = _asked(lambda: float(n.device_get_power_usage(gpu)))
        celsius = _asked(lambda: float(n.device_get_temperature_v(gpu, n.TemperatureSensors.GPU)))
        facts = {
            "sm_clock_hz": clock_mhz and clock_mhz * 1e6,
            "power_w": power_mw and power_mw * 1e-3,
            "temperature_c": celsius,
        }
        return found | {name: value for name, value in facts.items() if value is not None}

    def throttled(self) -> tuple[str, ...]:
        bits = _asked(lambda: int(self._library.device_get_current_clocks_event_reasons(self._handle)))
        return tuple(words for bit, words in THROTTLE_REASONS.items() if (bits or 0) & bit)

    def foreign(self) -> int | None:
        """None where it cannot be told: the driver's process numbers are not those of this container."""
        found = _asked(lambda: self._library.device_get_compute_running_processes_v3(self._handle))
        if found is None:
            return None
        pids = [int(process.pid) for process in found]
        return sum(not self._ours(pid) for pid in pids) if os.getpid() in pids else None


def gpu_here() -> GpuObserver | None:
    """The GPU that this process computes on, or None where the library is missing or does not know it."""
    try:
        import torch
        from cuda.bindings import nvml

        nvml.init_v2()
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        return GpuObserver(nvml, nvml.device_get_handle_by_uuid(f"GPU-{uuid.removeprefix('GPU-')}"), _is_ours)
    except Exception:  # no driver, an older one, another binding: the clock's own stamps still tell of throttling
        return None


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception:  # a GPU, or a slice of one, that does not answer this
        return None


def _is_ours(pid: int) -> bool:
    """This process, and those that the same server has started: the variants that are timed against each other."""
    if pid == os.getpid():
        return True
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[1]) == os.getppid()
