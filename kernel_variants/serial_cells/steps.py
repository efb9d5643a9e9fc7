"""The launches of one step of a serial cell, forwards and back."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.serial_cells.cells import SerialCell
from workbench.declare import Argument, At, Kernel, Settings, Shape, Tensor, Turn, ceil_div

HERE = Path(__file__).parent
LANES = 32


def warps(cell: SerialCell, shape: Shape, settings: Settings, source: str, function: str,
          arguments: tuple[Argument, ...]) -> Kernel:  # fmt: skip
    """A warp per channel and sequence; the sizes are the last arguments."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    return Kernel(HERE / source, function, (ceil_div(B * H, block // LANES), 1, 1), (block, 1, 1),
                  (*arguments, B, T, H), defines=(("CELL", cell.gates),))  # fmt: skip


def offset(cell: SerialCell, shape: Shape) -> At:
    """The second bias, that of the product with the state."""
    return At("bias", cell.gates * shape["H"])


def step(cell: SerialCell, shape: Shape, settings: Settings, turn: Turn, times: tuple[int, int], keeps: bool,
         entering: Argument = "s_last", inner: Argument = "s_last") -> Kernel:  # fmt: skip
    """Step `turn` of a block of time, of which p and kept are: `times` are its first step and how many it has. The
    inner state goes from step to step in the memory of the last one, where no other is named."""
    own = ("s0", entering, inner) if cell.has_inner else (None, None, None)
    arguments = ("p", "u", offset(cell, shape), "h", "h0", "h_last", *own, "kept" if keeps else None, turn, *times)
    return warps(cell, shape, settings, "10_step.cu", "serial_cell_step", arguments)


def step_back(cell: SerialCell, shape: Shape, settings: Settings, turn: Turn, times: tuple[int, int],
              after: Argument = None, entering: Argument = "s0") -> Kernel:  # fmt: skip
    """The same on the way back; `after` and `entering` are of the steps around the block. The inner state's gradient
    goes from step to step in the memory of the first one's."""
    inner = (entering, "gs_last", "ds0") if cell.has_inner else (None, None, None)
    arguments = ("gh", "gh_last", "columns", "h", "h0", "kept", "dp", gradient_of_state_product(cell), after, *inner,
                 "direct", turn, *times)  # fmt: skip
    return warps(cell, shape, settings, "11_step_back.cu", "serial_cell_step_back", arguments)


def gradient_of_state_product(cell: SerialCell) -> str:
    """dq, or dp where they are the same."""
    return "dq" if cell.name == "gru" else "dp"


def carried_back(shape: Shape) -> Tensor:
    """What goes to the state of the step before by another way than the product."""
    return Tensor("direct", (shape["B"], shape["H"]), "float32", "scratch")
