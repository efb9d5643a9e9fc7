"""minLSTM's cells: include/cell_minlstm.cuh and its backward pass."""

from __future__ import annotations

from kernel_variants.scan.cells import Cell, Stream

PARTS = 3
"""Of a row of pre-activations: k_f, k_i, v."""
SPECIAL = 5
"""exp(-|k_f|), exp(-|k_i|), exp(-|k_f - k_i|), exp(-|v|) and one reciprocal (include/minlstm_gates.cuh)."""
LEAST_SPECIAL = 4
"""The exponentials."""
FLOPS = 22
"""Additions and multiplications of include/minlstm_gates.cuh for one a and b."""

FORWARD_CELL = Cell(
    "minlstm_scan",
    "CELL_MINLSTM",
    tuple(Stream("pre", part=part) for part in range(PARTS)),
    (Stream("h"),),
    flops_per_step=FLOPS,
    special_per_step=SPECIAL,
)
BACKWARD_CELL = Cell(
    "minlstm_scan",
    "CELL_MINLSTM_BACKWARD",
    (
        *(Stream("pre", part=part, kept=True) for part in range(PARTS)),
        Stream("gh"),
        Stream("h", first="h0", kept=True, mapped=False),
    ),
    tuple(Stream("dpre", part=part) for part in range(PARTS)),
    flops_per_step=FLOPS + 18,
    special_per_step=SPECIAL,
    flops_per_output=4,
    emits_state=False,
    held=5,
    reversed=True,
    first="gh_last",
    last="dh0",
    pass_="backward",
)
