"""Time split into tiles that run side by side, for when channels are too few to fill the machine."""

from __future__ import annotations

from kernel_variants.scan.geometry import GRID_LIMIT, GRID_X_LIMIT, HERE, LANES, RESULTS, Tile, few_sequences
from kernel_variants.scan.streams import Streams
from workbench.declare import I32, Clear, Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div


def three_phase(streams: Streams) -> Variant:
    chunks_to_choose = (256, 64, 128, 512)

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        block, length = int(settings["block"]), int(settings["chunk"])
        chunks = ceil_div(T, length)
        source, inputs, grid = HERE / "three_phase.cu", streams.arguments(shape), (ceil_div(H, block), chunks, B)
        threads = (block, 1, 1)
        names = ("summary_a", "summary_b", "entering")
        reduce = (*inputs, "summary_a", "summary_b", T, H, length)
        scan = ("summary_a", "summary_b", "h0", "entering", "h_last", chunks, H)
        replay = (*inputs, "entering", "h", T, H, length)
        return Plan(
            (
                Kernel(source, "scan_reduce", grid, threads, reduce, defines=streams.defines),
                Kernel(source, "scan_summaries", (grid[0], B, 1), threads, scan, defines=streams.defines),
                Kernel(source, "scan_replay", grid, threads, replay, defines=streams.defines),
            ),
            scratch=tuple(Tensor(n, (B, chunks, H), "float32", "scratch") for n in names),
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """A summary is written once and read once, an entering state too: 6 float32 a chunk."""
        length = int(settings["chunk"])
        chunks = ceil_div(shape["T"], length)
        extra = 6 * 4 * shape["B"] * chunks * shape["H"]
        return streams.cost(shape, 3, 2 * min(length, shape["T"]) + chunks, reads=2, extra_bytes=extra, flops=5)

    def supports(shape: Shape) -> str | None:
        most = GRID_LIMIT * min(chunks_to_choose)
        if shape["T"] > most:
            return f"T={shape['T']} is over the {most} steps whose chunks fit a grid"
        return few_sequences(shape)

    return Variant(
        name="three_phase",
        operation=streams.operation,
        devices=("cuda",),
        idea="reduce, scan the summaries, replay: chunks of time side by side, three launches",
        plan=plan,
        cost=cost,
        factors={"algorithm": "three-phase", "source": "cuda", "memory": "direct"},
        settings={"chunk": chunks_to_choose, "block": (128, 64, 256)},
        supports=supports,
        rung=60,
    )


def look_back(streams: Streams, fixed_order: bool) -> Variant:
    tiles_to_choose = ("16x16x1", "16x8x1", "8x16x1", "8x8x2")
    smallest = min(Tile.of({"tile": text}).length for text in tiles_to_choose)
    group = 32

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        tile = Tile.of(settings)
        tiles, strips = ceil_div(T, tile.length), ceil_div(H, tile.channels)
        order = (("FIXED_ORDER", 1), ("GROUP", group)) if fixed_order else ()
        between = ("tile_a", "tile_b", "tile_state")
        step = Kernel(
            HERE / "look_back.cu",
            "scan_look_back",
            (B * strips * tiles, 1, 1),
            (LANES * tile.warps, 1, 1),
            (*streams.arguments(shape), *RESULTS, *between, "flags", T, H, I32(B)),
            defines=(*tile.defines, *order, *streams.defines),
        )
        return Plan(
            (Clear("flags"), step),
            scratch=(
                *(Tensor(n, (B, tiles, H), "float32", "scratch") for n in between),
                Tensor("flags", (1 + B * strips * tiles,), "uint32", "scratch"),
            ),
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Three float32 a channel of a tile written and read again; composed once and replayed: 5 operations."""
        tile = Tile.of(settings)
        tiles = ceil_div(shape["T"], tile.length)
        extra = 6 * 4 * shape["B"] * tiles * shape["H"]
        chain = ceil_div(tiles, group if fixed_order else tile.warps)
        return streams.cost(shape, 2, 2 * tile.steps + 2 * tile.warps + chain, extra_bytes=extra, flops=5)

    def supports(shape: Shape) -> str | None:
        blocks = shape["B"] * ceil_div(shape["H"], LANES) * ceil_div(shape["T"], smallest)
        if blocks > GRID_X_LIMIT:
            return f"{shape} makes {blocks} tiles, over the {GRID_X_LIMIT} blocks of a grid"
        return None

    order = "fixed" if fixed_order else "free"
    how = "in a fixed order: the same bits every run" if fixed_order else "as far as they must"
    return Variant(
        name=f"look_back_{order}",
        operation=streams.operation,
        devices=("cuda",),
        idea=f"one pass, tiles look back {how}",
        plan=plan,
        cost=cost,
        factors={"algorithm": "look-back", "source": "cuda", "memory": "registers", "order": order},
        settings={"tile": tiles_to_choose},
        supports=supports,
        rung=81 if fixed_order else 80,
    )
