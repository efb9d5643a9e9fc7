"""What this process and the others did on the cores meanwhile, as Linux counts it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any


class CpuObserver:
    """CPU and wall time, time that threads waited for a core, involuntary context switches, what others used, load."""

    def before(self) -> None:
        self._waited, self._switches, self._busy = _waited_s(), _switches(), _busy_s()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def after(self) -> dict[str, Any]:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        busy, waited = _busy_s(), _waited_s()
        found = {
            "wall_s": wall,
            "cores": len(os.sched_getaffinity(0)),
            "cpu_s": cpu,
            "switches": _switches() - self._switches,
            "load_average": _load_average(),
        }
        if waited is not None and self._waited is not None:
            found["waited_s"] = max(0.0, waited - self._waited)
        if busy is not None and self._busy is not None:
            found["others_s"] = max(0.0, busy - self._busy - cpu)
        return found


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
