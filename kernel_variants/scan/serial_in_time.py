"""Serial in time, parallel over channels: the least work there is, and four ways to keep its memory busy."""

from __future__ import annotations

from collections.abc import Callable

from kernel_variants.scan.cells import Cell
from kernel_variants.scan.grid_and_tile import BARRIER_BYTES, HERE, LANES, MAP_BYTES, Tile, few_sequences, ring_of
from workbench.declare import Cost, Defines, Kernel, Plan, Setting, Settings, Shape, Variant, ceil_div

MODEST = 4
"""Numbers of a step with which as many steps fit a thread's registers as minGRU's backward pass holds."""


def serial(cell: Cell) -> Variant:
    """Named serial_gated in the gated scan, where plain `serial` would hide which rung it is."""
    idea = "gates inside the serial scan" if cell.gated else "one thread per channel, the state in a register"
    name = "serial_gated" if cell.gated else "serial"
    return _walk(cell, name, ("50_serial", "scan_serial"), idea, 50, "direct", {"block": (128, 64, 256)})


def vector(cell: Cell) -> Variant:
    widths: tuple[Setting, ...] = (8, 4, 2) if cell.gated and cell.held <= MODEST else (4, 2, 8)
    idea = "16-byte loads: several channels a thread"
    settings = {"vector": widths, "block": (64, 32, 128)}
    return _walk(cell, "vector", ("52_vector", "scan_serial_vector"), idea, 52, "vector loads", settings)


def prefetch(cell: Cell) -> Variant:
    ahead = (16, 8, 32) if cell.emits_state else (8, 4)  # a backward step is more registers
    settings: dict[str, tuple[Setting, ...]] = {"ahead": ahead, "block": (64, 32, 128)}
    idea = f"the next {ahead[0]} steps always on the way in registers"
    return _walk(cell, "prefetch", ("54_prefetch", "scan_serial_prefetch"), idea, 54, "register prefetch", settings)


def _walk(
    cell: Cell,
    name: str,
    source: tuple[str, str],
    idea: str,
    rung: int,
    memory: str,
    settings: dict[str, tuple[Setting, ...]],
) -> Variant:
    """A kernel with a thread for each `vector` channels that walks all of T; `vector` and `ahead` become defines."""

    def plan(shape: Shape, chosen: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        block, width = int(chosen["block"]), int(chosen.get("vector", 1))
        defines: Defines = tuple((n.upper(), chosen[n]) for n in settings if n != "block")
        arguments = (*cell.scanned(shape), T, H)
        grid = (ceil_div(H, width * block), B, 1)
        file, function = source
        step = Kernel(HERE / f"{file}.cu", function, grid, (block, 1, 1), arguments, 0, (*defines, *cell.defines))
        return Plan((step,))

    return Variant(
        name=name,
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea=idea,
        plan=plan,
        cost=_walked_once(cell),
        factors={"algorithm": "serial", "source": "cuda", "memory": memory},
        settings=settings,
        supports=few_sequences,
        rung=rung,
    )


def _walked_once(cell: Cell) -> Callable[[Shape, Settings], Cost]:
    return lambda shape, settings: cell.cost(shape, launches=1, serial_steps=shape["T"])


def ring(cell: Cell) -> Variant:
    """The asynchronous-copy ring: as many tiles on the way at a time as `ring_kb` kilobytes hold."""

    tiles: tuple[Setting, ...] = ("4x8x2", "4x8x1", "8x8x1", "1x32x1")
    if cell.gated:
        wide, narrow = "8x16x2", "4x16x1"
        first = (wide, narrow) if cell.emits_state else (narrow, wide)
        tiles = (*first, "4x32x1", "8x8x2") if cell.held <= MODEST else ("8x8x1", "4x8x1", "8x4x2")

    def chosen(shape: Shape, settings: Settings) -> tuple[Tile, int, int]:
        # Two stages are enough: the tile that is computed lies in registers, and its stage is free.
        return ring_of(Tile.of(settings), int(settings["ring_kb"]), cell.step_bytes(shape), least_stages=2)

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        tile, stages, stage_bytes = chosen(shape, settings)
        shared = stages * (stage_bytes + 2 * BARRIER_BYTES) + 2 * tile.warps * tile.channels * MAP_BYTES
        defines = (*tile.defines, ("STAGES", stages), *cell.defines)
        arguments = (*cell.scanned(shape), T, H)
        grid, threads = (ceil_div(H, tile.channels), B, 1), (LANES * (tile.warps + 1), 1, 1)
        return Plan((Kernel(HERE / "70_ring.cu", "scan_ring", grid, threads, arguments, shared, defines),))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Composed once and replayed: 5 operations. A tile is its segment's steps twice and a summary a warp deep."""
        tile = chosen(shape, settings)[0]
        if tile.warps == 1:
            return cell.cost(shape, launches=1, serial_steps=shape["T"])
        depth = ceil_div(shape["T"], tile.length) * (2 * tile.steps + tile.warps)
        return cell.cost(shape, launches=1, serial_steps=depth, flops=5)

    return Variant(
        name="ring",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="a ring of asynchronous copies: one warp copies, the others compute",
        plan=plan,
        cost=cost,
        factors={"algorithm": "serial", "source": "cuda", "memory": "asynchronous copies"},
        settings={
            "tile": tiles,
            "ring_kb": (64, 32, 88),
        },
        supports=few_sequences,
        rung=70,
    )
