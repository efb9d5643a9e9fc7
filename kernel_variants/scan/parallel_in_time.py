"""The trees and levels of the textbook: parallel in time, each with what it pays for that."""

from __future__ import annotations

from kernel_variants.scan.cells import Cell
from kernel_variants.scan.grid_and_tile import GRID_LIMIT, HERE, LANES, few_sequences, log2_ceil
from workbench.declare import I32, Argument, Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div

MAP_VALUES = 2
"""float32 that hold an affine map."""


def hillis_steele(cell: Cell) -> Variant:
    def levels_of(T: int) -> int:
        """The first level reads the cell's streams and the last writes them, so that there are two at least."""
        return max(2, log2_ceil(T))

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        rows, levels = int(settings["block"]) // LANES, levels_of(T)
        pairs = (("even_a", "even_b"), ("odd_a", "odd_b"))  # that levels write in turn

        def launch(name: str, *arguments: Argument) -> Kernel:
            grid, threads = (ceil_div(T, rows), ceil_div(H, LANES), B), (LANES, rows, 1)
            source = HERE / "20_hillis_steele.cu"
            return Kernel(source, f"hillis_steele_{name}", grid, threads, arguments, defines=cell.defines)

        first = launch("first", *cell.read(shape), *pairs[0], T, H)
        between = [
            launch("level", *pairs[(level - 1) % 2], *pairs[level % 2], T, H, 2**level)
            for level in range(1, levels - 1)
        ]
        last = launch("last", *cell.scanned(shape), *pairs[levels % 2], T, H, 2 ** (levels - 1))
        names = [name for pair in pairs[: min(2, levels - 1)] for name in pair]
        return Plan((first, *between, last), tuple(Tensor(n, (B, T, H), "float32", "scratch") for n in names))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """A level reads two maps and writes one; the last writes the outputs. At T - d of the T steps there is a step d
        earlier. A cell that emits more than the state is read again, with the map before each."""
        B, T, H = shape["B"], shape["T"], shape["H"]
        levels = levels_of(T)
        composed = [max(0, T - 2**level) for level in range(levels)]
        maps = sum(T + there for there in composed[1:]) + T * (levels - 1)
        again = 0 if cell.emits_state else T
        if again:
            maps += T - 1 + composed[-1]
        return cell.read_and_written(
            shape,
            element_steps=B * H * (again or T),
            mapped_steps=B * H * (composed[0] + (T if again else 0)),
            extra_bytes=4 * MAP_VALUES * B * H * maps,
            flops=B * H * (3 * sum(composed) + 2 * T + (3 * composed[-1] + 2 * T if again else 0)),
            launches=levels,
            serial_steps=levels,
        )

    def supports(shape: Shape) -> str | None:
        strips = ceil_div(shape["H"], LANES)
        return f"H={shape['H']} makes {strips} strips, over the {GRID_LIMIT} of a grid" if strips > GRID_LIMIT else None

    return Variant(
        name="hillis_steele",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="every step at once, a launch per level: least depth, most bytes",
        plan=plan,
        cost=cost,
        factors={"algorithm": "hillis-steele", "source": "cuda", "memory": "global"},
        settings={"block": (256, 128, 512)},
        supports=lambda shape: few_sequences(shape) or supports(shape),
        rung=20,
    )


PAIRS_PER_BLOCK = 8
"""PAIR_ROWS of 25_blelloch_global.cu."""


def blelloch_global(cell: Cell) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        levels = max(1, log2_ceil(T))
        nodes, threads = ("node_a", "node_b"), (LANES, PAIRS_PER_BLOCK, 1)

        def launch(name: str, distance: int, *arguments: Argument) -> Kernel:
            pairs = ceil_div(T, 2 * distance)
            grid = (ceil_div(H, LANES), ceil_div(pairs, PAIRS_PER_BLOCK), B)
            source = HERE / "25_blelloch_global.cu"
            return Kernel(source, f"blelloch_{name}", grid, threads, arguments, defines=cell.defines)

        distances = [2**level for level in range(levels)]
        first = [launch("first", 1, *cell.read(shape), *nodes, T, H)] if levels > 1 else []
        up = [launch("up", d, *nodes, T, H, d) for d in distances[1:-1]]
        down = [
            launch("down", d, *nodes, cell.first, T, H, d, _flag(d == distances[-1])) for d in reversed(distances[1:])
        ]
        leaves = launch("leaves", 1, *cell.scanned(shape), "node_b", T, H, _flag(levels == 1))
        return Plan((*first, *up, *down, leaves), tuple(Tensor(n, (B, T, H), "float32", "scratch") for n in nodes))

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Values a pair: the first level reads two steps and writes a map; a level above reads two maps and writes one;
        down 3 values read and 2 written; the leaves read two steps and a state, and write two outputs."""
        B, T, H = shape["B"], shape["T"], shape["H"]
        levels = max(1, log2_ceil(T))
        first = T // 2 if levels > 1 else 0
        up = sum(T // 2**level for level in range(2, levels))
        down = sum(ceil_div(T, 2**level) for level in range(2, levels + 1))
        return cell.read_and_written(
            shape,
            element_steps=B * H * T,
            mapped_steps=B * H * 2 * first,
            extra_bytes=4 * B * H * (2 * first + 6 * up + 5 * down + ceil_div(T, 2)),
            flops=B * H * (3 * (first + up) + 2 * down + 2 * T),
            launches=2 * levels - 1,
            serial_steps=2 * levels,
        )

    def supports(shape: Shape) -> str | None:
        most = GRID_LIMIT * PAIRS_PER_BLOCK * 2
        if shape["T"] > most:
            return f"T={shape['T']} is over the {most} steps whose pairs fit a grid"
        return few_sequences(shape)

    return Variant(
        name="blelloch_global",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="the work-efficient tree in global memory, strided rows, a launch per level",
        plan=plan,
        cost=cost,
        factors={"algorithm": "blelloch", "source": "cuda", "memory": "global"},
        supports=supports,
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
        pass_=cell.pass_,
        devices=("cuda",),
        idea="a tree in shared memory, " + ("padded: no bank conflicts" if padded else "unpadded: bank conflicts"),
        plan=plan,
        cost=cost,
        factors={"algorithm": "blelloch", "source": "cuda", "memory": "shared, padded" if padded else "shared"},
        settings={"chunk": (128, 64, 256)},
        supports=few_sequences,
        rung=31 if padded else 30,
    )


def warp_shuffle(cell: Cell, cub: bool = False) -> Variant:
    """`cub`: CUB's WarpScan in place of the shuffles written out, and nothing else."""
    warps = 8

    def plan(shape: Shape, settings: Settings) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        defines = (("STEPS", settings["steps"]), *((("CUB", 1),) if cub else ()), *cell.defines)
        arguments = (*cell.scanned(shape), T, H)
        grid, threads = (ceil_div(H, LANES), B, 1), (LANES, warps, 1)
        return Plan(
            (Kernel(HERE / "40_warp_shuffle.cu", "scan_warp_shuffle", grid, threads, arguments, defines=defines),)
        )

    def cost(shape: Shape, settings: Settings) -> Cost:
        """Five compositions (3 operations) and an application (2) an element; 32 steps are 6 levels deep."""
        return cell.cost(shape, launches=1, serial_steps=6 * ceil_div(shape["T"], LANES), flops=17)

    return Variant(
        name="warp_scan_cub" if cub else "warp_shuffle",
        operation=cell.operation,
        pass_=cell.pass_,
        devices=("cuda",),
        idea="the same, the warp's scan by CUB's WarpScan with an affine operator"
        if cub
        else "tiles turned over in shared memory, time scanned along the lanes of a warp",
        plan=plan,
        cost=cost,
        factors={
            "algorithm": "warp-shuffle",
            "source": "cub" if cub else "cuda",
            "memory": "registers",
            "layout": "turned to (B, H, T)",
        },
        settings={"steps": (64, 32, 128)},
        supports=few_sequences,
        rung=41 if cub else 40,
    )


def _flag(value: bool) -> Argument:
    return I32(int(value))


def rungs(cell: Cell) -> tuple[Variant, ...]:
    return (
        hillis_steele(cell),
        blelloch_global(cell),
        blelloch(cell, padded=False),
        blelloch(cell, padded=True),
        warp_shuffle(cell),
        warp_shuffle(cell, cub=True),
    )
