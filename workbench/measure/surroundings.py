"""What else the machine did while a block of samples was taken, and whether that has disturbed it.

Measured in the process that takes the samples, around them: on a CPU how long its threads were ready and waited for a
core, how often they lost one, how much of the machine others used; on a GPU why its clock was held back, and who else
computes on it. What a system does not tell is None.

A block is disturbed where its threads lost a core to others for more than a part of it, where others kept a core and a
half of the machine's busy beside it, or where a GPU was held back by heat or shared. CPU time over wall time alone says
nothing: a variant of one thread has 1, one that waits for memory has it too, and one of eight threads has 8.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LOST_SHARE = 0.05
LOST_SHARE_OF_CPU = LOST_SHARE / 8
"""Of a block, and of its CPU time: more than this spent in waiting for cores that others had disturbs it. What a system
does for itself costs every core a little, which adds up where there are many."""
OTHERS_CORES = 0.5
OTHERS_SHARE = 0.1
"""Others that use more than half a core, and more than a tenth of all cores, take memory bandwidth, cache and clock."""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""The system counts CPU time of all processes in ticks: what a short block sees of it is off by one at each end."""
SWITCHES_PER_S = 50
"""Times per second that a thread loses its core, where the system does not say how long it then waited."""

# Bits of NVML's nvmlClocksEventReasons (nvml.h): which ones mean that a timing is not what it could be.
THROTTLE_REASONS = {
    0x0004: "power cap",
    0x0008: "hardware slowdown",
    0x0010: "sync boost",
    0x0020: "thermal, by software",
    0x0040: "thermal, by hardware",
    0x0080: "power brake",
}
HARMLESS = ("power cap", "sync boost")
"""A large matrix product runs at the power cap on a quiet GPU: it is told, and disturbs nothing."""


@dataclass(frozen=True)
class Surroundings:
    """Of one block. Plain data: it travels from the worker to the coordinator."""

    wall_s: float
    cores: int
    """That the process may use."""
    cpu_s: float
    """CPU time of the process, all threads together."""
    waited_s: float | None = None
    """Time that its threads were ready to run and did not, all together."""
    switches: int = 0
    """Times that its threads lost their core unasked (involuntary context switches)."""
    others_s: float | None = None
    """CPU time that all other processes took, and that a hypervisor withheld."""
    load_average: float | None = None
    """Of the machine, over the last minute."""
    throttled: tuple[str, ...] = ()
    """Why the GPU's clock is held back: words of THROTTLE_REASONS."""
    foreign: int | None = None
    """Processes of others that compute on the GPU."""

    @property
    def lost_s(self) -> float | None:
        """How long its threads waited for cores that others had: threads that wait for each other, because there are
        more of them than cores, use all cores meanwhile."""
        if self.waited_s is None:
            return None
        return min(self.waited_s, max(0.0, self.cores * self.wall_s - self.cpu_s))

    @property
    def others_cores(self) -> float | None:
        """Cores that others used on average."""
        return None if self.others_s is None or self.wall_s <= 0 else self.others_s / self.wall_s

    def disturbances(self) -> tuple[str, ...]:
        """What has disturbed the block, a few words each; empty where nothing has."""
        found = []
        lost = self.lost_s
        if lost is not None and lost > max(LOST_SHARE * self.wall_s, LOST_SHARE_OF_CPU * self.cpu_s):
            found.append("waited for a core")
        elif lost is None and self.switches > max(1.0, SWITCHES_PER_S * self.wall_s):
            found.append("lost its core")
        most = max(OTHERS_CORES, OTHERS_SHARE * self.cores) * self.wall_s
        if self.others_s is not None and self.others_s - TICK_S > most:
            found.append("others used the machine")
        found += [f"clock held back ({reason})" for reason in self.throttled if reason not in HARMLESS]
        if self.foreign:
            found.append("others computed on the GPU")
        return tuple(found)


class Gpu(Protocol):
    """What a driver tells of the GPU that is timed on."""

    def throttled(self) -> tuple[str, ...]: ...

    def foreign(self) -> int | None: ...


def around(action: Callable[[], Any], gpu: Gpu | None = None) -> tuple[Any, Surroundings]:
    """What `action` returns, and what else the machine did meanwhile."""
    waited, switches, busy = _waited_s(), _switches(), _busy_s()
    cpu, wall = time.process_time(), time.perf_counter()
    value = action()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    busy_then, waited_then = _busy_s(), _waited_s()
    others = None if busy is None or busy_then is None else max(0.0, busy_then - busy - cpu)
    return value, Surroundings(
        wall_s=wall,
        cores=len(os.sched_getaffinity(0)),
        cpu_s=cpu,
        waited_s=None if waited is None or waited_then is None else max(0.0, waited_then - waited),
        switches=_switches() - switches,
        others_s=others,
        load_average=_load_average(),
        throttled=gpu.throttled() if gpu is not None else (),
        foreign=gpu.foreign() if gpu is not None else None,
    )


def _waited_s(tasks: Path = Path("/proc/self/task")) -> float | None:
    """Time that the threads of this process have been ready and waited for a core; None where the kernel keeps none."""
    total, known = 0, False
    with contextlib.suppress(OSError):
        for task in tasks.iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):  # a thread that has just ended
                total += int((task / "schedstat").read_bytes().split()[1])
                known = True
    return total * 1e-9 if known else None


def _switches() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _busy_s() -> float | None:
    """CPU time that all processes of the machine have taken, and that a hypervisor has withheld, up to now."""
    import psutil

    with contextlib.suppress(OSError, RuntimeError):
        times = psutil.cpu_times()
        # `guest` is part of `user` already.
        idle = ("idle", "iowait", "guest", "guest_nice")
        return float(sum(value for name, value in times._asdict().items() if name not in idle))
    return None


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


# ------------------------------------------------------------------------------------------------------------- GPU


class Nvml:
    """The GPU that CUDA shows this process, as the driver's management library sees it."""

    def __init__(self, library: Any, handle: Any, ours: Callable[[int], bool]) -> None:
        """`ours`: whether a process is one of the workbench's."""
        self._library, self._handle, self._ours = library, handle, ours

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


def nvml_here() -> Nvml | None:
    """The GPU that this process computes on, or None where the library is missing or does not know it."""
    try:
        import torch
        from cuda.bindings import nvml

        nvml.init_v2()
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        return Nvml(nvml, nvml.device_get_handle_by_uuid(f"GPU-{uuid.removeprefix('GPU-')}"), _is_ours)
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


def most_common(reasons: Sequence[Sequence[str]]) -> list[str]:
    """Each reason once, the one of most blocks first."""
    every = [reason for one in reasons for reason in one]
    return sorted(dict.fromkeys(every), key=lambda reason: -every.count(reason))
