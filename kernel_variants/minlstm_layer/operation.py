"""A whole minLSTM layer (arXiv 2410.01201), one direction, with training as a further pass: the product for all steps,
then both normalised gates and the recurrence. x (B, T, D), w (1, 3, H, D), bias (3, H): rows k_f, k_i, v."""

from __future__ import annotations

from typing import Any

from kernel_variants.minlstm_scan import in_torch
from kernel_variants.minlstm_scan import operation as minlstm_scan
from kernel_variants.minlstm_scan import variants as rungs
from kernel_variants.minlstm_scan.cell import PARTS
from kernel_variants.product_and_scan import ProductAndScan


def eager(pre: Any, h0: Any) -> tuple[Any, Any]:
    return in_torch.scanned(pre, h0, "float32", in_torch.by_logit)


LAYER = ProductAndScan(
    name="minlstm_layer",
    title="a minLSTM layer: product, two normalised gates and linear recurrence",
    equation="k_f, k_i, v = W x + bias; h_t = f / (f + i) h_{t-1} + i / (f + i) g(v_t); f, i = sigma(k_f), sigma(k_i)",
    scan=minlstm_scan.OPERATION,
    rungs=rungs.VARIANTS,
    state="h",
    rows=PARTS,
    decay=1,
    candidate=2,
    eager=eager,
)
OPERATION = LAYER.operation({"B": 4, "T": 4096, "D": 1024, "H": 1024}, {"B": 2, "T": 35, "D": 19, "H": 33})
