"""Its rungs are those of every serial cell."""

from __future__ import annotations

from kernel_variants.serial_cells.cells import GRU
from kernel_variants.serial_cells.rungs import variants

VARIANTS = variants(GRU)
