"""The gate's ladder: declarations of every way to compute it, the simplest first."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.gate import eager as torch_eager
from kernel_variants.gate.operation import GATE_FLOPS, GATE_SPECIAL, elements, gate_bytes, product_flops
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

HERE = Path(__file__).parent


def cost(shape: Shape, moved: int, launches: int, serial_steps: int = 0) -> Cost:
    """The gates' work, which no variant changes, with what it moves and how often it launches."""
    return Cost(
        bytes=moved,
        flops=GATE_FLOPS * elements(shape),
        matrix_flops=product_flops(shape),
        special=GATE_SPECIAL * elements(shape),
        launches=launches,
        serial_steps=serial_steps,
    )


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_eager.gates, ("x", "w", "bias"), ("a", "b")),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """Two products (x each time), then per element in float32: -k, sigma twice, v >= 0, v + 1/2, sigma, where, z c.

    Their reads and writes are 66 bytes an element, of which booleans are two; a bf16 product is widened first and
    takes its bias after (8 + 2E more for either gate).
    """
    E = shape.element_bytes
    widening = 2 * (E + 4 + 8) if shape.dtype == "bfloat16" else 0
    moved = gate_bytes(shape) - 8 * elements(shape) + shape["B"] * shape["T"] * shape["D"] * E
    return cost(shape, moved + (2 * E + 66 + widening) * elements(shape), 10 if not widening else 14)


VARIANTS = (
    Variant(
        name="eager",
        operation="gate",
        devices=("cpu", "cuda"),
        idea="torch, an operation at a time",
        plan=eager,
        cost=eager_cost,
        factors={"fusion": "none", "batching": "all steps", "source": "torch"},
        rung=0,
    ),
)
