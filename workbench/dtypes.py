"""The dtypes of declarations, in numpy and torch. bf16 has no numpy of its own: ml_dtypes supplies it."""

from __future__ import annotations

from typing import Any

import numpy as np


def numpy_dtype(name: str) -> Any:
    """The numpy dtype of a declared one."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def torch_view(array: Any, name: str) -> Any:
    """A CPU torch tensor over the array's memory."""
    import torch

    if name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    if name == "uint32":
        return torch.from_numpy(array.view(np.int32))
    return torch.from_numpy(array)


def numpy_copy(tensor: Any, name: str) -> Any:
    """A torch tensor's values as a numpy array of the declared dtype."""
    tensor = tensor.detach().contiguous().cpu()
    if name == "bfloat16":
        import torch

        return tensor.to(torch.bfloat16).view(torch.int16).numpy().view(numpy_dtype(name)).copy()
    return tensor.numpy().astype(numpy_dtype(name), copy=True)


def poison(array: Any) -> None:
    """Every byte 0xFF: NaN in every floating-point dtype, -1 in integers. What a kernel forgets to write shows."""
    array.view(np.uint8).reshape(-1)[:] = 0xFF
