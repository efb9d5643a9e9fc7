"""The rung that makes h again: its least traffic, and its least kept memory."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.backward import STATES
from kernel_variants.scan.cells import GATED_SCAN_BACKWARD as CELL
from kernel_variants.scan.grid_and_tile import few_sequences
from workbench.declare import Cost, Kernel, Plan, Settings, Shape, Variant, ceil_div

HERE = Path(__file__).parent


def plan(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    arguments = ("kv", "h", "h0", "gh", "gh_last", "dkv", "dh0", T, H)
    grid, threads = (ceil_div(H, block), B, 1), (block, 1, 1)
    defines = (("CHUNK", settings["chunk"]),)
    source = HERE / "90_checkpoints.cu"
    return Plan((Kernel(source, "gated_scan_checkpoints", grid, threads, arguments, defines=defines),))


def cost(shape: Shape, settings: Settings) -> Cost:
    """A step is walked twice, and a row of h read for every chunk but the first."""
    n, E = shape["B"] * shape["T"] * shape["H"], shape.element_bytes
    checkpoints = shape["B"] * ((shape["T"] - 1) // int(settings["chunk"])) * shape["H"]
    return Cost(
        bytes=(5 * n + checkpoints) * E + STATES * 4 * shape["B"] * shape["H"],
        flops=n * (CELL.flops_per_step + 2 + CELL.flops_per_output + 1),
        special=CELL.special_per_step * n,
        launches=1,
        serial_steps=2 * shape["T"],
        kept_bytes=(2 * n + checkpoints) * E,
    )


CHECKPOINTS = Variant(
    name="checkpoints",
    operation="gated_scan",
    pass_="backward",
    devices=("cuda",),
    idea="h made again from every 32nd row of it, a chunk at a time",
    plan=plan,
    cost=cost,
    factors={"algorithm": "serial", "source": "cuda", "memory": "direct", "kept": "checkpoints"},
    settings={"chunk": (32, 16), "block": (64, 128)},
    supports=few_sequences,
    rung=90,
)
