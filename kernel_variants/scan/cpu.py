"""The CPU rungs of the scan, each declared once for `scan` and `gated_scan` (the Streams it is given)."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.streams import SCAN, Streams
from workbench.declare import DTYPE_BYTES, Cost, Host, Plan, Settings, Shape, Variant

FLOPS_OF_SCAN = 2
FLOPS_OF_GATES = 37
"""What include/exponential.hpp spends on an element beside the scan's own multiply-add, a multiply-add being two: 15 in
each exponential; w + 2 max(v, 0) is 2; 1 + w, e (1 + w), 1 + e, (1 + e)(1 + w) and the division one each."""
EXPONENTIALS_OF_GATES = 2
"""exp(-k) and exp(min(v, 0)). The one division an element is no special function to a CPU."""


def cpu_cost(streams: Streams, shape: Shape, *, past_caches: bool) -> Cost:
    """Both streams in, h out, the two states. An ordinary store reads the line that it overwrites: h comes in too."""
    n = shape["B"] * shape["T"] * shape["H"]
    h_bytes = (1 if past_caches else 2) * shape.element_bytes
    states = 2 * DTYPE_BYTES["float32"] * shape["B"] * shape["H"]
    return Cost(
        bytes=n * (2 * streams.value_bytes(shape) + h_bytes) + states,
        flops=n * (FLOPS_OF_SCAN + (FLOPS_OF_GATES if streams.gated else 0)),
        special=n * EXPONENTIALS_OF_GATES if streams.gated else 0,
        serial_steps=shape["T"],
    )


def _plan(streams: Streams, folder: Path, name: str, shape: Shape, settings: Settings) -> Plan:
    """NAME.cpp of the operation's folder, function OPERATION_NAME; a setting becomes the define of its name."""
    streams_in = ("kv",) if streams.gated else ("a", "b")
    arguments = (*streams_in, "h0", "h", "h_last", shape["B"], shape["T"], shape["H"])
    defines = tuple((setting.upper(), value) for setting, value in settings.items())
    return Plan((Host(folder / f"{name}.cpp", f"{streams.operation}_{name}", arguments, defines),))


def simd(streams: Streams, folder: Path) -> Variant:
    return Variant(
        name="simd",
        operation=streams.operation,
        devices=("cpu",),
        idea="gates in vector registers, every core" if streams.gated else "vectors over channels, every core",
        plan=lambda shape, settings: _plan(streams, folder, "simd", shape, settings),
        cost=lambda shape, settings: cpu_cost(streams, shape, past_caches=False),
        factors={"algorithm": "serial", "source": "c++", "memory": "cached stores"},
        settings={"slice": (4096, 512)},
        rung=56,
    )


def streaming(streams: Streams, folder: Path, prefetch_bytes: tuple[int, ...]) -> Variant:
    return Variant(
        name="streaming",
        operation=streams.operation,
        devices=("cpu",),
        idea="h written past the caches in whole lines, k and v prefetched"
        if streams.gated
        else "h written past the caches in whole lines",
        plan=lambda shape, settings: _plan(streams, folder, "streaming", shape, settings),
        cost=lambda shape, settings: cpu_cost(streams, shape, past_caches=True),
        factors={"algorithm": "serial", "source": "c++", "memory": "non-temporal stores"},
        settings={"slice": (4096, 512), "prefetch_bytes": prefetch_bytes},
        rung=57,
    )


HERE = Path(__file__).parent

SCALAR = Variant(
    name="scalar",
    operation="scan",
    devices=("cpu",),
    idea="C, one float at a time, one core",
    plan=lambda shape, settings: _plan(SCAN, HERE, "scalar", shape, settings),
    cost=lambda shape, settings: cpu_cost(SCAN, shape, past_caches=False),
    factors={"algorithm": "serial", "source": "c++", "memory": "cached stores"},
    rung=55,
)

CPU_VARIANTS = (SCALAR, simd(SCAN, HERE), streaming(SCAN, HERE, (0, 4096)))
