"""Cells between the products of a layer, as torch operators: `scan_workbench::minlstm_scan` and the others of cells.py.

One schema and one set of functions serve them all. Where an operation has no kernel (float64, a GPU and marks, no
compiler) the same is made of the passes of minGRU in torch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from kernel_variants.modules import cells
from kernel_variants.modules.composed import SKIPPED, Tensor, previous
from kernel_variants.modules.passes import LIBRARY, NAME, called, define, gated_scan, is_passed_by, refuse_second, scan

_ops = torch.ops.scan_workbench
GIVEN = "Tensor pre, Tensor? x, Tensor? w, Tensor? mask, Tensor? initial"
SCHEMAS = {
    "": f"({GIVEN}, Tensor? marks, bool reverse, bool tanh) -> (Tensor, Tensor, Tensor)",
    "_backward": f"({GIVEN}, Tensor states, Tensor? marks, Tensor gh, Tensor g_last, bool reverse, bool tanh)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
}


def _has_kernel(*form: Any) -> bool:
    return bool(cells.has_kernel(*form))


# It compiles, at the first call: nothing of that is to be traced. torch.compiler.assume_constant_result says so by this
# attribute, but imports torch's compiler for it, which takes as long as importing torch.
_has_kernel._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _runs(name: str, pre: Tensor, marks: Tensor | None, tanh: bool = False, masked: bool = False) -> bool:
    directions, rows = pre.shape[2] if pre.dim() == 5 else 1, pre.shape[-2]
    return _has_kernel(name, pre.device.type, pre.dtype, directions, rows, tanh, masked, marks is not None)


def _by_kernel(
    name: str,
    pre: Tensor,
    x: Tensor | None,
    w: Tensor | None,
    mask: Tensor | None,
    initial: Tensor | None,
    marks: Tensor | None,
    reverse: bool,
    tanh: bool,
) -> tuple[Tensor, Tensor] | None:
    """h and the last state by the operation's own kernel; None where it has none for this. What is small on a CPU, as a
    step is, waits for all that stands around the kernel: without gradients it goes there by one look-up."""
    given = pre, x, w, mask, initial, marks
    if pre.is_cpu and is_passed_by(*given):
        form = pre.shape, pre.dtype, tanh, mask is not None, marks is not None, reverse, torch.get_num_threads()
        run = cells.small_walk(name, *form)
        if run is not None:
            return run(*given)
    if not _runs(name, pre, marks, tanh, mask is not None):
        return None
    h, _, last = called(getattr(_ops, name).default, *given, reverse, tanh)
    return h, last


def minlstm_scan(
    pre: Tensor, h0: Tensor | None = None, marks: Tensor | None = None, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """minLSTM of pre (B, T, 3, H), rows k_f, k_i, v, and h0 (B, H) → h (B, T, H) as pre, h_last (B, H)."""
    found = _by_kernel("minlstm_scan", pre, None, None, None, h0, marks, reverse, False)
    return found or gated_scan(minlstm_logit(pre), h0, None, marks, reverse)


def minlstm_logit(pre: Tensor) -> Tensor:
    """minLSTM's two gates as minGRU's one: pre (B, T, 3, H) → kv (B, T, 2, H)."""
    forget, enter, v = pre.unbind(2)
    wide = forget.dtype if forget.dtype == torch.float64 else torch.float32
    k = torch.nn.functional.softplus(-forget.to(wide)) - torch.nn.functional.softplus(-enter.to(wide))
    return torch.stack([k.to(v.dtype), v], 2)


def qrnn_pool(
    pre: Tensor, c0: Tensor | None = None, marks: Tensor | None = None, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """QRNN's pooling of pre (B, T, rows, H), rows k, v, then o, then i, and c0 (B, H) → h (B, T, H) as pre, c_last."""
    found = _by_kernel("qrnn_pool", pre, None, None, None, c0, marks, reverse, False)
    if found is not None:
        return found
    k, v, *others = pre.unbind(2)
    z = torch.tanh(v)
    if len(others) < 2:
        c, last = gated_scan(torch.stack([k, z], 2), c0, None, marks, reverse, True)
    else:
        wide = k if k.dtype == torch.float64 else k.float()
        b = torch.sigmoid(others[1].to(wide.dtype)) * z.to(wide.dtype)
        c, last = scan(torch.sigmoid(-wide), b, c0, marks, reverse)
        c = c.to(pre.dtype)
    return (torch.sigmoid(others[0]) * c if others else c), last


def sru_scan(
    pre: Tensor,
    x: Tensor | None = None,
    w: Tensor | None = None,
    c0: Tensor | None = None,
    marks: Tensor | None = None,
    tanh: bool = False,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """SRU, the second direction backwards in time: pre (B, T, directions, rows, H), rows k, v, r and, without x
    (B, T, directions, H), the highway's; w (directions, 2, H) of the second version; c0 (directions, B, H); marks
    (directions, B, T); mask (directions, B, H), what phi(c) is multiplied by, without a gradient → h
    (B, T, directions, H) as pre, c_last (directions, B, H).
    """
    name = "sru_scan" if w is None else "sru2_scan"
    made = _by_kernel(name, pre, x, w, mask, c0, marks, False, tanh)
    if made is not None:
        return made
    found = [_sru_in_torch(pre, x, w, c0, marks, tanh, mask, direction) for direction in range(pre.shape[2])]
    h, last = zip(*found, strict=True)
    return torch.stack(h, 2), torch.stack(last)


def _sru_in_torch(
    pre: Tensor,
    x: Tensor | None,
    w: Tensor | None,
    c0: Tensor | None,
    marks: Tensor | None,
    tanh: bool,
    mask: Tensor | None,
    direction: int,
) -> tuple[Tensor, Tensor]:
    rows, reverse = pre[:, :, direction], direction == 1
    own_w, own_c0, own_marks = (None if each is None else each[direction] for each in (w, c0, marks))
    w_k = None if own_w is None else own_w[0]
    c, last = gated_scan(rows[:, :, :2], own_c0, w_k, own_marks, reverse, True)
    r = rows[:, :, 2]
    if own_w is not None:
        r = r + own_w[1] * previous(c, own_c0, own_marks, reverse)
    out = torch.tanh(c) if tanh else c
    if mask is not None:
        out = out * mask[direction, :, None].to(out.dtype)
    direct = rows[:, :, 3] if x is None else x[:, :, direction]
    h = torch.lerp(direct, out, torch.sigmoid(r))
    return h if own_marks is None else h.masked_fill((own_marks == SKIPPED)[..., None], 0), last


# ------------------------------------------------------------------------------------------------------- operators


def _fake(name: str, pre: Tensor, *others: Any) -> tuple[Tensor, ...]:
    h = pre.new_empty(*pre.shape[:-2], pre.shape[-1])
    kept = _is_kept_apart(name, pre)
    return h, torch.empty_like(h) if kept else pre.new_empty(0), _states(pre)


def _fake_backward(name: str, pre: Tensor, x: Tensor, w: Tensor, *others: Any) -> tuple[Tensor, ...]:
    none = pre.new_empty(0)
    dx = none if x is None else pre.new_empty(x.shape)
    dw = pre.new_empty(0 if w is None else w.shape, dtype=torch.float32)
    return pre.new_empty(pre.shape), dx, _states(pre), dw


def _is_kept_apart(name: str, pre: Tensor) -> bool:
    """Whether c crosses memory besides h: everywhere but where h is the state."""
    return name != "minlstm_scan" and (name != "qrnn_pool" or int(pre.shape[-2]) > 2)


def _states(pre: Tensor) -> Tensor:
    directions = pre.shape[2:-2]
    return pre.new_empty(*directions, pre.shape[0], pre.shape[-1], dtype=torch.float32)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    pre, x, w, mask, initial, marks, ctx.reverse, ctx.tanh = inputs
    h, states, _ = output
    ctx.mark_non_differentiable(states)
    ctx.save_for_backward(pre, x, w, mask, initial, states if states.numel() else h, marks)


def _gradients(name: str, ctx: Any, gh: Tensor, _: Any, g_last: Tensor) -> tuple[Tensor | None, ...]:
    pre, x, w, mask, initial, states, marks = ctx.saved_tensors
    operator = getattr(torch.ops.scan_workbench, f"{name}_backward")
    dpre, dx, d_initial, dw = operator(pre, x, w, mask, initial, states, marks, gh, g_last, ctx.reverse, ctx.tanh)
    to_x, to_w, to_initial = (
        None if to is None else gradient.to(to.dtype) for gradient, to in ((dx, x), (dw, w), (d_initial, initial))
    )
    return dpre, to_x, to_w, None, to_initial, None, None, None


for _name in cells.CELLS:
    for _end, _run, _shapes in (("", cells.forward, _fake), ("_backward", cells.backward, _fake_backward)):
        define(_name + _end, SCHEMAS[_end], partial(_run, _name))
        torch.library.register_fake(f"{NAME}::{_name}{_end}", partial(_shapes, _name), lib=LIBRARY)
    torch.library.register_autograd(f"{NAME}::{_name}", partial(_gradients, _name), setup_context=_keep, lib=LIBRARY)
    torch.library.register_autograd(f"{NAME}::{_name}_backward", refuse_second(f"{_name}_backward"), lib=LIBRARY)
