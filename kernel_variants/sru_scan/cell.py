"""SRU's cells, one a direction of time: include/cell_sru.cuh and its backward pass."""

from __future__ import annotations

from kernel_variants.scan.cells import Cell, Stream
from workbench.declare import Argument, At, Defines, Shape

TANH = 2
"""The axis phi: 1 is the identity, 2 tanh."""
OWN_HIGHWAY = 4
"""The axis rows: 3 are k, v, r and x is the layer's input; the fourth is a product of its own in place of x."""
MASKED = 2
"""The axis dropout: 1 is none, 2 a mask m (directions, B, H) that phi(c) is multiplied by at every step."""
FLOPS, FLOPS_OF_TANH = 16, 18
SPECIAL, SPECIAL_OF_TANH = 3, 2
"""exp(-|k|), exp(-|r|) and one reciprocal; an exponential and a reciprocal (include/sru_gates.cuh)."""
LEAST_SPECIAL, LEAST_SPECIAL_OF_TANH = 2, 1


def has_tanh(shape: Shape) -> bool:
    return shape["phi"] == TANH


def own_highway(shape: Shape) -> bool:
    return shape["rows"] == OWN_HIGHWAY


def has_mask(shape: Shape) -> bool:
    return shape["dropout"] == MASKED


def forward_cells(shape: Shape) -> tuple[Cell, ...]:
    """One for each direction: the first walks from the first step on, the second from the last."""
    return tuple(_forward(shape, direction) for direction in range(shape["directions"]))


def backward_cells(shape: Shape) -> tuple[Cell, ...]:
    """Each walks against its direction."""
    return tuple(_backward(shape, direction) for direction in range(shape["directions"]))


def rows_of(
    shape: Shape, tensor: str, highway: str, direction: int, kept: bool = False, has_v: bool = True
) -> tuple[Stream, ...]:
    """k, v, r and x of one direction, or their gradients. x is no part of a step's affine map, and v where it `has_v`
    not; r is none either, but it shares a reciprocal with k."""
    rows = shape["rows"]
    gates = tuple(
        Stream(tensor, part=direction * rows + part, kept=kept, mapped=has_v or part != 1) for part in range(3)
    )
    if own_highway(shape):
        return (*gates, Stream(tensor, part=direction * rows + 3, kept=kept, mapped=False))
    return (*gates, Stream(highway, part=direction, kept=kept, mapped=False))


def mask_of(shape: Shape, direction: int) -> tuple[Stream, ...]:
    one = Stream("m", part=direction * shape["B"], dtype="float32", constant=True)
    return (one,) if has_mask(shape) else ()


def state_of(shape: Shape, tensor: str, direction: int) -> Argument:
    """A direction's states, of (directions, B, H)."""
    return At(tensor, direction * shape["B"] * shape["H"]) if direction else tensor


NUMBERS = ("PARTS", "DIRECTIONS", "HIGHWAY_ROWS")
"""The options that are rows from one step to the next."""


def options(shape: Shape) -> Defines:
    parts, directions = shape["directions"] * shape["rows"], shape["directions"]
    highway = parts if own_highway(shape) else directions
    sizes = tuple(zip(NUMBERS, (parts, directions, highway), strict=True))
    return (*sizes, *(("TANH", 1),) * has_tanh(shape), *(("DROPOUT", 1),) * has_mask(shape))


def _forward(shape: Shape, direction: int) -> Cell:
    tanh = has_tanh(shape)
    return Cell(
        "sru_scan",
        "CELL_SRU",
        (*rows_of(shape, "pre", "x", direction), *mask_of(shape, direction)),
        (Stream("h", part=direction), Stream("c", part=direction)),
        flops_per_step=FLOPS,
        special_per_step=SPECIAL,
        flops_per_output=2 + tanh * FLOPS_OF_TANH,
        special_per_output=tanh * SPECIAL_OF_TANH,
        emits_state=False,
        held=4,
        reversed=direction == 1,
        first=state_of(shape, "c0", direction),
        last=state_of(shape, "c_last", direction),
        options=options(shape),
    )


def _backward(shape: Shape, direction: int) -> Cell:
    tanh = has_tanh(shape)
    return Cell(
        "sru_scan",
        "CELL_SRU_BACKWARD",
        (
            *rows_of(shape, "pre", "x", direction, kept=True, has_v=tanh),  # v and c make phi'(c), which may be 1
            Stream("gh", part=direction),
            *mask_of(shape, direction),
            Stream("c", part=direction, first=state_of(shape, "c0", direction), kept=True, mapped=tanh),
        ),
        rows_of(shape, "dpre", "dx", direction),
        flops_per_step=FLOPS + 12 + tanh * (FLOPS_OF_TANH + 3),
        special_per_step=SPECIAL + tanh * SPECIAL_OF_TANH,
        flops_per_output=3,
        emits_state=False,
        held=6,
        reversed=direction == 0,
        first=state_of(shape, "gc_last", direction),
        last=state_of(shape, "dc0", direction),
        pass_="backward",
        options=options(shape),
    )
