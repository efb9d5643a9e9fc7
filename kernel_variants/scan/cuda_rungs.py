"""The CUDA rungs of the scan, each declared once for `scan` and `gated_scan` (the Streams it is given)."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.streams import Streams
from workbench.declare import Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div

HERE = Path(__file__).parent
RESULTS = ("h0", "h", "h_last")

GRID_LIMIT = 65535
"""Largest grid.y and grid.z (CUDA C++ programming guide, compute capabilities)."""


def log2_ceil(n: int) -> int:
    """The least L with 2^L >= n: levels of a tree over n leaves."""
    return (n - 1).bit_length()


def few_sequences(shape: Shape) -> str | None:
    """Kernels that put the sequence on grid.y or grid.z."""
    return f"B={shape['B']} is over the {GRID_LIMIT} blocks of a grid's y and z" if shape["B"] > GRID_LIMIT else None


def serial(streams: Streams, name: str = "serial") -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        block = int(settings["block"])
        grid = (ceil_div(H, block), B, 1)
        arguments = (*streams.arguments(shape), *RESULTS, T, H)
        step = Kernel(HERE / "serial.cu", "scan_serial", grid, (block, 1, 1), arguments, defines=streams.defines)
        return Plan((step,))

    def cost(shape: Shape, settings: Settings) -> Cost:
        return streams.cost(shape, launches=1, serial_steps=shape["T"])

    idea = "gates inside the serial scan: a and b never in memory" if streams.gated else ""
    return Variant(
        name=name,
        operation=streams.operation,
        devices=("cuda",),
        idea=idea or "one thread a channel, the state in a register",
        plan=plan,
        cost=cost,
        factors={"algorithm": "serial", "source": "cuda", "memory": "direct"},
        settings={"block": (128, 64, 256)},
        supports=few_sequences,
        rung=50,
    )


def blelloch(streams: Streams, padded: bool) -> Variant:
    channels = 8

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        chunk = int(settings["chunk"])
        padding = () if padded else (("PAD_SHIFT", 31),)
        step = Kernel(
            HERE / "blelloch.cu",
            "scan_blelloch",
            (ceil_div(H, channels), B, 1),
            (channels * chunk // 2, 1, 1),
            (*streams.arguments(shape), *RESULTS, T, H),
            defines=(("CHUNK", chunk), ("CHANNELS", channels), *padding, *streams.defines),
        )
        return Plan((step,))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Up: a composition (3) a leaf; down and leaves: an application (2) each."""
        chunk = int(settings["chunk"])
        steps = ceil_div(shape["T"], chunk) * (2 * log2_ceil(chunk) + 1)
        return streams.cost(shape, launches=1, serial_steps=steps, flops=7)

    idea = "a tree in shared memory" + (", padded: no bank conflicts" if padded else ", unpadded: bank conflicts")
    return Variant(
        name="blelloch" if padded else "blelloch_unpadded",
        operation=streams.operation,
        devices=("cuda",),
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"algorithm": "blelloch", "source": "cuda", "memory": "shared" + (", padded" if padded else "")},
        settings={"chunk": (128, 64, 256)},
        supports=few_sequences,
        rung=31 if padded else 30,
    )


def three_phase(streams: Streams) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        block, length = int(settings["block"]), int(settings["chunk"])
        chunks = ceil_div(T, length)
        source, inputs, grid = HERE / "three_phase.cu", streams.arguments(shape), (ceil_div(H, block), chunks, B)
        threads = (block, 1, 1)
        summaries = tuple(
            Tensor(n, (B, chunks, H), "float32", "scratch") for n in ("summary_a", "summary_b", "entering")
        )
        reduce = (*inputs, "summary_a", "summary_b", T, H, length)
        scan = ("summary_a", "summary_b", "h0", "entering", "h_last", chunks, H)
        replay = (*inputs, "entering", "h", T, H, length)
        return Plan(
            (
                Kernel(source, "scan_reduce", grid, threads, reduce, defines=streams.defines),
                Kernel(source, "scan_summaries", (grid[0], B, 1), threads, scan, defines=streams.defines),
                Kernel(source, "scan_replay", grid, threads, replay, defines=streams.defines),
            ),
            scratch=summaries,
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """A summary is written once and read once, an entering state too: 6 float32 a chunk."""
        length = int(settings["chunk"])
        chunks = ceil_div(shape["T"], length)
        extra = 6 * 4 * shape["B"] * chunks * shape["H"]
        return streams.cost(shape, 3, 2 * min(length, shape["T"]) + chunks, reads=2, extra_bytes=extra, flops=5)

    def supports(shape: Shape) -> str | None:
        if shape["T"] > GRID_LIMIT * 64:
            return f"T={shape['T']} is over {GRID_LIMIT} chunks of 64 steps"
        return few_sequences(shape)

    return Variant(
        name="three_phase",
        operation=streams.operation,
        devices=("cuda",),
        idea="reduce, scan the summaries, replay: time split into chunks, three launches",
        plan=plan,
        cost=cost,
        factors={"algorithm": "three-phase", "source": "cuda", "memory": "direct"},
        settings={"chunk": (256, 64, 128, 512), "block": (128, 64, 256)},
        supports=supports,
        rung=60,
    )
