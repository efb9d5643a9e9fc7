"""Cells that have an operation of their own, its gates inside: minlstm_scan, sru_scan, sru2_scan, qrnn_pool.

All that differs between them stands in their declarations: what they read and write is `Operation.tensors`, how a CPU
walks them, marked and either way in time, `Walk`. A GPU runs the catalogue's variants; time that runs backwards is
turned round for them.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kernel_variants.minlstm_scan import operation as minlstm_scan
from kernel_variants.minlstm_scan import variants as minlstm_walks
from kernel_variants.modules import kernels
from kernel_variants.modules.composed import Tensor
from kernel_variants.modules.fresh import fresh
from kernel_variants.qrnn_pool import operation as qrnn_pool
from kernel_variants.qrnn_pool import variants as qrnn_walks
from kernel_variants.scan.cell_walk import Walk
from kernel_variants.sru2_scan import operation as sru2_scan
from kernel_variants.sru2_scan import variants as sru2_walks
from kernel_variants.sru_scan import operation as sru_scan
from kernel_variants.sru_scan import variants as sru_walks
from workbench.declare import FORWARD, Operation, Shape
from workbench.declare import Tensor as Declared
from workbench.dispatch import Choice, bind
from workbench.problem import Problem

PLAIN_PHI, TANH_PHI = 1, 2
ALL_KEPT, MASKED = 1, 2
"""The axes phi and dropout of SRU's operations."""
MARKS = "marks"
MOST_DIRECTIONS = 2
OVER_TIME = ("pre", "x", "h", "c", "gh", "dpre", "dx")
"""Tensors whose second dimension is time."""


@dataclass(frozen=True)
class CellOperation:
    operation: Operation
    walks: Mapping[str, Walk]
    """By pass."""
    state: str
    """What the declarations call a state: `h`, or `c` of cells whose output is another."""


def _cell(operation: Operation, walks: Any, state: str) -> CellOperation:
    return CellOperation(operation, {FORWARD: walks.FORWARD, kernels.BACKWARD: walks.BACKWARD}, state)


CELLS = {
    "minlstm_scan": _cell(minlstm_scan.OPERATION, minlstm_walks, "h"),
    "sru_scan": _cell(sru_scan.OPERATION, sru_walks, "c"),
    "sru2_scan": _cell(sru2_scan.OPERATION, sru2_walks, "c"),
    "qrnn_pool": _cell(qrnn_pool.OPERATION, qrnn_walks, "c"),
}


@dataclass(frozen=True, eq=False)
class _Pass:
    """What every call of a pass at one shape has in common: found out once, as a call for one step waits for it."""

    shape: Shape
    small: bool
    """Whether the table of what was measured is not asked."""
    outputs: tuple[tuple[str, tuple[int, ...], torch.dtype], ...]
    initial: str
    """What the initial state is called."""
    initial_sizes: tuple[int, ...]
    kept: tuple[str, ...]
    """What a backward pass takes states as."""
    written: str
    """The output by whose size it is decided how to store."""


@functools.lru_cache(maxsize=1024)
def _pass(name: str, pass_: str, sizes: tuple[int, ...], dtype: torch.dtype, tanh: bool, masked: bool) -> _Pass:
    """Of pre-activations of these sizes."""
    shape, initial = shape_of(name, sizes, dtype, tanh, masked), f"{CELLS[name].state}0"
    declared = _declared(name, pass_, shape)
    outputs = tuple((t.name, t.shape, getattr(torch, t.dtype)) for t in declared if t.role == "output")
    (initial_sizes,) = (t.shape for t in _declared(name, FORWARD, shape) if t.name == initial)
    kept = tuple(t.name for t in declared if t.name in ("h", "c")) if pass_ == kernels.BACKWARD else ()
    small = kernels.small("cpu", shape["B"] * shape["T"] * shape["H"])
    written = "h" if pass_ == FORWARD else "dpre"
    return _Pass(shape, small, outputs, initial, initial_sizes, kept, written)


def forward(
    name: str,
    pre: Tensor,
    x: Tensor | None,
    w: Tensor | None,
    mask: Tensor | None,
    initial: Tensor | None,
    marks: Tensor | None,
    reverse: bool,
    tanh: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """pre (B, T, …, rows, H) → h, what a backward pass needs of the states beside it, the last state."""
    form = _pass(name, FORWARD, pre.shape, pre.dtype, tanh, mask is not None)
    made = _run(name, FORWARD, form, _given(form, pre, x, w, mask, initial), marks, reverse)
    c = made.get("c")
    return made["h"], pre.new_empty(0) if c is None else c, made[f"{CELLS[name].state}_last"]


@functools.lru_cache(maxsize=1024)
def small_walk(
    name: str,
    sizes: tuple[int, ...],
    dtype: torch.dtype,
    tanh: bool,
    masked: bool,
    marked: bool,
    reverse: bool,
    threads: int,
) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """The forward pass of pre-activations on a CPU, of which so much is found out beforehand that a call has little
    left to do: pre, x, w, mask, initial and marks → h, the last state. None where there is no kernel, or the
    pre-activations are not `kernels.small`."""
    directions, rows = sizes[2] if len(sizes) == 5 else 1, sizes[-2]
    if not has_kernel(name, "cpu", dtype, directions, rows, tanh, masked, marked):
        return None
    form, last = _pass(name, FORWARD, sizes, dtype, tanh, masked), f"{CELLS[name].state}_last"
    if not form.small:
        return None
    walk = _walk(name, FORWARD, form.shape, False, marked, reverse, threads)
    kept = tuple(output for output in form.outputs if output[0] in ("h", last))
    # What a backward pass would need beside them: written, and read by nobody.
    others = {output: _nobodys(dtype) for output, _, dtype in form.outputs if output not in ("h", last)}

    def run(
        pre: Tensor,
        x: Tensor | None,
        w: Tensor | None,
        mask: Tensor | None,
        initial: Tensor | None,
        marks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        tensors = _given(form, pre, x, w, mask, initial)
        if marked:
            tensors[MARKS] = kernels.ready(marks)
        for output, its_sizes, its_dtype in kept:
            tensors[output] = torch.empty(its_sizes, dtype=its_dtype)
        tensors |= others
        walk(tensors)
        return tensors["h"], tensors[last]

    return run


@functools.cache
def _nobodys(dtype: torch.dtype) -> Tensor:
    """Memory for any output of small pre-activations. Threads may write it at once: no value of it is ever used."""
    return torch.empty(kernels.SMALL * MOST_DIRECTIONS, dtype=dtype, device="cpu")


def backward(
    name: str,
    pre: Tensor,
    x: Tensor | None,
    w: Tensor | None,
    mask: Tensor | None,
    initial: Tensor | None,
    states: Tensor,
    marks: Tensor | None,
    gh: Tensor,
    g_last: Tensor,
    reverse: bool,
    tanh: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`states` are h where h is the state. Gradients of pre, x, the initial state and w; empty where there is none."""
    state = CELLS[name].state
    form = _pass(name, kernels.BACKWARD, pre.shape, pre.dtype, tanh, mask is not None)
    given = _given(form, pre, x, w, mask, initial)
    given |= {kept: kernels.ready(states) for kept in form.kept}
    given |= {"gh": kernels.ready(gh), f"g{state}_last": kernels.state(g_last)}
    made = _run(name, kernels.BACKWARD, form, given, marks, reverse)
    none = pre.new_empty(0)
    dw = made.get("dw", none.float())
    return made["dpre"], made.get("dx", none), made[f"d{state}0"], dw


def shape_of(name: str, sizes: tuple[int, ...], dtype: torch.dtype, tanh: bool, masked: bool) -> Shape:
    """The operation's shape for pre-activations (B, T, …, rows, H)."""
    B, T, *directions, rows, H = sizes
    axes = {"B": B, "T": T, "H": H, **_forms((*directions, 1)[0], rows, tanh, masked)}
    return Shape.of(kernels.DTYPES[dtype], **{axis: int(axes[axis]) for axis in CELLS[name].operation.axes})


def _forms(directions: int, rows: int, tanh: bool, masked: bool) -> dict[str, int]:
    """The axes beside B, T and H that any of the operations has."""
    phi, dropout = (TANH_PHI if tanh else PLAIN_PHI), (MASKED if masked else ALL_KEPT)
    return {"directions": directions, "phi": phi, "rows": rows, "dropout": dropout}


def _given(
    form: _Pass, pre: Tensor, x: Tensor | None, w: Tensor | None, mask: Tensor | None, initial: Tensor | None
) -> dict[str, Tensor]:
    if initial is None:
        initial = torch.zeros(form.initial_sizes, device=pre.device)
    given = {"pre": kernels.ready(pre), form.initial: kernels.state(initial)}
    if x is not None:
        given["x"] = kernels.ready(x)
    if w is not None:
        given["w"] = kernels.state(w)
    if mask is not None:
        given["m"] = kernels.state(mask)
    return given


@functools.lru_cache(maxsize=1024)
def _declared(name: str, pass_: str, shape: Shape) -> tuple[Declared, ...]:
    operation = CELLS[name].operation
    if pass_ == FORWARD:
        return operation.tensors(shape)
    return next(other for other in operation.passes if other.name == pass_).tensors(shape)


def _run(
    name: str, pass_: str, form: _Pass, given: dict[str, Tensor], marks: Tensor | None, reverse: bool
) -> dict[str, Tensor]:
    pre, shape = given["pre"], form.shape
    device = kernels.device_of(pre)
    made = {output: fresh(pre, sizes, dtype) for output, sizes, dtype in form.outputs}
    plain = marks is None and not (reverse and device == "cpu")
    taken = kernels.measured(name, device, shape, pass_) if plain else None
    if device != "cpu":
        if marks is not None:
            raise ValueError(f"{name}: kernels of a GPU take no marks")
        given = _turned(given) if reverse else given
        kernels.run_variant(taken or kernels.fallback(name, pass_), shape, pre, {**given, **made})
        return _turned(made) if reverse else made
    if taken is not None:
        kernels.run_variant(taken, shape, pre, {**given, **made})
    else:
        past_caches = kernels.large(made[form.written])
        run = _walk(name, pass_, shape, past_caches, marks is not None, reverse, kernels.threads())
        run({**given, **made, MARKS: kernels.ready(marks)})
    return made


def _turned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.flip(1) if name in OVER_TIME else value for name, value in tensors.items()}


@functools.lru_cache(maxsize=1024)
def _walk(
    name: str, pass_: str, shape: Shape, past_caches: bool, marked: bool, reverse: bool, threads: int
) -> Callable[[dict[str, Any]], None]:
    marks = Declared(MARKS, (), "uint8")
    walk = CELLS[name].walks[pass_]
    plan = walk.plan(shape, past_caches, marks=MARKS if marked else None, reverse=reverse, threads=threads)
    return bind(plan, shape.dtype, (*_declared(name, pass_, shape), marks), "cpu")


# ------------------------------------------------------------------------------------------------- what runs where


@functools.cache
def compiles(name: str, dtype: str, forms: tuple[tuple[str, int], ...]) -> bool:
    """Whether a CPU's walks of a cell are there, in the form that the axes beside B, T and H say; a warning where this
    machine cannot compile them."""
    one = Shape.of(dtype, **{axis: dict(forms).get(axis, 1) for axis in CELLS[name].operation.axes})
    try:
        for pass_ in CELLS[name].walks:
            _walk(name, pass_, one, False, False, False, 1)
    except Problem as problem:
        warnings.warn(f"{name} runs as a loop in torch, which is slow: {problem}", stacklevel=2)
        return False
    return True


@functools.lru_cache(maxsize=1024)
def has_kernel(
    name: str, device: str, dtype: Any, directions: int, rows: int, tanh: bool, masked: bool, marked: bool
) -> bool:
    """Whether the operation's own kernels do this: all that a CPU is asked for in float32 and bfloat16, and on a GPU
    what is not marked."""
    known = kernels.DTYPES.get(dtype)
    if known is None or (device != "cpu" and marked):
        return False
    return device != "cpu" or compiles(name, known, tuple(_forms(directions, rows, tanh, masked).items()))


def chosen(name: str, device: str, dtype: Any, sizes: Mapping[str, int], plain: bool) -> tuple[Choice, Choice]:
    """As kernels.chosen; `sizes` are the operation's axes."""
    phi, dropout = sizes.get("phi", PLAIN_PHI), sizes.get("dropout", ALL_KEPT)
    forms = (sizes.get("directions", 1), sizes.get("rows", 1), phi == TANH_PHI, dropout == MASKED)
    there = has_kernel(name, device, dtype, *forms, marked=False)
    own = {axis: sizes[axis] for axis in CELLS[name].operation.axes}
    shape = Shape.of(kernels.DTYPES.get(dtype, ""), **own)
    return kernels.choices(name, device, shape, plain, there)
