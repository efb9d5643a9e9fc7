"""The layer's rungs: torch with its autograd, and the scan's rungs between library products."""

from __future__ import annotations

from kernel_variants.minlstm_layer.operation import LAYER

VARIANTS = tuple(LAYER.variants())
