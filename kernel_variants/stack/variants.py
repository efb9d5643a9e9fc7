"""The stack's rungs: the three ways to parallelise a recurrent network in time and depth, on one device.

    unrolled    layer by layer, all steps of a layer at once: fewest launches, and memory that grows with T
    blocks      block by block of time, all layers of a block: the state passes on, memory is that of a block
    pipelined   a layer begins a block as soon as the one below has done it: tiles of a diagonal at the same time

What a tile does is the same in all three. Declared bytes are those of DRAM: where time is in blocks, what lies between
a block's layers, the weights and the sums of their gradients stay in the cache (a GPU's L2, a processor's last level),
if `steps` is chosen so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kernel_variants.gated_scan import in_torch as gated_in_torch
from kernel_variants.stack import fused, in_torch
from kernel_variants.stack.memory import Blocks
from kernel_variants.stack.operation import cells, elements, kept_bytes, least, product_flops, training_least
from kernel_variants.stack.scans import ON_GPU, on_cpu
from kernel_variants.stack.tiles import Scans, Tiles, products_back_cost, products_cost, scan_cost
from workbench.declare import Call, Cost, Device, Plan, Setting, Settings, Shape, Step, Variant

GIVEN = ("x", "w", "bias", "h0")
VALUES, GRADIENTS = ("y", "h_last"), ("dx", "dw", "dbias", "dh0")
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
KEPT_BY_AUTOGRAD = 21
"""Bytes per element of h of one layer beside what its product sees: both sigmas of k, sigma(v), the candidate and the
state, float32, and a byte for which side of 0 v is on."""


def _time(shape: Shape, settings: Settings) -> Blocks:
    return Blocks.of(shape, int(settings["steps"])) if "steps" in settings else Blocks(shape, shape["T"])


def _one_way(shape: Shape) -> str | None:
    if shape["directions"] > 1:
        return "the second direction begins with the last step: blocks of time cannot pass a state on both ways"
    return None


# --------------------------------------------------------------------------------------------------- forwards


def _forward_plan(scans: Scans, pipelined: bool, shape: Shape, settings: Settings) -> Plan:
    time = _time(shape, settings)
    tiles = Tiles.of(time, scans, settings, trained=False, pipelined=pipelined)
    steps: list[Step] = []
    if pipelined:
        steps += tiles.wavefront(tiles.there)
    else:
        for block in range(time.count):
            steps += tiles.in_turn(tiles.there, block)
    return Plan(tuple(steps), tiles.scratch(trained=False))


def _whole(time: Blocks) -> bool:
    return time.count == 1 and time.shape["directions"] == 1


def _there(time: Blocks, scans: Scans, settings: Settings) -> Cost:
    directions = time.shape["directions"]
    return products_cost(time, _whole(time)) + scan_cost(time, scans.there[:directions], scans.own(settings))


def _in_pipeline(time: Blocks) -> int:
    """Steps of time on the longest path of tiles that wait for each other."""
    return (time.count + time.shape["layers"] - 1) * time.steps


def _cached(total: Cost, moved: int) -> Cost:
    """The cost with so many bytes to and from DRAM in place of all that its steps read and write."""
    return replace(total, bytes=moved, write_allocate=0)


def _forward_cost(scans: Scans, pipelined: bool, shape: Shape, settings: Settings) -> Cost:
    time = _time(shape, settings)
    total = _there(time, scans, settings)
    if time.count > 1:
        total = _cached(total, least(shape).bytes)
    return replace(total, serial_steps=_in_pipeline(time)) if pipelined else total


# --------------------------------------------------------------------------------------------------- training


def _training_plan(scans: Scans, pipelined: bool, shape: Shape, settings: Settings) -> Plan:
    """On the way back a block's layers are done again, unless they are still there."""
    time = _time(shape, settings)
    tiles = Tiles.of(time, scans, settings, trained=True, pipelined=pipelined)
    steps: list[Step] = []
    if pipelined:
        steps += tiles.wavefront(tiles.there)
        steps += tiles.wavefront(tiles.back, upwards=False)
        return Plan(tuple(steps), tiles.scratch(trained=True))
    for block in range(time.count):
        steps += tiles.in_turn(tiles.there, block)
    for block in reversed(range(time.count)):
        if block < time.count - 1:
            steps += tiles.in_turn(lambda tile: tiles.there(tile, again=True), block)
        steps += tiles.in_turn(tiles.back, block, upwards=False)
    return Plan(tuple(steps), tiles.scratch(trained=True))


def _training_cost(scans: Scans, pipelined: bool, shape: Shape, settings: Settings) -> Cost:
    time = _time(shape, settings)
    back = scans.back[: shape["directions"]]
    total = _there(time, scans, settings) + products_back_cost(time, _whole(time))
    total += scan_cost(time, back, scans.own(settings))
    passed = 4 * (time.count - 1) * cells(shape) * shape["B"] * shape["H"]
    kept = kept_bytes(shape) + passed
    x = shape["directions"] * elements(shape) * shape.element_bytes
    moved = training_least(shape).bytes + x + 2 * passed  # x once more on the way back
    if pipelined:
        total = replace(total, serial_steps=2 * _in_pipeline(time))
        moved += 2 * (kept_bytes(shape) - x)
    elif time.count > 1:
        again = Blocks(_of_length(shape, (time.count - 1) * time.steps), time.steps)
        total += products_cost(again, whole=True) + scan_cost(again, scans.there[:1], scans.own(settings))
        one = _of_length(shape, time.steps)
        of_block = kept_bytes(one) - shape["directions"] * elements(one) * shape.element_bytes
        kept = x + passed + of_block
    if time.count > 1:
        total = _cached(total, moved)
    return replace(total, kept_bytes=kept)


def _of_length(shape: Shape, steps: int) -> Shape:
    return Shape.of(shape.dtype, **{**shape.as_dict(), "T": steps})


# ------------------------------------------------------------------------------------------------------ torch


def _eager_products(shape: Shape) -> Cost:
    """What a layer sees in, kv out; states beside each other, and turned for the second direction."""
    n, D, E = elements(shape), shape["directions"], shape.element_bytes
    weights = 2 * shape["H"] * (D * shape["H"] + 1)
    turned = (2 * n * D + 2 * n) * (D - 1) * shape["layers"]
    moved = cells(shape) * (D * n + 2 * n + weights + 2 * n) + turned
    launches = 2 * cells(shape) + 2 * (D - 1) * shape["layers"]
    return Cost(moved * E, flops=2 * n * cells(shape), matrix_flops=product_flops(shape), launches=launches)


def _eager_cost(shape: Shape, settings: Settings) -> Cost:
    total = _eager_products(shape)
    for _ in range(cells(shape)):
        total += gated_in_torch.EAGER.cost(shape, settings)
    return total


def _autograd_cost(shape: Shape, settings: Settings) -> Cost:
    products = _eager_products(shape)
    total = products + products + products
    for _ in range(cells(shape)):
        total += gated_in_torch.autograd_cost(shape, settings)
    seen = shape["directions"] * elements(shape) * shape.element_bytes * shape["layers"]
    return replace(total, kept_bytes=seen + KEPT_BY_AUTOGRAD * elements(shape) * cells(shape))


# ------------------------------------------------------------------------------------------------------ rungs


def _rung(
    name: str,
    device: Device,
    idea: str,
    scans: Scans,
    rung: int,
    settings: dict[str, tuple[Setting, ...]],
    kept: str,
    pipelined: bool = False,
    graph: bool = False,
) -> tuple[Variant, Variant]:
    """The rung forwards and in training."""

    def plan(of: Callable[..., Plan]) -> Callable[..., Plan]:
        return lambda shape, chosen: replace(of(scans, pipelined, shape, chosen), graph=graph)

    def cost(of: Callable[..., Cost]) -> Callable[..., Cost]:
        return lambda shape, chosen: of(scans, pipelined, shape, chosen)

    def supports(shape: Shape) -> str | None:
        return (_one_way(shape) if "steps" in settings else None) or scans.there[0].supports(shape)

    source = "library, cuda" if device == "cuda" else "library, c++"
    factors = {"algorithm": "serial", "source": source, "layers": "pipelined" if pipelined else "in turn"}
    factors |= {"time": "blocks" if "steps" in settings else "whole"} | ({"batching": "graph"} if graph else {})
    forward = Variant(
        name, "stack", (device,), idea, plan(_forward_plan), cost(_forward_cost), factors, settings,
        supports=supports, rung=rung,
    )  # fmt: skip
    training = replace(
        forward, pass_="training", idea=f"{idea}; {kept}", plan=plan(_training_plan), cost=cost(_training_cost)
    )
    return forward, training


BLOCK: tuple[Setting, ...] = (128, 64, 256)
STEPS: tuple[Setting, ...] = (256, 64, 1024)
IN_PIPELINE: tuple[Setting, ...] = (256, 128, 1024)
EVERY_CORE, ONE_CORE = 0, 1
ALL, AGAIN = "pre-activations and states of all steps kept", "only states between blocks kept, blocks done again"
RUNGS = (
    _rung("unrolled", "cuda", "layer by layer, all steps at once", ON_GPU, 10, {"block": BLOCK}, ALL),
    _rung("unrolled_streaming", "cpu", "layer by layer, all steps at once, past the caches", on_cpu(True), 11,
          {"threads": (EVERY_CORE,)}, ALL),
    _rung("blocks", "cuda", "a block of time after another through all layers, the states passed on", ON_GPU, 20,
          {"steps": STEPS, "block": BLOCK}, AGAIN),
    _rung("blocks_graph", "cuda", "the same launches replayed from one CUDA graph", ON_GPU, 22,
          {"steps": STEPS, "block": BLOCK}, AGAIN, graph=True),
    _rung("blocks_cached", "cpu", "blocks of time through all layers, small enough for the caches", on_cpu(False), 21,
          {"steps": (64, 16, 256), "threads": (EVERY_CORE,)}, AGAIN),
    _rung("pipelined", "cuda", "layers and blocks of a diagonal on streams of their own", ON_GPU, 30,
          {"steps": IN_PIPELINE, "block": BLOCK}, ALL, pipelined=True),
    _rung("pipelined_threads", "cpu", "layers and blocks of a diagonal in threads of their own", on_cpu(False), 31,
          {"steps": (64, 16, 256), "threads": (ONE_CORE, EVERY_CORE)}, ALL, pipelined=True),
    _rung("pipelined_graph", "cuda", "the same launches replayed from one CUDA graph, branches and all", ON_GPU, 32,
          {"steps": IN_PIPELINE, "block": BLOCK}, ALL, pipelined=True, graph=True),
)  # fmt: skip


def _fused_cost(shape: Shape, settings: Settings) -> Cost:
    time = _time(shape, settings)
    return replace(_cached(fused.cost(time, settings), least(shape).bytes), serial_steps=_in_pipeline(time))


FUSED = Variant(
    name="pipelined_fused",
    operation="stack",
    devices=("cuda",),
    idea="the pipeline with product and scan of a tile in one kernel: pre-activations never in memory",
    plan=lambda shape, settings: fused.plan(_time(shape, settings), settings),
    cost=_fused_cost,
    factors={"algorithm": "in the epilogue", "source": "cuda", "layers": "pipelined", "time": "blocks"},
    settings={"steps": IN_PIPELINE, **fused.SETTINGS},
    supports=_one_way,
    rung=40,
)
TORCH = {"algorithm": "serial", "source": "torch", "layers": "in turn", "time": "whole"}
VARIANTS = (
    Variant("eager", "stack", DEVICES, "torch: a product per layer, gates for all steps, two operations per step",
            lambda shape, settings: Plan((Call(in_torch.stack, GIVEN, VALUES),)), _eager_cost, TORCH, rung=0),
    *(forward for forward, _ in RUNGS),
    FUSED,
    Variant("autograd", "stack", DEVICES, "torch, and its autograd",
            lambda shape, settings: Plan((Call(in_torch.autograd, (*GIVEN, "gy", "gh_last"), (*VALUES, *GRADIENTS)),)),
            _autograd_cost, TORCH, rung=0, pass_="training"),
    *(training for _, training in RUNGS),
)  # fmt: skip
