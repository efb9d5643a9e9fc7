"""The machine's ceilings, measured in a worker: a process of its own, as the variants have."""

from __future__ import annotations

from workbench.measure.ceilings import Measured


class Ceilings:
    """Lives in the worker process."""

    def __init__(self, device: str) -> None:
        self._device = device

    def measure(self, seconds: float) -> Measured:
        if self._device == "cuda":
            from workbench.measure.ceilings_cuda import measure_cuda_ceilings

            return measure_cuda_ceilings()
        from workbench.measure.ceilings_cpu import measure_cpu_ceilings

        return measure_cpu_ceilings(seconds)
