"""How much time a sweep spends: the sizes come from the operations, the patience from here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.check.case import InputSet, checked_sets
from workbench.declare import Operation
from workbench.measure.stopping import StopRule


@dataclass(frozen=True)
class Budget:
    """What one preset spends on a variant, a case and a machine."""

    rule: StopRule
    warm_s: float
    """Warm-up of every setting tried and every variant timed, by time."""
    tune_s: float
    """Most time spent on trying one variant's settings."""
    block_s: float
    """Length of one interleaved block."""
    ceilings_s: float
    """Time for the ceilings of the machine."""
    thorough: bool = True
    """Every regime; else the two that catch most."""

    counted_instructions: int = 1_000_000
    """Warp instructions that may be executed with caches modelled, over the shapes of one variant and dtype, where
    machine code is simulated: half a second to one of a core."""
    passes: tuple[str, ...] = ()
    """The passes that take part where the user names no operation, variant or pass; empty: all."""
    named: bool = False
    """Only operations that name shapes for this preset take part; else those that do not have their default shape."""

    def input_sets(self, operation: Operation, run_seed: int = 0) -> tuple[InputSet, ...]:
        """What is checked beside the timed sets: every further regime, or the next one and, where inputs may be
        absent, the first without them."""
        every = checked_sets(operation, run_seed)
        return every if self.thorough else tuple(dict.fromkeys((*every[:1], *every[-1:])))


# Preset gpu with the variants of profiles/gpu_run.sh is to end within 9 minutes on an H200, tests and counters
# included. Modelled, not measured: 77 variants at 15 shapes, 2.5 s each (worker and bind 1, tuning, warm-up and samples
# 1.5), 190 s; references, 690 million elements in four sets at 150 ns, 3.5 side by side, 120 s; comparisons with
# float64 on the host, 4 thousand million elements six times at 5 ns, 120 s. What time cuts off: --resume goes on.
PRESETS = {
    "small": Budget(
        StopRule(min_samples=5, min_seconds=0.02, cap_seconds=0.1),
        0.005,
        0.05,
        0.005,
        0.5,
        counted_instructions=100_000,
    ),
    "quick": Budget(
        StopRule(min_samples=10, min_seconds=0.2, cap_seconds=0.75), 0.02, 0.3, 0.04, 2.0, False, 300_000, ("forward",)
    ),
    "standard": Budget(StopRule(), 0.1, 5.0, 0.05, 8.0, counted_instructions=10_000_000),
    "gpu": Budget(StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.5), 0.03, 1.5, 0.02, 4.0),
    # What `gpu` has no time for. One run each, on the machine that the run of `gpu` came from.
    "peers": Budget(
        StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.5), 0.03, 1.0, 0.02, 4.0, thorough=False, named=True
    ),
    # The few shapes at which kernels are held against the limit of the machine, the quickest first.
    "limit": Budget(
        StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.3), 0.03, 0.8, 0.02, 3.0, thorough=False, named=True
    ),
    # What layers to take home choose their kernels by, on a CPU (kernel_variants/layer_shapes.py).
    "layers": Budget(
        StopRule(min_samples=10, min_seconds=0.2, cap_seconds=0.75), 0.02, 0.5, 0.04, 4.0, thorough=False, named=True
    ),
    "experiment": Budget(
        StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.5), 0.03, 0.5, 0.02, 4.0, thorough=False, named=True
    ),
}
