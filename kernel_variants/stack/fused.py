"""The pipeline with product and scan of a tile in one kernel, the layer's epilogue scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from kernel_variants.layer import epilogue
from kernel_variants.placed import placed
from kernel_variants.stack import products
from kernel_variants.stack.memory import Blocks
from kernel_variants.stack.scans import ON_GPU
from kernel_variants.stack.tiles import Tile, Tiles
from workbench.declare import At, Call, Cost, Plan, Settings, Shape, Step, Tensor

SCAN = epilogue.PLAIN
SETTINGS = {"tile_rows": (64, 128)}
"""Steps of a kernel's own tiles, which look back: a block of time is a few of them."""


def _one(time: Blocks, block: int) -> Shape:
    """A tile of the stack as a layer."""
    B, H = time.shape["B"], time.shape["H"]
    return Shape.of(time.shape.dtype, B=B, T=time.length(block), D=H, H=H)


def _own(layer: int, scratch: tuple[Tensor, ...]) -> dict[str, At]:
    """What its blocks pass to each other is a layer's own: layers run at the same time."""
    return {t.name: At(f"{t.name}_{layer}", 0) for t in scratch}


def _steps(tiles: Tiles, settings: Settings) -> Callable[[Tile], Iterator[Step]]:
    time, H = tiles.time, tiles.time.shape["H"]

    def steps(tile: Tile) -> Iterator[Step]:
        layer, block = tile
        if layer == 0:
            yield Call(partial(products.block_of, times=time.times(block)), ("x", "seen"))
        plan = SCAN.plan(_one(time, block), settings)
        where = {
            "x": tiles.h_place(layer - 1, 0, block) if layer else At("seen", 0),
            "w": At("w", layer * 2 * H * H),
            "bias": At("bias", layer * 2 * H),
            "h": tiles.h_place(layer, 0, block),
            "h0": At(*tiles.carried.place(layer, 0, block - 1)),
            "h_last": At(*tiles.carried.place(layer, 0, block)),
            **_own(layer, plan.scratch),
        }
        yield from placed(plan, where).steps
        yield from tiles.handed_over(layer, 0, block)

    return steps


def plan(time: Blocks, settings: Settings) -> Plan:
    own = {name: settings[name] for name in SETTINGS}
    tiles = Tiles.of(time, ON_GPU, {"block": 128}, trained=False, pipelined=True)
    shape = time.shape
    longest = SCAN.plan(_one(time, 0), own).scratch
    scratch = [Tensor("seen", (shape["B"] * time.steps, shape["H"]), shape.dtype, "scratch"), tiles.h.tensor()]
    scratch += [tiles.carried.tensor()] * (time.count > 1)
    for layer in range(shape["layers"]):
        scratch += placed(Plan((), longest), _own(layer, longest)).scratch
    return Plan(tuple(tiles.wavefront(_steps(tiles, own))), tuple(scratch))


def cost(time: Blocks, settings: Settings) -> Cost:
    """The layer's kernel for every tile; x copied into blocks, and y out of them."""
    total = Cost(0, launches=time.count * (1 + (time.count > 1)))
    for block in range(time.count):
        one = SCAN.cost(_one(time, block), {name: settings[name] for name in SETTINGS})
        for _ in range(time.shape["layers"]):
            total += one
    return total
