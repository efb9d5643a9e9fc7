"""The two inputs that every scan kernel is written over: see include/steps.cuh.

A kernel of `scan` reads the streams a and b; compiled with GATED it reads the halves k and v of kv and is a kernel
of `gated_scan`. One class says all that differs, so that a rung is declared once for both operations.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.declare import DTYPE_BYTES, Argument, At, Cost, Defines, Shape

SPECIAL_PER_GATE_PAIR = 3
"""exp(-|k|), exp(-|v|) and one reciprocal: include/gates.cuh."""
LEAST_SPECIAL_PER_GATE_PAIR = 2
"""The two exponentials: a reciprocal can be had from the ordinary pipes, as CPUs do."""
FLOPS_PER_GATE_PAIR = 12
"""Additions and multiplications that include/gates.cuh spends on one a and b."""


@dataclass(frozen=True)
class Streams:
    """What a scan reads: a and b in float32, or (gated) k and v in the shape's dtype."""

    operation: str
    gated: bool

    @property
    def defines(self) -> Defines:
        return (("GATED", 1),) if self.gated else ()

    def arguments(self, shape: Shape) -> tuple[Argument, Argument]:
        return ("kv", At("kv", shape["H"])) if self.gated else ("a", "b")

    def value_bytes(self, shape: Shape) -> int:
        """Bytes of one value of one stream."""
        return shape.element_bytes if self.gated else DTYPE_BYTES["float32"]

    def cost(
        self, shape: Shape, launches: int, serial_steps: int, reads: int = 1, extra_bytes: int = 0, flops: int = 2
    ) -> Cost:
        """Both streams read `reads` times (and gated as often), h written once, the two states, and extra bytes.

        `flops` is what the scan itself spends on an element, over all reads.
        """
        n = shape["B"] * shape["T"] * shape["H"]
        gates = reads * n if self.gated else 0
        states = 2 * DTYPE_BYTES["float32"] * shape["B"] * shape["H"]
        return Cost(
            bytes=n * (reads * 2 * self.value_bytes(shape) + shape.element_bytes) + states + extra_bytes,
            flops=flops * n + FLOPS_PER_GATE_PAIR * gates,
            special=SPECIAL_PER_GATE_PAIR * gates,
            launches=launches,
            serial_steps=serial_steps,
        )


SCAN = Streams("scan", gated=False)
GATED_SCAN = Streams("gated_scan", gated=True)
