"""Gates and scan apart: what crosses memory between them is what the rungs after these save."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernel_variants.gated_scan.in_torch import eager_gates, eager_gates_cost
from kernel_variants.scan.cells import FLOPS_PER_GATE_PAIR, SCAN, SCAN_BACKWARD, SPECIAL_PER_GATE_PAIR
from kernel_variants.scan.grid_and_tile import few_sequences
from kernel_variants.scan.serial_in_time import serial
from workbench.declare import Call, Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div, chain

HERE = Path(__file__).parent
SERIAL, SERIAL_BACKWARD = serial(SCAN), serial(SCAN_BACKWARD)
ROWS, COLUMNS = 4, 64
"""Rows and threads per row of a block of 20_gates_apart.cu."""


def _then_scan(gates: Plan, shape: Shape, settings: Settings) -> Plan:
    size = (shape["B"], shape["T"], shape["H"])
    between = (Tensor("a", size, "float32", "scratch"), Tensor("b", size, "float32", "scratch"))
    return chain((gates, SERIAL.plan(shape, settings)), scratch=between)


def eager_plan(shape: Shape, settings: Settings) -> Plan:
    return _then_scan(Plan((Call(eager_gates, ("kv",), ("a", "b")),)), shape, settings)


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    return eager_gates_cost(shape, settings) + SERIAL.cost(shape, settings)


def fused_plan(shape: Shape, settings: Settings) -> Plan:
    rows = shape["B"] * shape["T"]
    arguments = ("kv", "a", "b", rows, shape["H"])
    grid, threads = (ceil_div(rows, ROWS), 1, 1), (COLUMNS, ROWS, 1)
    return _then_scan(
        Plan((Kernel(HERE / "20_gates_apart.cu", "gates_apart", grid, threads, arguments),)), shape, settings
    )


def fused_cost(shape: Shape, settings: Settings) -> Cost:
    """k and v in, a and b out in float32, and the scan."""
    n = shape["B"] * shape["T"] * shape["H"]
    gates = Cost(
        bytes=n * 2 * (shape.element_bytes + 4),
        flops=FLOPS_PER_GATE_PAIR * n,
        special=SPECIAL_PER_GATE_PAIR * n,
        launches=1,
    )
    return gates + SERIAL.cost(shape, settings)


RUNGS = (
    Variant(
        name="eager_gates",
        operation="gated_scan",
        devices=("cuda",),
        idea="gates in torch, then the serial scan",
        plan=eager_plan,
        cost=eager_cost,
        factors={"algorithm": "serial", "source": "torch, cuda", "fusion": "none"},
        settings=SERIAL.settings,
        supports=few_sequences,
        rung=10,
    ),
    Variant(
        name="fused_gates",
        operation="gated_scan",
        devices=("cuda",),
        idea="one elementwise kernel for all gates, then the serial scan",
        plan=fused_plan,
        cost=fused_cost,
        factors={"algorithm": "serial", "source": "cuda", "fusion": "gates"},
        settings=SERIAL.settings,
        supports=few_sequences,
        rung=20,
    ),
)


def backward_plan(shape: Shape, settings: Settings) -> Plan:
    """Decays, the scan's backward pass, the gates'."""
    rows, H = shape["B"] * shape["T"], shape["H"]
    source, grid, threads = HERE / "21_gates_apart_backward.cu", (ceil_div(rows, ROWS), 1, 1), (COLUMNS, ROWS, 1)
    decays = Plan((Kernel(source, "decays", grid, threads, ("kv", "a", rows, H)),))
    gates = Plan((Kernel(source, "gates_backward", grid, threads, ("kv", "da", "db", "dkv", rows, H)),))
    size = (shape["B"], shape["T"], H)
    between = (Tensor(name, size, "float32", "scratch") for name in ("a", "da", "db"))
    return chain((decays, SERIAL_BACKWARD.plan(shape, settings), gates), scratch=between)


def backward_cost(shape: Shape, settings: Settings) -> Cost:
    """k in, a out; the scan; k, v, da, db in and dk, dv out. What is kept is kv and h: a is not."""
    n, E = shape["B"] * shape["T"] * shape["H"], shape.element_bytes
    decays = Cost(n * (E + 4), flops=4 * n, special=2 * n, launches=1)
    scan = replace(SERIAL_BACKWARD.cost(shape, settings), kept_bytes=n * E)
    gates = Cost(n * (4 * E + 8), (FLOPS_PER_GATE_PAIR + 6) * n, special=SPECIAL_PER_GATE_PAIR * n, launches=1)
    return decays + scan + replace(gates, kept_bytes=2 * n * E)


BACKWARD_RUNGS = (
    Variant(
        name="fused_gates",
        operation="gated_scan",
        pass_="backward",
        devices=("cuda",),
        idea="a kernel for the decays, one for the scan, one for the gates' gradients",
        plan=backward_plan,
        cost=backward_cost,
        factors={"algorithm": "serial", "source": "cuda", "fusion": "gates"},
        settings=SERIAL.settings,
        supports=few_sequences,
        rung=21,
    ),
)
