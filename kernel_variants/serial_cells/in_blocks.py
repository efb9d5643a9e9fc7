"""Serial cells in blocks of time, a launch per step: forwards with p of a block at a time, and training that keeps only
the states between blocks.

    forwards    product for the block's inputs, its steps; an LSTM's inner state at the end of the block is kept
    backwards   from the last block on: its product and its gates again (the last block's are still there), its steps
                back, its share of the products for the gradients of weights and inputs

h is the layer's output and kept as that. What lies between the launches of a block is meant to stay in the L2 cache:
declared bytes are those of DRAM if it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from kernel_variants.serial_cells import block_products, in_torch
from kernel_variants.serial_cells.block_products import Times
from kernel_variants.serial_cells.cells import SerialCell
from kernel_variants.serial_cells.passes import OF_FIRST_STATES, elements, least, training_least
from kernel_variants.serial_cells.steps import HERE, carried_back, gradient_of_state_product, offset, step, step_back
from workbench.declare import (
    Argument,
    At,
    Call,
    Cost,
    Kernel,
    Plan,
    Repeat,
    Settings,
    Shape,
    Step,
    Tensor,
    Turn,
    ceil_div,
)


@dataclass(frozen=True)
class InBlocks:
    """A cell's layer cut into blocks of time."""

    cell: SerialCell
    shape: Shape
    settings: Settings
    at_once: bool = False
    """Gates are done again by one product and one launch for all steps of the block, instead of step by step."""

    @property
    def longest(self) -> int:
        return min(self.shape["T"], int(self.settings["block_of_time"]))

    @property
    def count(self) -> int:
        return ceil_div(self.shape["T"], self.longest)

    def times(self, block: int) -> Times:
        return block * self.longest, min((block + 1) * self.longest, self.shape["T"])

    def _entering(self, block: int) -> Argument:
        """The inner state before the block: the first one, or what the block before has left."""
        if block == 0 or not self.cell.has_inner:
            return "s0"
        return At("inners", (block - 1) * self.shape["B"] * self.shape["H"])

    # ------------------------------------------------------------------------------------------------------ steps

    def _input_product(self, block: int) -> Step:
        return Call(partial(block_products.input_product, times=self.times(block)), ("x", "w", "bias", "p"))

    def _steps(self, block: int, keeps: bool, running: Argument = "inner") -> Iterator[Step]:
        """The block's steps, from the state that the block before has left (`running` where that is not kept)."""
        begin, end = self.times(block)
        launch = partial(step, self.cell, self.shape, self.settings, times=(begin, end - begin), keeps=keeps)
        if block > 0 and self.cell.has_inner:
            yield launch(Turn(begin, 0), entering=self._entering(block), inner=running)
            begin += 1
        if end > begin:
            yield Repeat((launch(Turn(begin), entering=running, inner=running),), end - begin)

    def _gates_again(self, block: int) -> Iterator[Step]:
        yield self._input_product(block)
        if not self.at_once:
            yield from self._steps(block, keeps=True)
            return
        begin, end = self.times(block)
        yield Call(partial(block_products.state_product, times=(begin, end)), ("h", "h0", "u", "q"))
        B, H = self.shape["B"], self.shape["H"]
        threads = int(self.settings["block"])
        entering = self._entering(block) if self.cell.has_inner else None
        arguments = ("p", "q", offset(self.cell, self.shape), entering, "kept", begin, end - begin)
        yield Kernel(HERE / "13_gates_again.cu", "serial_cell_gates_again", (ceil_div(B * H, threads), 1, 1),
                     (threads, 1, 1), (*arguments, B, H), defines=(("CELL", self.cell.gates),))  # fmt: skip

    def _back(self, block: int) -> Iterator[Step]:
        begin, end = self.times(block)
        dq, last = gradient_of_state_product(self.cell), block == self.count - 1
        back = step_back(self.cell, self.shape, self.settings, Turn(end - 1, -1), (begin, end - begin),
                         after=None if last else "after", entering=self._entering(block))  # fmt: skip
        yield Repeat((back,), end - begin)
        yield Call(partial(block_products.gradients, times=(begin, end), more=not last),
                   ("dp", dq, "x", "h", "h0", "w", "dx", "dw", "du", "dbias"))  # fmt: skip
        if block > 0:
            yield Call(partial(block_products.hand_back, times=(begin, end)), (dq, "after"))
        else:
            yield Call(partial(block_products.into_first_state, times=(begin, end)), (dq, "direct", "u", "dh0"))

    # ------------------------------------------------------------------------------------------------------ plans

    def _rows(self, name: str, rows: int, dtype: str) -> Tensor:
        return Tensor(name, (self.shape["B"], self.longest, rows, self.shape["H"]), dtype, "scratch")

    def _states(self, name: str, *leading: int) -> tuple[Tensor, ...]:
        size = (*leading, self.shape["B"], self.shape["H"])
        return (Tensor(name, size, "float32", "scratch"),) if self.cell.has_inner and 0 not in size else ()

    def forward(self) -> Plan:
        steps: list[Step] = []
        for block in range(self.count):
            begin, end = self.times(block)
            one = step(self.cell, self.shape, self.settings, Turn(begin), (begin, end - begin), keeps=False)
            steps += [self._input_product(block), Repeat((one,), end - begin)]
        return Plan(tuple(steps), (self._rows("p", self.cell.gates, self.shape.dtype),))

    def training(self) -> Plan:
        steps: list[Step] = []
        for block in range(self.count):
            last = block == self.count - 1
            running = "s_last" if last else At("inners", block * self.shape["B"] * self.shape["H"])
            steps += [self._input_product(block), *self._steps(block, last, running)]
        steps.append(Call(in_torch.transposed, ("u", "columns")))
        for block in reversed(range(self.count)):
            if block < self.count - 1:
                steps += self._gates_again(block)
            steps += self._back(block)
        return Plan(tuple(steps), tuple(self._scratch()))

    def _scratch(self) -> Iterator[Tensor]:
        gates, H, dtype = self.cell.gates, self.shape["H"], self.shape.dtype
        yield from (self._rows(name, gates, dtype) for name in dict.fromkeys(("p", "dp", self._dq)))
        if self.at_once and self.count > 1:
            yield self._rows("q", gates, "float32")
        yield self._rows("kept", self.cell.kept, "float32")
        yield from self._states("inners", self.count - 1)
        if self.count > 1 and not self.at_once:
            yield from self._states("inner")
        yield Tensor("columns", (H, gates, H), dtype, "scratch")
        if self.count > 1:
            yield Tensor("after", (self.shape["B"], gates, H), dtype, "scratch")
        yield carried_back(self.shape)

    @property
    def _dq(self) -> str:
        return gradient_of_state_product(self.cell)

    # ------------------------------------------------------------------------------------------------------ costs

    def _copies(self) -> int:
        """Launches that lay a block of several sequences together."""
        return self.count if self.shape["B"] > 1 and self.count > 1 else 0

    def forward_cost(self) -> Cost:
        """p of a block is in the cache, and so are weights."""
        return replace(least(self.cell, self.shape), launches=self.shape["T"] + self.count + self._copies())

    def training_cost(self) -> Cost:
        """x and h once more on the way back, and the inner states between blocks written and read."""
        B, T, D, H = (self.shape[axis] for axis in "BTDH")
        size, gates = self.shape.element_bytes, self.cell.gates
        once, passed = (
            training_least(self.cell, self.shape),
            sum(t.nbytes for t in self._states("inners", self.count - 1)),
        )
        x, h = B * T * D * size, elements(self.shape) * size
        again = self.times(self.count - 1)[0]  # steps: all but those of the last block
        products_ = 2 * gates * H * (D + H) * B * again
        columns = 2 * gates * H * H * size
        in_block = 4 * self.cell.kept * B * self.longest * H
        done_again = 2 * (self.count - 1) if self.at_once else again
        launches = 2 * T + done_again + 9 * self.count + 3 * self._copies() + OF_FIRST_STATES
        return replace(
            once, bytes=once.bytes + x + h + 2 * passed + columns, matrix_flops=once.matrix_flops + products_,
            special=once.special + self.cell.special * B * again * H + self.cell.special_back * B * T * H,
            launches=launches,
            serial_steps=2 * T if self.at_once else 2 * T + again, kept_bytes=x + h + passed + in_block,
        )  # fmt: skip
