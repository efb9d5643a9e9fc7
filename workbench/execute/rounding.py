"""Inputs as they cross memory: rounded to their declared dtypes before anybody sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.declare import Arrays, Tensor
from workbench.dtypes import numpy_dtype


def round_inputs(tensors: Sequence[Tensor], values: Arrays) -> dict[str, Any]:
    """The input arrays in their declared shapes and dtypes. An optional one that `values` lacks stays missing."""
    rounded = {}
    for tensor in tensors:
        if not tensor.given or (tensor.optional and tensor.name not in values):
            continue
        array = np.ascontiguousarray(values[tensor.name])
        if tensor.dtype in ("float32", "bfloat16", "float16"):  # an integer above 2^24 is no float32
            array = array.astype(np.float32)
        array = array.astype(numpy_dtype(tensor.dtype))
        rounded[tensor.name] = array.reshape(tensor.shape)
    return rounded
