"""Samples of a plan on a GPU, by events, with a cold L2, launch latency kept out, and the SM clock stamped.

One sample: flush L2, synchronise, hold the stream with a kernel that waits for the host, stamp, event, the plan,
event, stamp, release, synchronise. A throttled sample (SM clock under 75 % of the usual) is discarded, with a pause.
"""

from __future__ import annotations

import contextlib
import ctypes
from time import perf_counter, sleep

import numpy as np

from workbench.execute.bound import Bound
from workbench.measure.device_kernels import launch_own, own_kernels

HOLDABLE_LAUNCHES = 500
"""A stream queues about 1,024 launches; behind a held stream the next one would wait for ever."""
PATIENCE_NS = 500_000_000
"""How long a held stream waits before it takes the plan for one that synchronises with the host."""
THROTTLED = 0.75
"""Share of the usual clock under which a sample says more about heat than about the kernel."""
MOST_DISCARDED = 20
LATE_S = 200e-6
"""What the GPU still does so long behind the last event is work on a stream that the plan never waited for: it counts.
The stamp behind the event takes some microseconds."""
FLUSH_TIMES_L2 = 2


class CudaClock:
    """Times evaluations of `bound`, one at a time, rotating over its sets of inputs."""

    cache = "cold"

    def __init__(
        self, bound: Bound, launches: int, mark: contextlib.AbstractContextManager[None] | None = None
    ) -> None:
        """`launches` that an evaluation queues; `mark`: an NVTX range around every evaluation, while the GPU is held
        or still behind: what it costs the host is not timed."""
        import torch

        self._mark = mark or contextlib.nullcontext()

        self._torch = torch
        self._bound = bound
        self.next = 0
        """The set that is evaluated next."""
        self.repeats = 1
        """Evaluations in a sample."""
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self._multiprocessors = int(properties.multi_processor_count)
        l2_bytes = int(getattr(properties, "L2_cache_size", 0)) or 64 << 20
        self._flush = torch.empty(FLUSH_TIMES_L2 * l2_bytes, dtype=torch.uint8, device="cuda")
        self._signal = torch.zeros(2, dtype=torch.int32).pin_memory()
        self._stamps = torch.zeros((2, self._multiprocessors, 2), dtype=torch.int64, device="cuda")
        self._kernels = own_kernels("stamp.cu", ("hold_stream", "stamp_clock"))
        self._hold = launches <= HOLDABLE_LAUNCHES
        self._clocks: list[float] = []
        self._usual: float | None = None
        self.timer = "cuda_event" if self._hold else "cuda_event_unheld"

    def warm_up(self, seconds: float) -> float:
        """Runs for `seconds` (at least twice); returns the fastest wall time of an evaluation."""
        end = perf_counter() + seconds
        fastest = float("inf")
        runs = 0
        while runs < 2 or perf_counter() < end:
            start = perf_counter()
            self._bound.run(self._index())
            self._bound.synchronize()
            fastest = min(fastest, perf_counter() - start)
            runs += 1
        return fastest

    def samples(self, seconds: float, repeats: int | None = None) -> list[float]:
        """At least one sample, and more until `seconds` of wall time are over. A sample is one evaluation, whatever
        `repeats` says."""
        end = perf_counter() + seconds
        taken: list[float] = []
        discarded = 0
        while not taken or perf_counter() < end:
            sample, clock_hz = self._sample()
            if clock_hz is not None:
                self._usual = max(self._usual or clock_hz, clock_hz)
                if clock_hz < THROTTLED * self._usual and discarded < MOST_DISCARDED:
                    discarded += 1
                    sleep(min(0.05 * 2**discarded, 1.0))
                    continue
                self._clocks.append(clock_hz)
            taken.append(sample)
        return taken

    def settle(self) -> None:
        """Two evaluations that nobody times: another process has just had the GPU."""
        for _ in range(2):
            self._bound.run(self._index())
        self._bound.synchronize()

    def clock_hz(self) -> float | None:
        """Median SM clock of the samples so far."""
        return float(np.median(self._clocks)) if self._clocks else None

    def _sample(self) -> tuple[float, float | None]:
        torch = self._torch
        index = self._index()
        _reset_persisting_l2()
        self._flush.zero_()
        torch.cuda.synchronize()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        if self._hold:
            self._signal.zero_()
            signal = self._signal.data_ptr()
            launch_own(self._kernels["hold_stream"], 1, 1, signal, signal + 4, ctypes.c_int64(PATIENCE_NS))
        self._stamp(0)
        begin.record()
        with self._mark:
            self._bound.run(index)
        end.record()
        self._stamp(1)
        self._signal[0] = 1
        end.synchronize()
        left = perf_counter()
        torch.cuda.synchronize()
        late_s = perf_counter() - left
        if self._hold and int(self._signal[1]):
            # The plan waits for the host: nothing behind the hold could start. From here on it is timed unheld.
            self._hold, self.timer = False, "cuda_event_unheld"
            return self._sample()
        sample = begin.elapsed_time(end) * 1e-3
        return sample + (late_s if late_s > LATE_S else 0.0), self._stamped_hz()

    def _stamped_hz(self) -> float | None:
        """Median over multiprocessors of cycles over nanoseconds between the two stamps; None where no
        multiprocessor was stamped twice or the work was too short for the timer's tick."""
        stamps = self._stamps.cpu().numpy()
        cycles = stamps[1, :, 0] - stamps[0, :, 0]
        nanoseconds = stamps[1, :, 1] - stamps[0, :, 1]
        both = (stamps[0, :, 1] > 0) & (stamps[1, :, 1] > 0) & (nanoseconds > 20_000)
        return float(np.median(cycles[both] / nanoseconds[both]) * 1e9) if both.any() else None

    def _stamp(self, which: int) -> None:
        pointer, count = self._stamps[which].data_ptr(), self._multiprocessors
        launch_own(self._kernels["stamp_clock"], 8 * count, 1, pointer, ctypes.c_int32(count))

    def _index(self) -> int:
        index = self.next
        self.next = (index + 1) % self._bound.sets
        return index


def _reset_persisting_l2() -> None:
    """Persisting L2 lines survive a plain flush; they are given back before each sample."""
    with contextlib.suppress(ImportError):
        from cuda.bindings import driver

        driver.cuCtxResetPersistingL2Cache()
