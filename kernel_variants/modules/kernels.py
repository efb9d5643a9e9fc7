"""What runs a pass: the catalogue's variant that was measured fastest, the walk made for layers, or plain torch.

On a CPU `walk.cpp` and `walk_backward.cpp` beside the catalogue's forward sources do everything that a layer needs;
where a run has measured a catalogue's variant of the pass near the shape, and the cell is one that it can do, that one
is taken. On a GPU the catalogue's kernels are all there is: what they cannot do is composed of them in torch.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kernel_variants.modules import composed
from kernel_variants.modules.composed import Tensor
from kernel_variants.modules.fresh import fresh
from workbench.declare import FORWARD, Shape
from workbench.dispatch import Choice, choose, host_function, prepare
from workbench.problem import Problem

FOLDER = Path(__file__).resolve().parent.parent
DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
PAST_CACHES_FROM = 8 << 20
"""Bytes of an output above which it is stored past the caches: nobody will find it there."""
SMALL = 1 << 14
"""Elements below which the walk is called without asking the table: the asking would cost more than the pass."""
SERIAL = {
    "scan": "serial",
    "gated_scan": "serial_gated",
    "minlstm_scan": "serial_gated",
    "sru_scan": "serial_gated",
    "sru2_scan": "serial",
    "qrnn_pool": "serial_gated",
}
"""The catalogue's variants that do every shape on a GPU, in either pass: the fallback there."""
BACKWARD = "backward"
WALKS = "walk", "walk_backward"
SIGNATURES = {
    "scan_walk": "pppppp" + "i" * 6,
    "scan_walk_backward": "p" * 9 + "i" * 6,
    "gated_scan_walk": "p" * 6 + "i" * 7,
    "gated_scan_walk_backward": "p" * 10 + "i" * 7,
}


@functools.cache
def walk(operation: str, backward: bool, dtype: str) -> Any:
    """The host function of a pass; None, with a warning, where this machine cannot compile it."""
    name = "walk_backward" if backward else "walk"
    function = f"{operation}_{name}"
    try:
        return host_function(FOLDER / operation / f"{name}.cpp", function, dtype, (), SIGNATURES[function])
    except Problem as problem:
        warnings.warn(f"{operation} runs as a loop in torch, which is slow: {problem}", stacklevel=2)
        return None


def chosen(operation: str, device: str, dtype: Any, B: int, T: int, H: int, plain: bool) -> tuple[Choice, Choice]:
    """What forward and backward run for a shape, and why. `plain`: candidates log-safe, forwards in time, no marks."""
    name = DTYPES.get(dtype)
    has_kernel = name is not None and (device != "cpu" or walk(operation, False, name) is not None)
    return choices(operation, device, Shape.of(name or "", B=B, T=T, H=H), plain, has_kernel)


def choices(operation: str, device: str, shape: Shape, plain: bool, has_kernel: bool) -> tuple[Choice, Choice]:
    """The same of any operation; `has_kernel`: whether there is one for the dtype on this machine."""
    if not has_kernel:
        forward = Choice(operation, "forward", "torch", {}, reason="no kernel for it here")
        return forward, replace(forward, pass_="backward")
    passes = FORWARD, BACKWARD
    found = [measured(operation, device, shape, pass_) if plain else None for pass_ in passes]
    if device == "cpu":
        reason = "no measured run near this shape" if plain else "the catalogue's variants do not do this cell"
        others = [Choice(operation, p, w, {}, reason=reason) for p, w in zip(passes, WALKS, strict=True)]
    elif plain:
        others = [fallback(operation, pass_) for pass_ in passes]
    else:
        reason = "the catalogue's variants do not do this cell"
        others = [Choice(operation, pass_, "composed of scan/serial", {}, reason=reason) for pass_ in passes]
    return found[0] or others[0], found[1] or others[1]


def _measured(operation: str, device: str, dtype: str, B: int, T: int, H: int, pass_: str = FORWARD) -> Choice | None:
    if small(device, B * T * H):
        return None
    return measured(operation, device, Shape.of(dtype, B=B, T=T, H=H), pass_)


def small(device: str, elements: int) -> bool:
    return device == "cpu" and elements < SMALL


def measured(operation: str, device: str, shape: Shape, pass_: str) -> Choice | None:
    """The catalogue's variant that was measured fastest near a shape, if it can run on tensors; else None."""
    if small(device, shape["B"] * shape["T"] * shape["H"]):
        return None
    found = choose(operation, pass_, device, shape.dtype, shape.as_dict())
    if found is not None and device == "cpu":
        try:
            prepare(operation, found.variant, tuple(found.settings.items()), shape, device, pass_)
        except Problem:  # made of library calls, or not in this catalogue: the walk does it
            return None
    return found


def scan(a: Tensor, b: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    B, T, H = b.shape
    if device_of(b) == "cuda" and b.dtype == torch.float32:
        return composed.scan_forward(_on_gpu, a, b, h0, marks, reverse)
    function = walk("scan", False, "float32") if b.dtype == torch.float32 and b.device.type == "cpu" else None
    if function is None:
        return composed.scan_forward(composed.loop, a, b, h0, marks, reverse)
    a, b, h0, marks = ready(a), ready(b), state(h0), ready(marks)
    h, h_last = fresh(b, b.shape), b.new_empty(B, H)
    if marks is None and not reverse and (choice := _measured("scan", "cpu", "float32", B, T, H)):
        _catalogue(choice, b, {"a": a, "b": b, "h0": h0, "h": h, "h_last": h_last})
        return h, h_last
    function(_at(a), _at(b), _at(h0), _at(marks), _at(h), _at(h_last), B, T, H, reverse, large(h), threads())
    return h, h_last


def scan_backward(
    a: Tensor, h: Tensor, h0: Tensor | None, marks: Tensor | None, gh: Tensor, gh_last: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    B, T, H = h.shape
    plain = marks is None and not reverse
    on_gpu = device_of(h) == "cuda" and h.dtype == torch.float32
    if on_gpu and not plain:
        return composed.scan_backward(_on_gpu, a, h, h0, marks, gh, gh_last, reverse)
    plain = plain and h.dtype == torch.float32
    taken = _measured("scan", device_of(h), "float32", B, T, H, BACKWARD) if plain else None
    if on_gpu or taken is not None:
        da, db, dh0 = fresh(h, h.shape), fresh(h, h.shape), h.new_empty(B, H)
        given = {"a": ready(a), "h": ready(h), "h0": state(h0), "gh": ready(gh), "gh_last": state(gh_last)}
        made = {"da": da, "db": db, "dh0": dh0}
        _catalogue(taken or fallback("scan", BACKWARD), h, {**given, **made})
        return da, db, dh0
    function = walk("scan", True, "float32") if h.dtype == torch.float32 and h.device.type == "cpu" else None
    if function is None:
        return composed.scan_backward(composed.loop, a, h, h0, marks, gh, gh_last, reverse)
    a, h, h0, marks = ready(a), ready(h), state(h0), ready(marks)
    gh, gh_last = ready(gh), state(gh_last)
    da, db, dh0 = fresh(h, h.shape), fresh(h, h.shape), h.new_empty(B, H)
    function(
        _at(a), _at(h), _at(h0), _at(marks), _at(gh), _at(gh_last), _at(da), _at(db), _at(dh0), B, T, H, reverse,
        large(da), threads(),
    )  # fmt: skip
    return da, db, dh0


def gated_scan(
    kv: Tensor, h0: Tensor | None, w: Tensor | None, marks: Tensor | None, reverse: bool, linear: bool
) -> tuple[Tensor, Tensor]:
    B, T, _, H = kv.shape
    dtype = DTYPES.get(kv.dtype)
    plain = w is None and marks is None and not reverse and not linear
    if device_of(kv) == "cuda" and dtype:
        if plain:
            kv, h0 = ready(kv), state(h0)
            h, h_last = kv.new_empty(B, T, H), torch.empty(B, H, dtype=torch.float32, device=kv.device)
            taken = _measured("gated_scan", "cuda", dtype, B, T, H) or fallback("gated_scan")
            _catalogue(taken, h, {"kv": kv, "h0": h0, "h": h, "h_last": h_last})
            return h, h_last
        return composed.gated_forward(_on_gpu, kv, h0, w, marks, reverse, linear)
    function = walk("gated_scan", False, dtype) if dtype and kv.device.type == "cpu" else None
    if function is None:
        return composed.gated_forward(composed.loop, kv, h0, w, marks, reverse, linear)
    kv, h0, w, marks = ready(kv), state(h0), state(w), ready(marks)
    h, h_last = fresh(kv, (B, T, H)), torch.empty(B, H, dtype=torch.float32)
    if plain and (choice := _measured("gated_scan", "cpu", dtype or "", B, T, H)):
        _catalogue(choice, h, {"kv": kv, "h0": h0, "h": h, "h_last": h_last})
        return h, h_last
    function(
        _at(kv), _at(h0), _at(w), _at(marks), _at(h), _at(h_last), B, T, H, reverse, linear, large(h), threads()
    )  # fmt: skip
    return h, h_last


def gated_scan_backward(
    kv: Tensor,
    h: Tensor,
    h0: Tensor | None,
    w: Tensor | None,
    marks: Tensor | None,
    gh: Tensor,
    gh_last: Tensor,
    reverse: bool,
    linear: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    B, T, _, H = kv.shape
    dtype = DTYPES.get(kv.dtype)
    plain = w is None and marks is None and not reverse and not linear
    on_gpu = device_of(kv) == "cuda" and dtype is not None
    if on_gpu and not plain:
        return composed.gated_backward(_on_gpu, kv, h, h0, w, marks, gh, gh_last, reverse, linear)
    taken = _measured("gated_scan", device_of(kv), dtype, B, T, H, BACKWARD) if plain and dtype else None
    if on_gpu or taken is not None:
        dkv, dh0 = fresh(kv, kv.shape), torch.empty(B, H, dtype=torch.float32, device=kv.device)
        first = torch.zeros_like(dh0) if h0 is None else state(h0)
        given = {"kv": ready(kv), "h": ready(h), "h0": first, "gh": ready(gh), "gh_last": state(gh_last)}
        _catalogue(taken or fallback("gated_scan", BACKWARD), h, {**given, "dkv": dkv, "dh0": dh0})
        return dkv, dh0, dh0.new_empty(0)
    function = walk("gated_scan", True, dtype) if dtype and kv.device.type == "cpu" else None
    if function is None:
        return composed.gated_backward(composed.loop, kv, h, h0, w, marks, gh, gh_last, reverse, linear)
    kv, h, h0, w, marks = ready(kv), ready(h), state(h0), state(w), ready(marks)
    gh, gh_last = ready(gh), state(gh_last)
    dkv, dh0 = fresh(kv, kv.shape), torch.empty(B, H, dtype=torch.float32)
    dw = torch.empty((B, H) if w is not None else 0, dtype=torch.float32)
    function(
        _at(kv), _at(h), _at(h0), _at(w), _at(marks), _at(gh), _at(gh_last), _at(dkv), _at(dh0), _at(dw), B, T, H,
        reverse, linear, large(dkv), threads(),
    )  # fmt: skip
    return dkv, dh0, dw


def _on_gpu(a: Tensor, b: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    B, T, H = b.shape
    h, h_last = torch.empty_like(b), torch.empty_like(h0)
    choice = _measured("scan", "cuda", "float32", B, T, H) or fallback("scan")
    tensors = {"a": a.contiguous(), "b": b.contiguous(), "h0": h0.contiguous(), "h": h, "h_last": h_last}
    _catalogue(choice, h, tensors)
    return h, h_last


def device_of(x: Tensor) -> str:
    return str(x.device.type)


def fallback(operation: str, pass_: str = FORWARD) -> Choice:
    return Choice(operation, pass_, SERIAL[operation], {}, reason="no measured run near this shape")


def _catalogue(choice: Choice, h: Tensor, tensors: dict[str, Tensor]) -> None:
    """Runs a variant of the catalogue on tensors that it reads and writes."""
    B, T, H = h.shape
    run_variant(choice, Shape.of(DTYPES[h.dtype], B=B, T=T, H=H), h, tensors)


def run_variant(choice: Choice, shape: Shape, like: Tensor, tensors: dict[str, Tensor]) -> None:
    """Runs a variant of the catalogue, where `like` is, on tensors that it reads and writes."""
    device = str(like.device)
    with torch.cuda.device(like.device) if like.is_cuda else contextlib.nullcontext():
        settings = tuple(choice.settings.items())
        prepare(choice.operation, choice.variant, settings, shape, device, choice.pass_)(tensors)


def ready(x: Tensor) -> Tensor:
    return x if x is None or x.is_contiguous() else x.contiguous()


def state(x: Tensor) -> Tensor:
    """float32 and contiguous: what states and their gradients are in every kernel."""
    return None if x is None else ready(x.float() if x.dtype != torch.float32 else x)


def _at(x: Tensor) -> int | None:
    return None if x is None else x.data_ptr()


def large(x: Tensor) -> bool:
    return bool(x.nbytes >= PAST_CACHES_FROM)


def threads() -> int:
    return int(torch.get_num_threads())
