"""A stack cut into tiles, a layer and a block of time each, and the steps of one: products for the block, then the
scan's own kernels from the state that the block before has left.

    forwards    (layer, block) waits for (layer - 1, block) and (layer, block - 1)
    backwards   it waits for (layer + 1, block) and (layer, block + 1)

Both directions of time need all of it: they go with one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from kernel_variants.placed import placed
from kernel_variants.stack import products
from kernel_variants.stack.memory import Blocks, Slots, States
from workbench.declare import At, Call, Concurrent, Cost, Settings, Step, Tensor, Variant

Tile = tuple[int, int]
"""Layer, block."""


@dataclass(frozen=True)
class Scans:
    """The rungs of gated_scan that do a tile's scan, one for each direction of time."""

    there: tuple[Variant, ...]
    back: tuple[Variant, ...]
    settings: tuple[str, ...]
    """Of the tunables those that are theirs."""

    def own(self, settings: Settings) -> Settings:
        return {name: settings[name] for name in self.settings}


@dataclass(frozen=True)
class Tiles:
    """The steps of each tile of a stack, and the memory between them."""

    time: Blocks
    scans: Scans
    settings: Settings
    kv: Slots
    h: Slots
    carried: States
    g: Slots
    dkv: Slots
    carried_back: States

    @classmethod
    def of(cls, time: Blocks, scans: Scans, settings: Settings, *, trained: bool, pipelined: bool) -> Tiles:
        """Layers and blocks are held while somebody still reads them: in a pipeline, by a layer that is a block behind;
        on the way back, those of a block (of all of them in a pipeline, whose last block comes first)."""
        L = time.shape["layers"]
        every = time.count if trained and pipelined else 1
        kept = L if trained or pipelined else 1
        return cls(
            time, scans, scans.own(settings),
            kv=Slots("kv", time, kept, every, parts=2),
            h=Slots("h", time, L if kept == L else 2, max(every, 1 + pipelined)),
            carried=States("carried", "h0", "h_last", time, time.count if trained else 2),
            g=Slots("g", time, L if pipelined else 2, 1 + pipelined),
            dkv=Slots("dkv", time, L if pipelined else 1, parts=2),
            carried_back=States("carried_back", "gh_last", "dh0", time, 2),
        )  # fmt: skip

    def scratch(self, trained: bool) -> tuple[Tensor, ...]:
        found = [self.kv.tensor(), self.h.tensor()] + [self.g.tensor(), self.dkv.tensor()] * trained
        if self.time.count > 1:
            found += [self.carried.tensor()] + [self.carried_back.tensor()] * trained
        return tuple(found)

    # --------------------------------------------------------------------------------------------- steps of a tile

    @property
    def directions(self) -> range:
        return range(self.time.shape["directions"])

    @property
    def whole(self) -> bool:
        """Whether the uppermost layer's states lie as the stack's do, so that its scans work on y and gy themselves."""
        return self.time.count == 1 and len(self.directions) == 1

    def uppermost(self, layer: int) -> bool:
        """Whether its states are the stack's."""
        return layer == self.time.shape["layers"] - 1

    def h_place(self, layer: int, direction: int, block: int) -> At:
        """Where a tile's states go."""
        if self.whole and self.uppermost(layer):
            return At("y", 0)
        return At("h", self.h.offset(layer, direction, block))

    def _sources(self, layer: int, block: int) -> tuple[int, ...]:
        """Rows of h that a layer sees; none of the lowest one."""
        return tuple(self.h.row(layer - 1, direction, block) for direction in self.directions) if layer else ()

    def there(self, tile: Tile, again: bool = False) -> Iterator[Step]:
        """kv, h and the state that is left; `again`, when y has them already."""
        layer, block = tile
        times = self.time.times(block)
        for direction in self.directions:
            cell = layer, direction
            product = partial(
                products.pre_activations, cell=cell, times=times, sources=self._sources(layer, block),
                to=self.kv.row(*cell, block),
            )  # fmt: skip
            yield Call(product, ("x", "h", "w", "bias", "kv"))
            where = {
                "kv": At("kv", self.kv.offset(*cell, block)),
                "h": self.h_place(*cell, block),
                "h0": At(*self.carried.place(*cell, block - 1)),
                "h_last": At(*self.carried.place(*cell, block)),
            }
            yield from self._scan(self.scans.there[direction], block, where)
            if not again:
                yield from self.handed_over(*cell, block)

    def handed_over(self, layer: int, direction: int, block: int) -> Iterator[Step]:
        """The uppermost layer's states into y, where they are not there."""
        if self.uppermost(layer) and not self.whole:
            times, row = self.time.times(block), self.h.row(layer, direction, block)
            copied = partial(products.to_all_of_time, times=times, direction=direction, of=row)
            yield Call(copied, ("h", "y"))

    def back(self, tile: Tile) -> Iterator[Step]:
        """From the gradient of h those of w, bias and of what the layer sees, and the state's gradient that is left."""
        layer, block = tile
        times, turn, sources = self.time.times(block), self.time.count - 1 - block, self._sources(layer, block)
        for direction in self.directions:
            cell = layer, direction
            gh = At("g", self.g.offset(*cell, block))
            if self.uppermost(layer) and self.whole:
                gh = At("gy", 0)
            elif self.uppermost(layer):
                row = self.g.row(*cell, block)
                copied = partial(products.from_all_of_time, times=times, direction=direction, to=row)
                yield Call(copied, ("gy", "g"))
            where = {
                "kv": At("kv", self.kv.offset(*cell, block)),
                "h": self.h_place(*cell, block),
                "h0": At(*self.carried.place(*cell, block - 1)),
                "gh": gh,
                "dkv": At("dkv", self.dkv.offset(*cell, block)),
                "gh_last": At(*self.carried_back.place(*cell, turn - 1)),
                "dh0": At(*self.carried_back.place(*cell, turn)),
            }
            yield from self._scan(self.scans.back[direction], block, where)
            gradients = partial(
                products.weight_gradients, cell=cell, times=times, sources=sources, of=self.dkv.row(*cell, block),
                more=turn > 0,
            )  # fmt: skip
            yield Call(gradients, ("x", "h", "dkv", "dw", "dbias"))
        of = tuple(self.dkv.row(layer, direction, block) for direction in self.directions)
        if layer == 0:
            lowest = partial(products.lowest_input_gradient, times=times, sources=of)
            yield Call(lowest, ("dkv", "w", "dx"))
            return
        rows = self.time.shape["B"] * self.time.length(block)
        to = tuple(self.g.row(layer - 1, direction, block) for direction in self.directions)
        below = partial(products.input_gradient, layer=layer, rows=rows, sources=of, to=to)
        yield Call(below, ("dkv", "w", "g"))

    def _scan(self, scan: Variant, block: int, where: dict[str, At]) -> tuple[Step, ...]:
        plan = scan.plan(self.time.one(block), self.settings)
        return placed(plan, where).steps

    # ------------------------------------------------------------------------------------------- their order

    def in_turn(self, steps: Callable[[Tile], Iterator[Step]], block: int, upwards: bool = True) -> Iterator[Step]:
        """All layers of a block."""
        layers = range(self.time.shape["layers"])
        for layer in layers if upwards else reversed(layers):
            yield from steps((layer, block))

    def wavefront(self, steps: Callable[[Tile], Iterator[Step]], upwards: bool = True) -> Iterator[Step]:
        """Every tile as soon as those that it waits for are done: a diagonal of layers and blocks at a time."""
        L, K = self.time.shape["layers"], self.time.count
        diagonals = range(L + K - 1)
        for diagonal in diagonals if upwards else reversed(diagonals):
            tiles = [(layer, diagonal - layer) for layer in range(L) if 0 <= diagonal - layer < K]
            yield Concurrent(tuple(tuple(steps(tile)) for tile in tiles))


# ----------------------------------------------------------------------------------------------------------- costs


def scan_cost(time: Blocks, scans: tuple[Variant, ...], settings: Settings) -> Cost:
    """Of all tiles."""
    total = Cost(0)
    for scan in scans:
        for block in range(time.count):
            one = scan.cost(time.one(block), settings)
            for _ in range(time.shape["layers"]):
                total += one
    return total


def _sizes(time: Blocks) -> tuple[int, int, int, int, int]:
    """Elements of h of a layer in a direction; layers; directions; bytes of an element; tiles."""
    shape = time.shape
    L, D = shape["layers"], shape["directions"]
    return shape["B"] * shape["T"] * shape["H"], L, D, shape.element_bytes, L * D * time.count


def _copied(time: Blocks) -> int:
    """Elements of a block of x, or of dx, that are copied because other times stand between those of its sequences."""
    n, _, D, _, _ = _sizes(time)
    return 2 * n * D if time.count > 1 and time.shape["B"] > 1 else 0


def products_cost(time: Blocks, whole: bool) -> Cost:
    """Forwards: what a layer sees in, kv out (and for the other direction's states in and out once more), weights in
    for every block; y where it is copied."""
    n, L, D, E, tiles = _sizes(time)
    H = time.shape["H"]
    seen, made, again = L * D * n * D, L * D * 2 * n, (L - 1) * D * (D - 1) * 4 * n
    weights = tiles * 2 * H * (D * H + 1)
    moved = seen + made + again + weights + _copied(time) + (0 if whole else 2 * n * D)
    more, copies = (L - 1) * D * (D - 1), (_copied(time) > 0) * time.count + (0 if whole else D * time.count)
    return Cost(moved * E, flops=2 * n * L * D, matrix_flops=L * D * 2 * 2 * n * D * H, launches=tiles + more + copies)


def products_back_cost(time: Blocks, whole: bool) -> Cost:
    """dkv in for a product for each direction below, for one with what the layer saw, and for a sum; gradients of
    weights out (float32), and in and out once more for every further block; gy, x and dx where they are copied."""
    n, L, D, E, tiles = _sizes(time)
    H, K, copied = time.shape["H"], time.count, 2 * _copied(time)
    below = (L - 1) * D * (D * 2 * n + (2 * D - 1) * n) + D * 2 * n + (2 * D - 1) * D * n
    with_seen = L * D * (2 * n + D * n) + L * D * 2 * n
    moved = below + with_seen + tiles * 2 * H * D * H + copied + (0 if whole else 2 * n * D)
    of_weights = 4 * (2 * tiles - L * D) * 2 * H * (D * H + 1)
    products = (2 * (L - 1) * D * D + 2 * D) * K
    sums = 2 * tiles - L * D
    launches = products + sums + (copied > 0) * 2 * K + (0 if whole else D * K)
    return Cost(
        moved * E + of_weights, flops=2 * n * L * D, matrix_flops=2 * L * D * 2 * 2 * n * D * H, launches=launches
    )
