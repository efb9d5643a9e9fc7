"""The layer's ladder: the operations' variants chained, from a launch for everything to one kernel."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.gate import operation as gate
from kernel_variants.gate import variants as gate_variants
from kernel_variants.layer import eager as torch_eager
from kernel_variants.layer.operation import SCAN_FLOPS, state_bytes
from kernel_variants.projection import variants as projection_variants
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

HERE = Path(__file__).parent


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_eager.layer, ("x", "w", "bias", "h0", "w_out", "bias_out"), ("y", "h_last")),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """The eager gates, a product and a sum a step for the state (6 float32 an element), the eager projection.

    A step's tensors are small enough for the L2 cache, so DRAM may see less than this.
    """
    T, elements = shape["T"], gate.elements(shape)
    gates = gate_variants.eager_cost(shape, settings)
    state = Cost(
        bytes=6 * 4 * elements + state_bytes(shape), flops=SCAN_FLOPS * elements, launches=2 * T, serial_steps=2 * T
    )
    return (
        Cost(gates.bytes, gates.flops, gates.matrix_flops, gates.special, gates.launches * T)
        + state
        + projection_variants.eager_cost(shape, settings)
    )


VARIANTS = (
    Variant(
        name="eager",
        operation="layer",
        devices=("cpu", "cuda"),
        idea="torch, a loop over time with every product inside",
        plan=eager,
        cost=eager_cost,
        factors={"gate": "eager", "scan": "serial", "projection": "per step", "source": "torch"},
        rung=0,
    ),
)
