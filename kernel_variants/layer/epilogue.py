"""The last rungs: the scan inside the gate product's epilogue, and the projection after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernel_variants.gate import operation as gate
from kernel_variants.layer.operation import SCAN_FLOPS, state_bytes
from workbench.declare import Clear, Cost, Defines, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div

HERE = Path(__file__).parent
GRID_LIMIT = 2**31 - 1
"""Largest grid.x (CUDA C++ programming guide, compute capabilities)."""


@dataclass(frozen=True)
class Geometry:
    """How a kernel cuts x, w → h into tiles."""

    rows: int
    """Steps of time of a tile."""
    channels: int
    threads: int
    defines: Defines

    def tiles(self, shape: Shape) -> int:
        return shape["B"] * ceil_div(shape["T"], self.rows) * ceil_div(shape["H"], self.channels)


def plan(source: str, function: str, shape: Shape, geometry: Geometry) -> Plan:
    """x, w, bias, h0 → h, h_last in one launch, and the clearing of its flags."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    tiles = geometry.tiles(shape)
    between = ("tile_a", "tile_b", "tile_state")
    arguments = ("x", "w", "bias", "h0", "h", "h_last", *between, "flags", B, T, D, H)
    return Plan(
        (
            Clear("flags"),
            Kernel(
                HERE / source, function, (tiles, 1, 1), (geometry.threads, 1, 1), arguments, defines=geometry.defines
            ),
        ),
        (
            *(Tensor(name, (tiles, geometry.channels), "float32", "scratch") for name in between),
            Tensor("flags", (1 + tiles,), "uint32", "scratch"),
        ),
    )


def cost(shape: Shape, geometry: Geometry) -> Cost:
    """x, w, bias read, h written; three float32 a channel of a tile written and read again.

    The scan composes each step once and applies it once: 5 operations per element. Nothing but the passing of states
    from one stretch of time to the next depends on what came before.
    """
    elements = gate.elements(shape)
    read = gate.input_elements(shape) + gate.weight_elements(shape)
    passed = 6 * 4 * geometry.tiles(shape) * geometry.channels
    return Cost(
        bytes=(read + elements) * shape.element_bytes + state_bytes(shape) + passed,
        flops=(gate.GATE_FLOPS + SCAN_FLOPS + 3) * elements,
        matrix_flops=gate.product_flops(shape),
        special=gate.GATE_SPECIAL * elements,
        launches=2,
        serial_steps=ceil_div(shape["T"], geometry.rows),
    )


def supports(shape: Shape, geometry: Geometry, dtypes: Collection[str]) -> str | None:
    if shape.dtype not in dtypes:
        return f"{shape.dtype}: tensor cores round their factors to {', '.join(dtypes)} and miss the bound of 1e-6"
    tiles = geometry.tiles(shape)
    return f"{tiles} tiles are over the {GRID_LIMIT} blocks of a grid" if tiles > GRID_LIMIT else None


def scan_in_product(
    rung: int,
    name: str,
    geometry: Callable[[Settings], Geometry],
    settings: Mapping[str, tuple[int, ...]],
    dtypes: Collection[str] = ("float32", "bfloat16"),
) -> Variant:
    """x, w → h by the function layer_NAME of RUNG_NAME.cu, as one part of a layer."""
    source, function = f"{rung}_{name}.cu", f"layer_{name}"
    smallest = geometry({key: min(values) for key, values in settings.items()})
    return Variant(
        name=name,
        operation="layer",
        devices=("cuda",),
        idea="the scan in the epilogue of the gate product",
        plan=lambda shape, chosen: plan(source, function, shape, geometry(chosen)),
        cost=lambda shape, chosen: cost(shape, geometry(chosen)),
        settings=settings,
        supports=lambda shape: supports(shape, smallest, dtypes),
    )


def _plain(settings: Settings) -> Geometry:
    """Tiles of include/product_tile.cuh: 8 rows x 4 channels a thread."""
    rows, channels = int(settings["tile_rows"]), 64
    defines = (("TILE_ROWS", rows), ("TILE_CHANNELS", channels))
    return Geometry(rows, channels, rows // 8 * channels // 4, defines)


def _tensor(settings: Settings) -> Geometry:
    """A warp for every 64 steps x 16 channels."""
    rows, channels = int(settings["tile_rows"]), int(settings["tile_channels"])
    defines = (("TILE_ROWS", rows), ("TILE_CHANNELS", channels))
    return Geometry(rows, channels, rows // 64 * channels // 16 * 32, defines)


PLAIN = scan_in_product(50, "epilogue_scan", _plain, {"tile_rows": (128, 64)})
"""On the ordinary pipes."""
TENSOR = scan_in_product(
    51, "epilogue_scan_tensor", _tensor, {"tile_rows": (128, 64), "tile_channels": (64, 32)}, ("bfloat16",)
)
"""On the tensor cores."""
