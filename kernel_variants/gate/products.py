"""Library products of the pipeline: cuBLAS on a GPU, oneDNN or MKL on a CPU, into memory that the plan owns.

torch's bf16 product on a CPU without bf16 instructions takes six times as long as its float32 product (measured with
torch 2.13, AVX-512 without amx-bf16), so on a CPU bf16 factors are widened first and the product rounded once.
"""

from __future__ import annotations

from typing import Any


def widened(tensor: Any) -> Any:
    """The tensor itself, or its float32 copy where a CPU would multiply bf16."""
    import torch

    return tensor.float() if tensor.device.type == "cpu" and tensor.dtype == torch.bfloat16 else tensor


def add_product(rows: Any, columns: Any, out: Any, more: bool) -> None:
    """out = rows columns, or that on top of what is there: of widened factors, for sums that are float32."""
    import torch

    if rows.dtype != out.dtype:  # a GPU multiplies bf16 and leaves the sums as they are
        made = torch.mm(rows, columns, out_dtype=out.dtype)
        out.add_(made) if more else out.copy_(made)
    elif more:
        out.addmm_(rows, columns)
    else:
        torch.mm(rows, columns, out=out)


def multiply(x: Any, w: Any, out: Any) -> None:
    """out = x w^T. x (B, T, D), w (..., D), out (B, T, ...): one product for all steps, and no bias.

    `out` may be float32 for bf16 factors: the sums then leave the product as they are, unrounded.
    """
    import torch

    depth = x.shape[-1]
    rows, columns, flat = x.reshape(-1, depth), w.reshape(-1, depth).T, out.view(-1, w.numel() // depth)
    rows, columns = widened(rows), widened(columns)
    if flat.dtype == rows.dtype:
        torch.mm(rows, columns, out=flat)
    elif flat.is_cuda:
        torch.mm(rows, columns, out_dtype=flat.dtype, out=flat)
    else:
        flat.copy_(torch.mm(rows, columns))


def multiply_add(x: Any, w: Any, bias: Any, out: Any) -> None:
    """out = x w^T + bias. Shapes as `multiply`; bias (...) as w without its last axis; out of the dtype of x, or on a
    CPU float32."""
    import torch

    depth = x.shape[-1]
    rows, columns, flat = x.reshape(-1, depth), w.reshape(-1, depth).T, out.view(-1, w.numel() // depth)
    rows, columns, offset = widened(rows), widened(columns), widened(bias.reshape(-1))
    if flat.dtype == rows.dtype:
        torch.addmm(offset, rows, columns, out=flat)
    else:
        flat.copy_(torch.addmm(offset, rows, columns))


def input_gradient(gradient: Any, w: Any, out: Any) -> None:
    """out = gradient w: of y = x w^T the gradient of x. gradient (B, T, ...), w (..., D) → out (B, T, D)."""
    import torch

    depth = w.shape[-1]
    rows, columns, flat = gradient.reshape(-1, w.numel() // depth), w.reshape(-1, depth), out.view(-1, depth)
    rows, columns = widened(rows), widened(columns)
    if flat.dtype == rows.dtype:
        torch.mm(rows, columns, out=flat)
    else:
        flat.copy_(torch.mm(rows, columns))


def weight_gradient(gradient: Any, x: Any, out: Any) -> None:
    """out = gradient^T x, a sum over all steps of all sequences, in float32. gradient (B, T, ...), x (B, T, D)."""
    import torch

    depth = x.shape[-1]
    flat, columns = out.view(-1, depth), x.reshape(-1, depth)
    rows = gradient.reshape(columns.shape[0], -1).T
    rows, columns = widened(rows), widened(columns)
    if flat.dtype == rows.dtype:
        torch.mm(rows, columns, out=flat)
    else:
        torch.mm(rows, columns, out_dtype=flat.dtype, out=flat)


def bias_gradient(gradient: Any, out: Any) -> None:
    """out = the sum of gradient (B, T, ...) over all steps of all sequences, in float32."""
    import torch

    torch.sum(gradient, dim=(0, 1), dtype=torch.float32, out=out)
