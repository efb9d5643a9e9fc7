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
         entering: Argument = "inner", inner: Argument = "inner") -> Kernel:  # fmt: skip
    """Step `turn` of a block of time, of which p and kept are: `times` are its first step and how many it has."""
    own = (entering, inner) if cell.has_inner else (None, None)
    arguments = ("p", "u", offset(cell, shape), "h", *own, "kept" if keeps else None, turn, *times)
    return warps(cell, shape, settings, "10_step.cu", "serial_cell_step", arguments)


def step_back(cell: SerialCell, shape: Shape, settings: Settings, turn: Turn, times: tuple[int, int],
              after: Argument = None, entering: Argument = None) -> Kernel:  # fmt: skip
    """The same on the way back; `after` and `entering` are of the steps around the block."""
    ds = "ds" if cell.has_inner else None
    arguments = ("gh", "columns", "h", "kept", "dp", gradient_of_state_product(cell), after, entering, "direct", ds,
                 turn, *times)  # fmt: skip
    return warps(cell, shape, settings, "11_step_back.cu", "serial_cell_step_back", arguments)


def gradient_of_state_product(cell: SerialCell) -> str:
    """dq, or dp where they are the same."""
    return "dq" if cell.name == "gru" else "dp"


def carried_back(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    """What goes to the step before by other ways than the product."""
    names = ("direct", "ds") if cell.has_inner else ("direct",)
    return tuple(Tensor(name, (shape["B"], shape["H"]), "float32", "scratch") for name in names)
