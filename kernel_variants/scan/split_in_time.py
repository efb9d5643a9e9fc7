"""Time split into tiles that run side by side, for when channels are too few to fill the machine."""

from __future__ import annotations

from kernel_variants.scan.cells import Cell
from kernel_variants.scan.grid_and_tile import (
    BARRIER_BYTES,
    GRID_LIMIT,
    GRID_X_LIMIT,
    HERE,
    LANES,
    MAP_BYTES,
    TICKET_BYTES,
    Tile,
    few_sequences,
    ring_of,
)
from kernel_variants.scan.serial_in_time import MODEST
from workbench.declare import (
    I32,
    Argument,
    At,
    Clear,
    Cost,
    Kernel,
    Limits,
    Plan,
    Settings,
    Shape,
    Tensor,
    Variant,
    ceil_div,
)


def three_phase(cell: Cell) -> Variant:
    chunks_to_choose = (256, 64, 128, 512)

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        block, length = int(settings["block"]), int(settings["chunk"])
        chunks = ceil_div(T, length)
        source, inputs, grid = HERE / "60_three_phase.cu", cell.read(shape), (ceil_div(H, block), chunks, B)
        threads = (block, 1, 1)
        names = ("summary_a", "summary_b", "entering")
        reduce = (*inputs, "summary_a", "summary_b", T, H, length)
        scan = ("summary_a", "summary_b", cell.first, "entering", cell.last, chunks, H)
        replay = (*inputs, "entering", *cell.written(shape), T, H, length)
        return Plan(
            (
                Kernel(source, "scan_reduce", grid, threads, reduce, defines=cell.defines),
                Kernel(source, "scan_summaries", (grid[0], B, 1), threads, scan, defines=cell.defines),
                Kernel(source, "scan_replay", grid, threads, replay, defines=cell.defines),
            ),
            scratch=tuple(Tensor(n, (B, chunks, H), "float32", "scratch") for n in names),
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """A summary is written once and read once, an entering state too: 6 float32 a chunk."""
        length = int(settings["chunk"])
        chunks = ceil_div(shape["T"], length)
        extra = 6 * 4 * shape["B"] * chunks * shape["H"]
        return cell.cost(shape, 3, 2 * min(length, shape["T"]) + chunks, reads=2, extra_bytes=extra, flops=5)

    def supports(shape: Shape) -> str | None:
        most = GRID_LIMIT * min(chunks_to_choose)
        if shape["T"] > most:
            return f"T={shape['T']} is over the {most} steps whose chunks fit a grid"
        return few_sequences(shape)

    return Variant(
        name="three_phase",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="reduce, scan the summaries, replay: chunks of time side by side, three launches",
        plan=plan,
        cost=cost,
        factors={"algorithm": "three-phase", "source": "cuda", "memory": "direct"},
        settings={"chunk": chunks_to_choose, "block": (128, 64, 256)},
        supports=supports,
        rung=60,
    )


def few_tiles(shape: Shape) -> str | None:
    """Tiles, of 64 steps or more, are numbered by 32-bit tickets: the reason why there are too many, if so."""
    tiles = shape["B"] * ceil_div(shape["H"], LANES) * ceil_div(shape["T"], 64)
    return f"{shape} makes {tiles} tiles, over the {GRID_X_LIMIT} of a grid" if tiles > GRID_X_LIMIT else None


def look_back_plain(cell: Cell) -> Variant:
    """One warp per tile; a tile asks those before it one by one."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        tiles, strips = ceil_div(T, int(settings["steps"])), ceil_div(H, LANES)
        between = ("tile_a", "tile_b", "tile_state")
        step = Kernel(
            HERE / "78_look_back_plain.cu",
            "scan_look_back_plain",
            (B * strips * tiles, 1, 1),
            (LANES, 1, 1),
            (*cell.scanned(shape), *between, "flags", T, H, I32(B)),
            defines=(("STEPS", settings["steps"]), *cell.defines),
        )
        return Plan(
            (Clear("flags"), step),
            scratch=(
                *(Tensor(n, (B, tiles, H), "float32", "scratch") for n in between),
                Tensor("flags", (1 + B * strips * tiles,), "uint32", "scratch"),
            ),
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """As look_back; in the worst case every tile waits for the one before."""
        steps = int(settings["steps"])
        tiles = ceil_div(shape["T"], steps)
        extra = 6 * 4 * shape["B"] * tiles * shape["H"]
        return cell.cost(shape, 2, 2 * steps + tiles, extra_bytes=extra, flops=5)

    def supports(shape: Shape) -> str | None:
        tiles = shape["B"] * ceil_div(shape["H"], LANES) * ceil_div(shape["T"], 16)
        return f"{shape} makes {tiles} tiles, over the {GRID_X_LIMIT} of a grid" if tiles > GRID_X_LIMIT else None

    return Variant(
        name="look_back_plain",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="one pass, decoupled look-back in one file: a tile asks those before it one by one",
        plan=plan,
        cost=cost,
        factors={"algorithm": "look-back", "source": "cuda", "memory": "registers", "order": "one by one"},
        settings={"steps": (32, 16, 64) if cell.emits_state else (32, 16)},
        supports=supports,
        rung=78,
    )


BOARD, BOARD_BYTES = "board", 24
"""Where tiles publish: a map of two words and a state of one per channel, each word 8 bytes (include/flagged.cuh)."""


def board_of(shape: Shape, tiles: int) -> Tensor:
    """All maps (B, tiles, H), all states, and the ticket counter: one tensor, so that one launch clears it."""
    return Tensor(BOARD, (BOARD_BYTES // 4 * shape["B"] * tiles * shape["H"] + 1,), "uint32", "scratch")


def board(shape: Shape, tiles: int) -> tuple[Argument, ...]:
    """The addresses of its three parts."""
    words = shape["B"] * tiles * shape["H"]
    return BOARD, At(BOARD, 4 * words), At(BOARD, 6 * words)


def look_back(cell: Cell, fixed_order: bool) -> Variant:
    # A backward step is three to six numbers where a forward one is two: half the steps fit a thread's registers.
    tiles_to_choose: tuple[str, ...] = ("8x16x1", "16x16x1", "8x16x2", "8x8x2")
    if not cell.emits_state:
        tiles_to_choose = ("16x4x1", "8x4x2") if cell.gated and fixed_order else ("8x8x1", "16x4x1", "8x4x2")
    if cell.held > MODEST:
        tiles_to_choose = ("8x4x1", "16x2x1")
    elif cell.emits_state and len(cell.inputs) > 2:  # raw values of all steps lie beside the steps made of them
        tiles_to_choose = ("16x8x1", "8x16x1", "8x8x2")
    group = 32

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        tile = Tile.of(settings)
        tiles, strips = ceil_div(T, tile.length), ceil_div(H, tile.channels)
        order = (("FIXED_ORDER", 1), ("GROUP", group)) if fixed_order else ()
        step = Kernel(
            HERE / "80_look_back.cu",
            "scan_look_back",
            (B * strips * tiles, 1, 1),
            (LANES * tile.warps, 1, 1),
            (*cell.scanned(shape), *board(shape, tiles), T, H, I32(B)),
            defines=(*tile.defines, *order, *cell.defines),
        )
        return Plan((Clear(BOARD), step), scratch=(board_of(shape, tiles),))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Three words per channel of a tile cleared, written and read; composed once and replayed: 5 operations."""
        tile = Tile.of(settings)
        tiles = ceil_div(shape["T"], tile.length)
        extra = 3 * BOARD_BYTES * shape["B"] * tiles * shape["H"]
        chain = ceil_div(tiles, group if fixed_order else tile.warps)
        return cell.cost(shape, 2, 2 * tile.steps + 2 * tile.warps + chain, extra_bytes=extra, flops=5)

    order = "fixed" if fixed_order else "free"
    how = "in a fixed order: the same bits every run" if fixed_order else "as far as they must"
    return Variant(
        name=f"look_back_{order}",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea=f"one pass, tiles look back {how}",
        plan=plan,
        cost=cost,
        factors={"algorithm": "look-back", "source": "cuda", "memory": "registers", "order": order},
        settings={"tile": tiles_to_choose},
        supports=few_tiles,
        rung=81 if fixed_order else 80,
    )


STAYING_PER_MULTIPROCESSOR = 2
"""Blocks that stay and take tile after tile; where fewer fit, the others find no tickets left."""


def look_back_ring(cell: Cell) -> Variant:
    def chosen(shape: Shape, settings: Settings) -> tuple[Tile, int, int]:
        # Two stages are enough: a tile lies in registers, and its stage is free, while it looks back.
        return ring_of(Tile.of(settings), int(settings["ring_kb"]), cell.step_bytes(shape), least_stages=2)

    def plan(shape: Shape, settings: Settings, limits: Limits) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        tile, stages, stage_bytes = chosen(shape, settings)
        tiles, strips = ceil_div(T, tile.length), ceil_div(H, tile.channels)
        maps = (2 * tile.warps + tile.warps) * tile.channels * MAP_BYTES
        shared = stages * (stage_bytes + 2 * BARRIER_BYTES + TICKET_BYTES) + maps + ceil_div(tile.warps, 8) * 8
        step = Kernel(
            HERE / "82_look_back_ring.cu",
            "scan_look_back_ring",
            (min(STAYING_PER_MULTIPROCESSOR * limits.multiprocessors, B * strips * tiles), 1, 1),
            (LANES * (tile.warps + 1), 1, 1),
            (*cell.scanned(shape), *board(shape, tiles), T, H, I32(B)),
            shared + 8,
            (*tile.defines, ("STAGES", stages), *cell.defines),
        )
        return Plan((Clear(BOARD), step), scratch=(board_of(shape, tiles),))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """As look_back."""
        tile = chosen(shape, settings)[0]
        tiles = ceil_div(shape["T"], tile.length)
        extra = 3 * BOARD_BYTES * shape["B"] * tiles * shape["H"]
        depth = 2 * tile.steps + 2 * tile.warps + ceil_div(tiles, tile.warps)
        return cell.cost(shape, 2, depth, extra_bytes=extra, flops=5)

    return Variant(
        name="look_back_ring",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="look-back in free order, fed by the ring: the next tiles come while one waits",
        plan=plan,
        cost=cost,
        factors={"algorithm": "look-back", "source": "cuda", "memory": "asynchronous copies", "order": "free"},
        settings={
            "tile": ("8x16x1", "8x8x1", "8x8x2") if cell.emits_state else ("8x8x1", "8x4x2"),
            "ring_kb": (88, 64, 48),
        },
        supports=few_tiles,
        rung=82,
    )
