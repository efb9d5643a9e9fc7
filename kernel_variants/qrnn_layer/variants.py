"""The layer's rungs: torch with its autograd, and the scan's rungs between library products."""

from __future__ import annotations

from kernel_variants.qrnn_layer.operation import LAYER

VARIANTS = tuple(LAYER.variants())
