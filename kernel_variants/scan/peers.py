"""The scan in other people's packages and in torch's compiler: what the ladder has to be ahead of.

Each is measured in the form that its authors measure it in. What that form needs beforehand (time contiguous, a
logarithm of the decays) is made outside of what is timed; what it leaves to do (a cast) is inside.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from kernel_variants.own_form import OwnForm
from kernel_variants.scan import backward_in_torch
from kernel_variants.scan.in_torch import associative_scan
from kernel_variants.scan.operation import scan_bytes
from workbench.declare import Call, Cost, Plan, Requirement, Settings, Shape, Variant

ACCELERATED_SCAN = Requirement("accelerated_scan", "pip install accelerated-scan==0.3.1")
FLA = (Requirement("fla", "pip install fla-core"), Requirement("einops", "pip install einops"))
TRITON = Requirement("triton", "pip install triton")
NINJA = Requirement("ninja", "pip install ninja")
FIRST_RUNG = 80
"""Peers stand behind the ladder: they are no rungs of it."""


def _elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def _levels(shape: Shape) -> int:
    return max(1, (shape["T"] - 1).bit_length())


def cast_cost(shape: Shape) -> Cost:
    """A peer's float32 states rounded to the dtype that crosses memory: read once more, written once."""
    narrow = shape.dtype != "float32"
    return Cost(bytes=narrow * _elements(shape) * (4 + shape.element_bytes), launches=int(narrow))


# --------------------------------------------------------------------------------- accelerated-scan: time contiguous


def _time_last(a: Any, b: Any, h0: Any) -> tuple[Any, Any]:
    """a, b (B, T, H) → (B, H, T). The package starts from zero: h_0's share, a_1 h_0, is added to a copy of b_1."""
    decay, inputs = a.transpose(1, 2).contiguous(), b.transpose(1, 2).contiguous()
    if h0 is not None:
        inputs[..., 0] += decay[..., 0] * h0
    return decay, inputs


TIME_LAST = OwnForm(_time_last)


def accelerated_scan(a: Any, b: Any, h0: Any, kernel: str, dtype: str) -> tuple[Any, Any]:
    """(B, T, H) → h as a transposed view of the package's (B, H, T), h_last likewise."""
    import importlib

    import torch

    module = importlib.import_module(f"accelerated_scan.{kernel}")
    h = module.scan(*TIME_LAST(a, b, h0))
    return h.to(getattr(torch, dtype)).transpose(1, 2), h[..., -1]


def scalar_cost(shape: Shape, settings: Settings) -> Cost:
    """One Triton launch: a and b read, float32 states written; a tree in each block of 2048 steps."""
    n = _elements(shape)
    own = Cost(3 * 4 * n, flops=4 * n, launches=1, serial_steps=2 * _levels(shape))
    return own + cast_cost(shape)


def warp_cost(shape: Shape, settings: Settings) -> Cost:
    """As scalar, and the output is filled with zeros first."""
    return scalar_cost(shape, settings) + Cost(bytes=4 * _elements(shape), launches=1)


def power_of_two(shape: Shape) -> str | None:
    T = shape["T"]
    if T & (T - 1) or not 32 <= T <= 65536:
        return f"T = {T}: its kernel takes powers of two from 32 to 65536"
    return None


# ------------------------------------------------------------------------------------------------ fla: HGRN's kernels

LOG_DECAY = OwnForm(lambda a: a.log())


def hgrn(log_decay: Any, inputs: Any, h0: Any, form: str) -> tuple[Any, Any]:
    """fla's o_t = exp(g_t) o_{t-1} + x_t, state in float32, o in the dtype of x, its last state too."""
    from fla.ops.hgrn import chunk_hgrn, fused_recurrent_hgrn

    function = chunk_hgrn if form == "chunk" else fused_recurrent_hgrn
    o, last = function(inputs, log_decay, initial_state=h0, output_final_state=True)
    return o, last.float()


def hgrn_scan(a: Any, b: Any, h0: Any, form: str, dtype: str) -> tuple[Any, Any]:
    import torch

    h, last = hgrn(LOG_DECAY(a), b, h0, form)
    return h.to(getattr(torch, dtype)), last


def hgrn_cost(shape: Shape, settings: Settings) -> Cost:
    """Recurrent: log a and b read, h written, a thread per channel. Chunks: sums of logarithms and states are written
    too, and read again to carry each chunk's state into the next."""
    n, T = _elements(shape), shape["T"]
    if settings["form"] == "chunk":
        own = Cost(4 * 4 * n + 3 * 4 * n, flops=5 * n, special=2 * n, launches=2, serial_steps=128 + T // 128)
    else:
        own = Cost(3 * 4 * n, flops=2 * n, special=n, launches=1, serial_steps=T)
    return own + cast_cost(shape)


# ---------------------------------------------------------------------------- torch's associative_scan, compiled


@cache
def compiled(function: Any) -> Any:
    """The function through torch's compiler, for the very shapes it meets."""
    import torch

    return torch.compile(function, dynamic=False, fullgraph=True)


def pointwise_scan(a: Any, b: Any, h0: Any, dtype: str) -> tuple[Any, Any]:
    """torch's associative_scan in the mode that its compiler turns into one kernel."""
    import torch
    from torch._higher_order_ops.associative_scan import associative_scan as scan

    def compose(earlier: tuple[Any, Any], later: tuple[Any, Any]) -> tuple[Any, Any]:
        return later[0] * earlier[0], later[0] * earlier[1] + later[1]

    decay, h = scan(compose, (a, b), dim=1, combine_mode="pointwise")
    if h0 is not None:
        h = h + decay * h0[:, None]
    return h.to(getattr(torch, dtype)), h[:, -1].contiguous()


def compiled_scan(a: Any, b: Any, h0: Any, mode: str, dtype: str) -> tuple[Any, Any]:
    h, last = compiled(_WRITTEN[mode])(a, b, h0, dtype)
    return h, last


_WRITTEN = {"generic": associative_scan, "pointwise": pointwise_scan}


def generic_cost(shape: Shape, settings: Settings) -> Cost:
    """Compiled, a level of the tree is about one launch each way: pairs are read (4 n values at the first level) and
    written (n), then halves are interleaved (4 n); the levels sum to twice the first."""
    n = _elements(shape)
    own = Cost(2 * 9 * 4 * n // 2, flops=8 * n, launches=2 * _levels(shape), serial_steps=2 * _levels(shape) + 1)
    return own + cast_cost(shape)


def pointwise_cost(shape: Shape, settings: Settings) -> Cost:
    """One launch that reads a and b and writes h and the products of decays, and one more for h0."""
    n = _elements(shape)
    moved = scan_bytes(shape) + 4 * n + (2 * 4 + shape.element_bytes) * n
    return Cost(moved, flops=6 * n, launches=3, serial_steps=2 * _levels(shape))


def _variant(
    place: int,
    name: str,
    idea: str,
    function: Any,
    cost: Any,
    requires: tuple[Requirement, ...],
    **more: Any,
) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(function, **settings, dtype=shape.dtype), ("a", "b", "h0"), ("h", "h_last")),))

    source = "torch" if requires == (TRITON,) else requires[0].module
    return Variant(
        name=name,
        operation="scan",
        devices=("cuda",),
        own_kernels=False,
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"source": source, "peer": "yes"},
        requires=requires,
        rung=FIRST_RUNG + place,
        **more,
    )


PEER_VARIANTS = (
    _variant(
        0,
        "accelerated_scan_scalar",
        "accelerated-scan 0.3.1, scalar: time contiguous; transposes and h0's share made beforehand, casts timed",
        partial(accelerated_scan, kernel="scalar"),
        scalar_cost,
        (ACCELERATED_SCAN, TRITON),
    ),
    _variant(
        1,
        "accelerated_scan_warp",
        "accelerated-scan 0.3.1, warp: time contiguous; transposes and h0's share made beforehand, casts timed",
        partial(accelerated_scan, kernel="warp"),
        warp_cost,
        (ACCELERATED_SCAN, NINJA),
        supports=power_of_two,
    ),
    _variant(
        2,
        "fla_hgrn",
        "fla-core's HGRN, recurrent or in chunks: log a made beforehand, casts timed",
        hgrn_scan,
        hgrn_cost,
        (*FLA, TRITON),
        settings={"form": ("fused_recurrent", "chunk")},
    ),
    _variant(
        3,
        "associative_scan_compiled",
        "torch's associative_scan, its tree fused by torch.compile",
        partial(compiled_scan, mode="generic"),
        generic_cost,
        (TRITON,),
    ),
    _variant(
        4,
        "associative_scan_pointwise",
        "torch's associative_scan as one kernel of torch.compile",
        partial(compiled_scan, mode="pointwise"),
        pointwise_cost,
        (TRITON,),
    ),
)


# ------------------------------------------------------------------------------------- backwards, compiled for a CPU


def compiled_backward(a: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any, Any]:
    da, db, dh0 = compiled(backward_in_torch.associative_scan)(a, h, h0, gh, gh_last)
    return da, db, dh0


def compiled_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """The compiled tree; around it a, h and gh read, mu read once more, da and db written."""
    n, E = _elements(shape), shape.element_bytes
    tree = generic_cost(Shape.of("float32", **shape.as_dict()), {})
    around = Cost(n * (4 + 2 * E + 4 + 8) + 3 * 4 * shape["B"] * shape["H"], flops=3 * n, launches=2)
    return tree + around + Cost(0, kept_bytes=n * (4 + E))


def backward_on_a_cpu(operation: str, idea: str, function: Any, cost: Any, names: tuple[str, ...],
                      gradients: tuple[str, ...]) -> Variant:  # fmt: skip
    """A backward pass through torch's compiler, which on a CPU asks for no package but for a C++ compiler."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(function, names, gradients),))

    return Variant(
        name="compiled",
        operation=operation,
        pass_="backward",
        devices=("cpu",),
        own_kernels=False,
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"source": "torch", "peer": "yes"},
        rung=FIRST_RUNG,
    )


BACKWARD_PEERS = (
    backward_on_a_cpu(
        "scan",
        "torch.compile of associative_scan over flipped time",
        compiled_backward,
        compiled_backward_cost,
        backward_in_torch.NAMES,
        backward_in_torch.RESULTS,
    ),
)
