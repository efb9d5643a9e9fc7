"""A whole QRNN layer with fo-pooling (arXiv 1611.01576), one direction, with training as a further pass: products over
a causal window of inputs, then the pooling. x (B, T, D), w (window, 3, H, D), bias (3, H): rows k, v, o."""

from __future__ import annotations

from typing import Any

from kernel_variants.product_and_scan import ProductAndScan
from kernel_variants.qrnn_pool import in_torch
from kernel_variants.qrnn_pool import operation as qrnn_pool
from kernel_variants.qrnn_pool import variants as rungs
from kernel_variants.qrnn_pool.cell import FO_POOLING


def eager(pre: Any, c0: Any) -> tuple[Any, Any]:
    h, _, last = in_torch.eager(pre, c0, "float32")
    return h, last


LAYER = ProductAndScan(
    name="qrnn_layer",
    title="a QRNN layer: products over a window of inputs, and fo-pooling",
    equation="k, v, o = bias + sum over j < window of W_j x_{t-j}; c_t = sigma(-k) c_{t-1} + sigma(k) tanh(v); "
    "h_t = sigma(o) c_t",
    scan=qrnn_pool.OPERATION,
    rungs=rungs.VARIANTS,
    state="c",
    rows=FO_POOLING,
    decay=0,
    eager=eager,
    has_window=True,
)
OPERATION = LAYER.operation(
    {"B": 4, "T": 4096, "D": 1024, "H": 1024, "window": 2}, {"B": 2, "T": 35, "D": 19, "H": 33, "window": 3}
)
