"""A plain RNN layer, forward and training: its equations stand in serial_cells/cells.py."""

from __future__ import annotations

from kernel_variants.serial_cells.cells import RNN
from kernel_variants.serial_cells.passes import operation

OPERATION = operation(RNN)
