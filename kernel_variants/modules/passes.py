"""The passes as torch operators, `scan_workbench::…`: known to autograd, to fake tensors and so to torch.compile.

`marks` (B, T) uint8, `w` (H) and the state's dtype are as in composed.py. Backward passes are operators of their own;
they have no gradient themselves and say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kernel_variants.modules import kernels
from kernel_variants.modules.composed import Tensor

NAME = "scan_workbench"
LIBRARY = torch.library.Library(NAME, "DEF")
SCHEMAS = {
    "scan": "(Tensor a, Tensor b, Tensor? h0, Tensor? marks, bool reverse) -> (Tensor, Tensor)",
    "scan_backward": "(Tensor a, Tensor h, Tensor? h0, Tensor? marks, Tensor gh, Tensor gh_last, bool reverse)"
    " -> (Tensor, Tensor, Tensor)",
    "gated_scan": "(Tensor kv, Tensor? h0, Tensor? w, Tensor? marks, bool reverse, bool linear) -> (Tensor, Tensor)",
    "gated_scan_backward": "(Tensor kv, Tensor h, Tensor? h0, Tensor? w, Tensor? marks, Tensor gh, Tensor gh_last,"
    " bool reverse, bool linear) -> (Tensor, Tensor, Tensor)",
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What an operator runs on tensors that have values."""
_PLAIN = {torch.Tensor, torch.nn.Parameter, type(None), bool}


def define(name: str, schema: str, function: Callable[..., Any]) -> None:
    """An operator of this library; its gradient and its shapes without values are registered apart."""
    LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    # Its only overload: going by its name looks for it at every call.
    _FUNCTIONS[getattr(torch.ops.scan_workbench, name).default] = function


for _name, _schema in SCHEMAS.items():
    define(_name, _schema, getattr(kernels, _name))

_ops = torch.ops.scan_workbench
_scan, _scan_backward = _ops.scan.default, _ops.scan_backward.default
_gated_scan, _gated_scan_backward = _ops.gated_scan.default, _ops.gated_scan_backward.default


def called(operator: Any, *arguments: Any) -> Any:
    """The operator's outputs. Where no gradients are recorded its rule for them is passed by, and where nobody looks at
    operators the operator too: a step at a time each would cost as much as the kernel."""
    if is_passed_by(*arguments):
        return _FUNCTIONS[operator](*arguments)
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return operator(*arguments)
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*arguments)


def is_passed_by(*arguments: Any) -> bool:
    """Whether an operator has nothing to do with these: no gradients, nobody looks, all are plain tensors."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not _is_looked_at() and _PLAIN.issuperset(map(type, arguments))


def _is_looked_at() -> bool:
    """Whether operators that are called are seen by a mode, a transformation (vmap), a profiler or a tracer."""
    return bool(
        torch._C._len_torch_dispatch_stack()
        or torch._C._is_torch_function_mode_enabled()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._autograd._profiler_enabled()
        or torch._C._get_tracing_state() is not None
    )


def scan(
    a: Tensor, b: Tensor, h0: Tensor | None = None, marks: Tensor | None = None, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """h_t = a_t h_{t-1} + b_t. a, b (B, T, H) float32 or float64, h0 (B, H) → h (B, T, H), h_last (B, H)."""
    h, h_last = called(_scan, a, b, h0, marks, reverse)
    return h, h_last


def gated_scan(
    kv: Tensor,
    h0: Tensor | None = None,
    w: Tensor | None = None,
    marks: Tensor | None = None,
    reverse: bool = False,
    linear: bool = False,
) -> tuple[Tensor, Tensor]:
    """h_t = sigma(-k_t) h_{t-1} + sigma(k_t) g(v_t). kv (B, T, 2, H), h0 (B, H) → h (B, T, H) as kv, h_last (B, H).

    `linear`: the candidate is v itself. `w` (H), with `linear` alone: the gate sees k_t + w h_{t-1}.
    """
    if w is not None and not linear:
        raise ValueError("a gate that sees the state (w) goes with the linear candidate")
    h, h_last = called(_gated_scan, kv, h0, w, marks, reverse, linear)
    return h, h_last


# ------------------------------------------------------------------------------------------- shapes without values


def _state_like(x: Tensor, B: Any, H: Any) -> Tensor:
    return x.new_empty(B, H, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)


@torch.library.register_fake(f"{NAME}::scan", lib=LIBRARY)  # type: ignore[untyped-decorator]
def _scan_fake(a: Tensor, b: Tensor, h0: Tensor, marks: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    return b.new_empty(b.shape), _state_like(b, b.shape[0], b.shape[2])


@torch.library.register_fake(f"{NAME}::scan_backward", lib=LIBRARY)  # type: ignore[untyped-decorator]
def _scan_backward_fake(
    a: Tensor, h: Tensor, h0: Tensor, marks: Tensor, gh: Tensor, gh_last: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return a.new_empty(a.shape), a.new_empty(a.shape), _state_like(h, h.shape[0], h.shape[2])


@torch.library.register_fake(f"{NAME}::gated_scan", lib=LIBRARY)  # type: ignore[untyped-decorator]
def _gated_fake(kv: Tensor, h0: Tensor, w: Tensor, marks: Tensor, reverse: bool, linear: bool) -> tuple[Tensor, Tensor]:
    B, T, _, H = kv.shape
    return kv.new_empty(B, T, H), _state_like(kv, B, H)


@torch.library.register_fake(f"{NAME}::gated_scan_backward", lib=LIBRARY)  # type: ignore[untyped-decorator]
def _gated_backward_fake(
    kv: Tensor,
    h: Tensor,
    h0: Tensor,
    w: Tensor,
    marks: Tensor,
    gh: Tensor,
    gh_last: Tensor,
    reverse: bool,
    linear: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    B, _, _, H = kv.shape
    dw = _state_like(kv, B, H) if w is not None else _state_like(kv, 0, 1).view(0)
    return kv.new_empty(kv.shape), _state_like(kv, B, H), dw


# ------------------------------------------------------------------------------------------------------ gradients


def _keep_scan(ctx: Any, inputs: Any, output: Any) -> None:
    a, _, h0, marks, ctx.reverse = inputs
    ctx.save_for_backward(a, output[0], h0, marks)


def _scan_gradients(ctx: Any, gh: Tensor, gh_last: Tensor) -> tuple[Tensor | None, ...]:
    a, h, h0, marks = ctx.saved_tensors
    da, db, dh0 = _scan_backward(a, h, h0, marks, gh, gh_last, ctx.reverse)
    return da, db, dh0.to(h0.dtype) if h0 is not None else None, None, None


def _keep_gated(ctx: Any, inputs: Any, output: Any) -> None:
    kv, h0, w, marks, ctx.reverse, ctx.linear = inputs
    ctx.save_for_backward(kv, output[0], h0, w, marks)


def _gated_gradients(ctx: Any, gh: Tensor, gh_last: Tensor) -> tuple[Tensor | None, ...]:
    kv, h, h0, w, marks = ctx.saved_tensors
    dkv, dh0, dw = _gated_scan_backward(kv, h, h0, w, marks, gh, gh_last, ctx.reverse, ctx.linear)
    to_h0 = dh0.to(h0.dtype) if h0 is not None else None
    return dkv, to_h0, dw.sum(0).to(w.dtype) if w is not None else None, None, None, None


def refuse_second(name: str) -> Any:
    def refuse(ctx: Any, *gradients: Tensor) -> None:
        raise RuntimeError(f"{NAME}::{name} has no gradient of its own: no double backward through a scan's kernels")

    return refuse


torch.library.register_autograd(f"{NAME}::scan", _scan_gradients, setup_context=_keep_scan, lib=LIBRARY)
torch.library.register_autograd(f"{NAME}::gated_scan", _gated_gradients, setup_context=_keep_gated, lib=LIBRARY)
for _name in ("scan_backward", "gated_scan_backward"):
    torch.library.register_autograd(f"{NAME}::{_name}", refuse_second(_name), lib=LIBRARY)
