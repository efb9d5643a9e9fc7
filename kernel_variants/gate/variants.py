"""The gate's ladder: declarations of every way to compute it, the simplest first.

Declared bytes are those of DRAM. A rung reads its weights again and again, a time step or a tile at a time, but they
fit the L2 cache at every size that a layer has (8 MB for D = H = 1024 in float32), so they count once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernel_variants.gate import eager as torch_eager
from kernel_variants.gate import per_step as steps
from kernel_variants.gate import products
from kernel_variants.gate.backward_variants import BACKWARD_VARIANTS
from kernel_variants.gate.operation import (
    GATE_FLOPS,
    GATE_SPECIAL,
    elements,
    gate_bytes,
    input_elements,
    product_flops,
    weight_elements,
)
from kernel_variants.scan.cpu import EXPONENTIALS_OF_GATES, FLOPS_OF_GATES
from workbench.declare import Call, Cost, Host, Kernel, Plan, Repeat, Settings, Shape, Tensor, Variant, ceil_div

HERE = Path(__file__).parent

SPECIAL_APART = 6
"""Special functions an element where sigma(-k), sigma(k) and g(v) are computed apart: two each."""
GRID_LIMIT = 2**31 - 1
"""Largest grid.x (CUDA C++ programming guide, compute capabilities)."""


def cost(shape: Shape, moved: int, launches: int, serial_steps: int = 0, special: int = GATE_SPECIAL) -> Cost:
    """The gates' work, which hardly changes between rungs, with what a rung moves and how often it launches."""
    return Cost(
        bytes=moved,
        flops=GATE_FLOPS * elements(shape),
        matrix_flops=product_flops(shape),
        special=special * elements(shape),
        launches=launches,
        serial_steps=serial_steps,
    )


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_eager.gates, ("x", "w", "bias"), ("a", "b")),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """Two products (x each time), then per element in float32: -k, sigma twice, v >= 0, v + 1/2, sigma, where, z c.

    Both products are written in the shape's dtype and widened (in bf16), take their bias (float32, read and written),
    and the eight operations after them move 70 bytes per element: 8 for each of five with one operand, 5 and 13 for
    those with a boolean, 12 for the product.
    """
    E = shape.element_bytes
    narrow = shape.dtype != "float32"
    products_bytes = 2 * E + (2 * (E + 4) if narrow else 0) + 2 * 8
    moved = (2 * input_elements(shape) + weight_elements(shape)) * E + (products_bytes + 70) * elements(shape)
    return cost(shape, moved, 14 if narrow else 12, special=SPECIAL_APART)


def per_step(shape: Shape, settings: Settings) -> Plan:
    return Plan((Repeat(steps.unfused_step(shape, settings), shape["T"]),), steps.scratch(shape))


def per_step_cost(shape: Shape, settings: Settings) -> Cost:
    """k, v, z and c of a step stay in the L2 cache."""
    launches = steps.LAUNCHES * shape["T"]
    return cost(shape, gate_bytes(shape), launches, launches, SPECIAL_APART)


def per_step_fused(shape: Shape, settings: Settings) -> Plan:
    return Plan((Repeat(steps.fused_step(shape, settings), shape["T"]),))


def per_step_fused_graph(shape: Shape, settings: Settings) -> Plan:
    return replace(per_step_fused(shape, settings), graph=True)


def per_step_fused_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, gate_bytes(shape), shape["T"], shape["T"])


def unfused(shape: Shape, settings: Settings) -> Plan:
    rows, D, H = shape["B"] * shape["T"], shape["D"], shape["H"]
    block = int(settings["block"])
    grid, threads, sizes = steps.warps(rows * H, block), (block, 1, 1), (rows, D, H)
    source = HERE / "20_unfused.cu"
    return Plan(
        (
            Kernel(source, "gate_unfused_z", grid, threads, ("x", "w", "bias", "a", "b", *sizes)),
            Kernel(source, "gate_unfused_c", grid, threads, ("x", "w", "bias", "b", *sizes)),
        )
    )


def unfused_cost(shape: Shape, settings: Settings) -> Cost:
    """x read twice; z written where b will stand, and read from there."""
    moved = gate_bytes(shape) + input_elements(shape) * shape.element_bytes + 8 * elements(shape)
    return cost(shape, moved, 2, special=SPECIAL_APART)


def fused(shape: Shape, settings: Settings) -> Plan:
    rows, D, H = shape["B"] * shape["T"], shape["D"], shape["H"]
    block = int(settings["block"])
    arguments = ("x", "w", "bias", "a", "b", rows, D, H)
    return Plan((Kernel(HERE / "21_fused.cu", "gate_fused", steps.warps(rows * H, block), (block, 1, 1), arguments),))


def one_launch_cost(shape: Shape, settings: Settings) -> Cost:
    return cost(shape, gate_bytes(shape), 1)


def fused_shared(shape: Shape, settings: Settings) -> Plan:
    rows, D, H = shape["B"] * shape["T"], shape["D"], shape["H"]
    tile_rows, tile_depth, tile_channels = int(settings["tile_rows"]), int(settings["tile_depth"]), 64
    grid = (ceil_div(rows, tile_rows) * ceil_div(H, tile_channels), 1, 1)
    threads = (tile_rows // 8 * tile_channels // 4, 1, 1)  # 8 rows x 4 channels a thread: include/product_tile.cuh
    defines = (("TILE_ROWS", tile_rows), ("TILE_CHANNELS", tile_channels), ("TILE_DEPTH", tile_depth))
    arguments = ("x", "w", "bias", "a", "b", rows, D, H)
    return Plan((Kernel(HERE / "22_fused_shared.cu", "gate_fused_shared", grid, threads, arguments, defines=defines),))


def preactivations(shape: Shape) -> Tensor:
    """kv between product and gates, float32 whatever the dtype: 30_elementwise.cu says why."""
    return Tensor("kv", (shape["B"], shape["T"], 2, shape["H"]), "float32", "scratch")


def batched(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    grid = (ceil_div(B * T * H, block), 1, 1)
    arguments = ("kv", "bias", "a", "b", B * T, H)
    return Plan(
        (
            Call(products.multiply, ("x", "w", "kv")),
            Kernel(HERE / "30_elementwise.cu", "gate_elementwise", grid, (block, 1, 1), arguments),
        ),
        (preactivations(shape),),
    )


def batched_cost(shape: Shape, settings: Settings) -> Cost:
    """kv written by the product and read by the gates, in float32."""
    return cost(shape, gate_bytes(shape) + 4 * 4 * elements(shape), 2)


def batched_vector(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block, vector = int(settings["block"]), 4  # floats in 128 bits
    grid = (ceil_div(B * T * ceil_div(H, vector), block), 1, 1)
    arguments = ("kv", "bias", "a", "b", B * T, H)
    return Plan(
        (
            Call(products.multiply, ("x", "w", "kv")),
            Kernel(HERE / "31_elementwise_vector.cu", "gate_elementwise_vector", grid, (block, 1, 1), arguments),
        ),
        (preactivations(shape),),
    )


def batched_cpu(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return Plan(
        (
            Call(products.multiply_add, ("x", "w", "bias", "kv")),
            Host(HERE / "32_elementwise.cpp", "gate_elementwise", ("kv", "a", "b", B * T, H)),
        ),
        (preactivations(shape),),
    )


def batched_cpu_cost(shape: Shape, settings: Settings) -> Cost:
    """kv in float32 (on a CPU the product is computed so anyway), written and read; a and b read before written."""
    moved = gate_bytes(shape) + (4 * 4 + 2 * 4) * elements(shape)
    return replace(
        cost(shape, moved, 0, special=EXPONENTIALS_OF_GATES),
        flops=(FLOPS_OF_GATES + 2) * elements(shape),
        write_allocate=2 * 4 * elements(shape),
    )


def enough_blocks(shape: Shape) -> str | None:
    """Rungs that give every element of (B, T, H) a warp, four of them a block."""
    blocks = ceil_div(elements(shape), 4)
    return f"{blocks} blocks are over the {GRID_LIMIT} of a grid" if blocks > GRID_LIMIT else None


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
    Variant(
        name="per_step",
        operation="gate",
        devices=("cuda",),
        idea="a launch for every operation of every step",
        plan=per_step,
        cost=per_step_cost,
        factors={"fusion": "none", "batching": "per step", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=10,
    ),
    Variant(
        name="per_step_fused",
        operation="gate",
        devices=("cuda",),
        idea="both products and the gates of a step in one launch",
        plan=per_step_fused,
        cost=per_step_fused_cost,
        factors={"fusion": "step", "batching": "per step", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=11,
    ),
    Variant(
        name="per_step_fused_graph",
        operation="gate",
        devices=("cuda",),
        idea="the same launches replayed from one CUDA graph",
        plan=per_step_fused_graph,
        cost=per_step_fused_cost,
        factors={"fusion": "step", "batching": "per step, graph", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=12,
    ),
    Variant(
        name="unfused",
        operation="gate",
        devices=("cuda",),
        idea="all steps at once, a kernel a gate, each reading x",
        plan=unfused,
        cost=unfused_cost,
        factors={"fusion": "none", "batching": "all steps", "memory": "direct", "source": "cuda"},
        settings={"block": (128, 256)},
        supports=enough_blocks,
        rung=20,
    ),
    Variant(
        name="fused",
        operation="gate",
        devices=("cuda",),
        idea="both gates from one read of x",
        plan=fused,
        cost=one_launch_cost,
        factors={"fusion": "gates", "batching": "all steps", "memory": "direct", "source": "cuda"},
        settings={"block": (128, 256)},
        supports=enough_blocks,
        rung=21,
    ),
    Variant(
        name="fused_shared",
        operation="gate",
        devices=("cuda",),
        idea="tiles of x and w in shared memory, sums of both gates in registers",
        plan=fused_shared,
        cost=one_launch_cost,
        factors={"fusion": "gates", "batching": "all steps", "memory": "shared", "source": "cuda"},
        settings={"tile_rows": (128, 64), "tile_depth": (16, 8)},
        rung=22,
    ),
    Variant(
        name="batched",
        operation="gate",
        devices=("cuda",),
        idea="one library product, then one elementwise kernel",
        plan=batched,
        cost=batched_cost,
        factors={"fusion": "elementwise", "batching": "all steps", "source": "library, cuda"},
        settings={"block": (256, 128)},
        rung=30,
    ),
    Variant(
        name="batched_vector",
        operation="gate",
        devices=("cuda",),
        idea="the elementwise kernel with 128-bit loads and stores",
        plan=batched_vector,
        cost=batched_cost,
        factors={"fusion": "elementwise", "batching": "all steps", "memory": "vector", "source": "library, cuda"},
        settings={"block": (256, 128)},
        rung=31,
    ),
    Variant(
        name="batched_cpu",
        operation="gate",
        devices=("cpu",),
        idea="one library product, then one pass of SIMD over its output",
        plan=batched_cpu,
        cost=batched_cpu_cost,
        factors={"fusion": "elementwise", "batching": "all steps", "source": "library, c++"},
        rung=32,
    ),
    *BACKWARD_VARIANTS,
)
