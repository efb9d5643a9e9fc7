"""The CPU rungs of the scan, each declared once for `scan` and `gated_scan` (the Cell it is given)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernel_variants.scan.cells import SCAN, SCAN_BACKWARD, Cell
from workbench.declare import DTYPE_BYTES, Argument, Cost, Host, Plan, Settings, Shape, Variant

FLOPS_OF_SCAN = 2
FLOPS_OF_GATES = 37
"""What include/exponential.hpp spends on an element beside the scan's own multiply-add, a multiply-add being two: 15 in
each exponential; w + 2 max(v, 0) is 2; 1 + w, e (1 + w), 1 + e, (1 + e)(1 + w) and the division one each."""
EXPONENTIALS_OF_GATES = 2
"""exp(-k) and exp(min(v, 0)). The one division an element is no special function to a CPU."""

ALL_CORES = {"algorithm": "serial", "source": "c++", "vector": "channels", "cores": "all"}


def cpu_cost(cell: Cell, shape: Shape, *, past_caches: bool) -> Cost:
    """Both streams in, h out, the two states. An ordinary store reads the line that it overwrites: h comes in too."""
    n = shape["B"] * shape["T"] * shape["H"]
    h_bytes = (1 if past_caches else 2) * shape.element_bytes
    allocated = 0 if past_caches else n * shape.element_bytes
    states = 2 * DTYPE_BYTES["float32"] * shape["B"] * shape["H"]
    return Cost(
        bytes=n * (cell.step_bytes(shape) + h_bytes) + states,
        flops=n * (FLOPS_OF_SCAN + (FLOPS_OF_GATES if cell.gated else 0)),
        special=n * EXPONENTIALS_OF_GATES if cell.gated else 0,
        serial_steps=shape["T"],
        write_allocate=allocated,
    )


def _plan(cell: Cell, folder: Path, file: str, shape: Shape, settings: Settings) -> Plan:
    """NN_NAME.cpp of the operation's folder, function OPERATION_NAME; a setting becomes the define of its name."""
    read: tuple[Argument, ...] = tuple(dict.fromkeys(stream.tensor for stream in cell.inputs))
    arguments = (*read, "h0", "h", "h_last", shape["B"], shape["T"], shape["H"])
    defines = tuple((setting.upper(), value) for setting, value in settings.items())
    return Plan((Host(folder / f"{file}.cpp", f"{cell.operation}_{file[3:]}", arguments, defines),))


def simd(cell: Cell, folder: Path) -> Variant:
    return Variant(
        name="simd",
        operation=cell.operation,
        devices=("cpu",),
        idea="gates in vector registers, every core" if cell.gated else "vectors over channels, every core",
        plan=lambda shape, settings: _plan(cell, folder, "56_simd", shape, settings),
        cost=lambda shape, settings: cpu_cost(cell, shape, past_caches=False),
        factors={**ALL_CORES, "memory": "cached stores"},
        settings={"slice": (4096, 512)},
        rung=56,
    )


def streaming(cell: Cell, folder: Path, prefetch_bytes: tuple[int, ...]) -> Variant:
    return Variant(
        name="streaming",
        operation=cell.operation,
        devices=("cpu",),
        idea="h written past the caches in whole lines, k and v prefetched"
        if cell.gated
        else "h written past the caches in whole lines",
        plan=lambda shape, settings: _plan(cell, folder, "57_streaming", shape, settings),
        cost=lambda shape, settings: cpu_cost(cell, shape, past_caches=True),
        factors={**ALL_CORES, "memory": "non-temporal stores"},
        settings={"slice": (4096, 512), "prefetch_bytes": prefetch_bytes},
        rung=57,
    )


HERE = Path(__file__).parent

SCALAR = Variant(
    name="scalar",
    operation="scan",
    devices=("cpu",),
    idea="C, one float at a time, one core",
    plan=lambda shape, settings: _plan(SCAN, HERE, "55_scalar", shape, settings),
    cost=lambda shape, settings: cpu_cost(SCAN, shape, past_caches=False),
    factors={"algorithm": "serial", "source": "c++", "memory": "cached stores", "vector": "none", "cores": "one"},
    rung=55,
)

CPU_VARIANTS = (SCALAR, simd(SCAN, HERE), streaming(SCAN, HERE, (0, 4096)))


def walked_back(cell: Cell, folder: Path, arguments: tuple[Argument, ...], flops: int, *, past_caches: bool) -> Variant:
    """The walk from the end of time that layers take (walk_backward.cpp): no marks, every core, `simd` with ordinary
    stores and `streaming` past the caches."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        defines = tuple((setting.upper(), value) for setting, value in settings.items())
        sizes = (shape["B"], shape["T"], shape["H"])
        step = Host(
            folder / "walk_backward.cpp",
            f"{cell.operation}_walk_backward",
            (*arguments, *sizes, *forwards, int(past_caches), EVERY_CORE),
            defines,
        )
        return Plan((step,))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """As the cell reads and writes; ordinary stores read the lines that they overwrite."""
        n = shape["B"] * shape["T"] * shape["H"]
        written = n * sum(stream.value_bytes(shape) for stream in cell.outputs)
        walked = cell.cost(shape, launches=0, serial_steps=shape["T"])
        allocated = 0 if past_caches else written
        special = n * EXPONENTIALS_OF_GATES if cell.gated else 0
        moved = walked.bytes + allocated
        return replace(walked, bytes=moved, flops=n * flops, special=special, write_allocate=allocated)

    forwards: tuple[Argument, ...] = (0, 0) if cell.gated else (0,)  # not from the end of time; the log-safe candidate
    return Variant(
        name="streaming" if past_caches else "simd",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cpu",),
        idea="gradients written past the caches in whole lines" if past_caches else "vectors over channels, every core",
        plan=plan,
        cost=cost,
        factors={**ALL_CORES, "memory": "non-temporal stores" if past_caches else "cached stores"},
        settings={"slice": (4096, 512)},
        rung=57 if past_caches else 56,
    )


EVERY_CORE = 0
"""Of walk_backward.cpp's threads: as many as OpenMP has."""
_WALK = ("a", "h", "h0", None, "gh", "gh_last", "da", "db", "dh0")
FLOPS_OF_SCAN_BACKWARD = 3
BACKWARD_CPU_VARIANTS = tuple(
    walked_back(SCAN_BACKWARD, HERE, _WALK, FLOPS_OF_SCAN_BACKWARD, past_caches=past_caches)
    for past_caches in (False, True)
)
