"""The trees and levels of the textbook: parallel in time, each with what it pays for that."""

from __future__ import annotations

from kernel_variants.scan.cells import SCAN, Cell
from kernel_variants.scan.grid_and_tile import GRID_LIMIT, HERE, LANES, few_sequences, log2_ceil
from workbench.declare import I32, Argument, Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div

RESULTS = ("h0", "h", "h_last")
PAIR = (("a", "b"), ("even_a", "even_b"), ("odd_a", "odd_b"))
"""The inputs, and the two pairs of arrays that levels of Hillis-Steele write in turn."""


def hillis_steele_plan(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block, levels = int(settings["block"]), max(1, log2_ceil(T))
    grid, threads = (ceil_div(T * H, block), B, 1), (block, 1, 1)
    steps: list[Kernel] = []
    arguments: tuple[Argument, ...]
    for level in range(levels):
        source = PAIR[0] if level == 0 else PAIR[1 + (level - 1) % 2]
        if level == levels - 1:
            name, arguments = "hillis_steele_last", (*source, *RESULTS, T, H, 2**level)
        else:
            name, arguments = "hillis_steele_level", (*source, *PAIR[1 + level % 2], T, H, 2**level)
        steps.append(Kernel(HERE / "20_hillis_steele.cu", name, grid, threads, arguments))
    names = [n for pair in PAIR[1 : 1 + min(2, levels - 1)] for n in pair]
    return Plan(tuple(steps), tuple(Tensor(n, (B, T, H), "float32", "scratch") for n in names))


def hillis_steele_cost(shape: Shape, settings: Settings) -> Cost:
    """A level reads two pairs and writes one; the last writes h. At T - d of the T steps there is a step d earlier."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    levels = max(1, log2_ceil(T))
    composed = sum(max(0, T - 2**level) for level in range(levels))
    values = B * H * (2 * T * levels + 2 * composed + 2 * T * (levels - 1))
    states = 2 * 4 * B * H
    return Cost(
        bytes=4 * values + B * T * H * shape.element_bytes + states,
        flops=B * H * (3 * composed + 2 * T),
        launches=levels,
        serial_steps=levels,
    )


HILLIS_STEELE = Variant(
    name="hillis_steele",
    operation="scan",
    devices=("cuda",),
    idea="every step at once, a launch a level: least depth, most bytes",
    plan=hillis_steele_plan,
    cost=hillis_steele_cost,
    factors={"algorithm": "hillis-steele", "source": "cuda", "memory": "global"},
    settings={"block": (256, 128, 512)},
    supports=few_sequences,
    rung=20,
)

PAIRS_PER_BLOCK = 8
"""PAIR_ROWS of 25_blelloch_global.cu."""


def blelloch_global_plan(shape: Shape, settings: Settings) -> Plan:
    B, T, H = shape["B"], shape["T"], shape["H"]
    levels = max(1, log2_ceil(T))
    source, nodes, threads = HERE / "25_blelloch_global.cu", ("node_a", "node_b"), (LANES, PAIRS_PER_BLOCK, 1)

    def launch(function: str, distance: int, *arguments: Argument) -> Kernel:
        pairs = ceil_div(T, 2 * distance)
        return Kernel(source, function, (ceil_div(H, LANES), ceil_div(pairs, PAIRS_PER_BLOCK), B), threads, arguments)

    distances = [2**level for level in range(levels)]
    up = [launch("blelloch_up", d, *(nodes if d > 1 else ("a", "b")), *nodes, T, H, d) for d in distances[:-1]]
    down = [
        launch("blelloch_down", d, *nodes, "h0", T, H, d, _flag(d == distances[-1])) for d in reversed(distances[1:])
    ]
    leaves = launch("blelloch_leaves", 1, "a", "b", "node_b", *RESULTS, T, H, _flag(levels == 1))
    return Plan((*up, *down, leaves), tuple(Tensor(n, (B, T, H), "float32", "scratch") for n in nodes))


def blelloch_global_cost(shape: Shape, settings: Settings) -> Cost:
    """Values a pair: first level up 4 read and 2 written, other levels up the same; down 3 read and 2 written; leaves 5
    read and two h written."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    levels = max(1, log2_ceil(T))
    up = sum(T // 2**level for level in range(1, levels))
    down = sum(ceil_div(T, 2**level) for level in range(2, levels + 1))
    values = B * H * (6 * up + 5 * down + 2 * T + ceil_div(T, 2))
    return Cost(
        bytes=4 * values + B * T * H * shape.element_bytes + 2 * 4 * B * H,
        flops=B * H * (3 * up + 2 * down + 2 * T),
        launches=2 * levels - 1,
        serial_steps=2 * levels,
    )


def blelloch_global_supports(shape: Shape) -> str | None:
    most = GRID_LIMIT * PAIRS_PER_BLOCK * 2
    if shape["T"] > most:
        return f"T={shape['T']} is over the {most} steps whose pairs fit a grid"
    return few_sequences(shape)


BLELLOCH_GLOBAL = Variant(
    name="blelloch_global",
    operation="scan",
    devices=("cuda",),
    idea="the work-efficient tree in global memory, strided rows, a launch a level",
    plan=blelloch_global_plan,
    cost=blelloch_global_cost,
    factors={"algorithm": "blelloch", "source": "cuda", "memory": "global"},
    supports=blelloch_global_supports,
    rung=25,
)

BLELLOCH_CHANNELS = 8


def blelloch(cell: Cell, padded: bool) -> Variant:
    """The tree in shared memory; `padded` decides nothing but where its nodes lie in the banks."""

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        chunk = int(settings["chunk"])
        padding = () if padded else (("PAD_SHIFT", 31),)
        step = Kernel(
            HERE / "30_blelloch.cu",
            "scan_blelloch",
            (ceil_div(H, BLELLOCH_CHANNELS), B, 1),
            (BLELLOCH_CHANNELS * chunk // 2, 1, 1),
            (*cell.scanned(shape), T, H),
            defines=(("CHUNK", chunk), ("CHANNELS", BLELLOCH_CHANNELS), *padding, *cell.defines),
        )
        return Plan((step,))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Up: a composition (3 operations) a leaf; down and at the leaves: an application (2) each."""
        chunk = int(settings["chunk"])
        steps = ceil_div(shape["T"], chunk) * (2 * log2_ceil(chunk) + 1)
        return cell.cost(shape, launches=1, serial_steps=steps, flops=7)

    return Variant(
        name="blelloch" if padded else "blelloch_unpadded",
        operation=cell.operation,
        devices=("cuda",),
        idea="a tree in shared memory, " + ("padded: no bank conflicts" if padded else "unpadded: bank conflicts"),
        plan=plan,
        cost=cost,
        factors={"algorithm": "blelloch", "source": "cuda", "memory": "shared, padded" if padded else "shared"},
        settings={"chunk": (128, 64, 256)},
        supports=few_sequences,
        rung=31 if padded else 30,
    )


def warp_shuffle(cell: Cell) -> Variant:
    warps = 8

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        defines = (("STEPS", settings["steps"]), *cell.defines)
        arguments = (*cell.scanned(shape), T, H)
        grid, threads = (ceil_div(H, LANES), B, 1), (LANES, warps, 1)
        return Plan(
            (Kernel(HERE / "40_warp_shuffle.cu", "scan_warp_shuffle", grid, threads, arguments, defines=defines),)
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Five compositions (3 operations) and an application (2) an element; 32 steps are 6 levels deep."""
        return cell.cost(shape, launches=1, serial_steps=6 * ceil_div(shape["T"], LANES), flops=17)

    return Variant(
        name="warp_shuffle",
        operation=cell.operation,
        devices=("cuda",),
        idea="tiles turned over in shared memory, time scanned along the lanes of a warp",
        plan=plan,
        cost=cost,
        factors={"algorithm": "warp-shuffle", "source": "cuda", "memory": "registers", "layout": "turned to (B, H, T)"},
        settings={"steps": (64, 32, 128)},
        supports=few_sequences,
        rung=40,
    )


def _flag(value: bool) -> Argument:
    return I32(int(value))


RUNGS = (
    HILLIS_STEELE,
    BLELLOCH_GLOBAL,
    blelloch(SCAN, padded=False),
    blelloch(SCAN, padded=True),
    warp_shuffle(SCAN),
)
