"""Where a stack's tiles keep what they make. A tile is a layer (in a direction) and a block of time; a tensor has slots
for as many layers and blocks as must be held at a time, and the others take turns in them."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.declare import Shape, Tensor, ceil_div

FEWEST = 4
"""Blocks that time is cut into at the least: short sequences too show what passes from one to the next."""


@dataclass(frozen=True)
class Blocks:
    """Time in blocks of `steps`, the last one perhaps shorter."""

    shape: Shape
    steps: int

    @classmethod
    def of(cls, shape: Shape, steps: int) -> Blocks:
        return cls(shape, min(steps, ceil_div(shape["T"], FEWEST)))

    @property
    def count(self) -> int:
        return ceil_div(self.shape["T"], self.steps)

    def times(self, block: int) -> tuple[int, int]:
        """Its first step, and that after its last."""
        return block * self.steps, min((block + 1) * self.steps, self.shape["T"])

    def length(self, block: int) -> int:
        begin, end = self.times(block)
        return end - begin

    def one(self, block: int) -> Shape:
        """The scan of a tile."""
        return Shape.of(self.shape.dtype, B=self.shape["B"], T=self.length(block), H=self.shape["H"])


@dataclass(frozen=True)
class Slots:
    """A tensor (layers, directions, rows, parts, H) in slots: of each layer `blocks` blocks of time at a time."""

    name: str
    time: Blocks
    layers: int
    blocks: int = 1
    parts: int = 1

    @property
    def _rows(self) -> int:
        """Of a layer in a direction."""
        time, sequences = self.time, self.time.shape["B"]
        return sequences * (time.shape["T"] if self._every else min(self.blocks, time.count) * time.steps)

    @property
    def _every(self) -> bool:
        return self.blocks >= self.time.count

    def row(self, layer: int, direction: int, block: int) -> int:
        """The first row of a tile."""
        turn = block if self._every else block % self.blocks
        before = turn * self.time.steps * self.time.shape["B"]
        return (layer % self.layers * self.time.shape["directions"] + direction) * self._rows + before

    def offset(self, layer: int, direction: int, block: int) -> int:
        """Its first element."""
        return self.row(layer, direction, block) * self.parts * self.time.shape["H"]

    def tensor(self) -> Tensor:
        shape = self.time.shape
        size = (self.layers, shape["directions"], self._rows, self.parts, shape["H"])
        return Tensor(self.name, size, shape.dtype, "scratch")


@dataclass(frozen=True)
class States:
    """States that pass from one block of time to the next, (blocks, layers, B, H): `first` is what enters the first one
    walked, `last` what leaves the last."""

    name: str
    first: str
    last: str
    time: Blocks
    blocks: int
    """Held at a time: all for a pass that goes back through them, else 2."""

    @property
    def _held(self) -> int:
        return max(1, min(self.blocks, self.time.count - 1))

    def place(self, layer: int, direction: int, block: int) -> tuple[str, int]:
        """Tensor and first element of what leaves a block; that of block -1 enters the first, and the last one's is
        handed over."""
        shape = self.time.shape
        state = shape["B"] * shape["H"]
        cell = (layer * shape["directions"] + direction) * state
        if block in (-1, self.time.count - 1):
            return (self.first if block < 0 else self.last), cell
        return self.name, block % self._held * shape["layers"] * shape["directions"] * state + cell

    def tensor(self) -> Tensor:
        shape = self.time.shape
        size = (self._held, shape["layers"], shape["directions"], shape["B"], shape["H"])
        return Tensor(self.name, size, "float32", "scratch")
