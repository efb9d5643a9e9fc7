"""The CPU scans and layers against what the machine was measured to do, all in one process and in turn.

Ceilings and kernels are measured in rounds one after the other, so that a neighbour's load hits both, and each is
represented by its best round: what is compared is what the machine can do with the one and with the other. The medians
of all rounds, with their intervals, stand beside it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tests.bench.figure import Figure, of_rounds, over
from workbench.catalog import Catalog, load_catalog
from workbench.declare import Shape
from workbench.execute.bind import bind_variant
from workbench.execute.host_memory import HostBuffer
from workbench.execute.this_machine import missing_requirement
from workbench.measure.ceilings_cpu import measure_cpu_ceilings

TRIAD = "triad, better of plain and non-temporal stores"
SIZE = {"B": 4, "T": 4096, "H": 1024}
ROUNDS = 4
CALLS = 9
SETS = 3
"""Of inputs and outputs, in rotation: none finds its own data in the cache from the call before."""
CEILING_SECONDS = 2.0
LAYER_ROUNDS = 5
HIDDEN_SIZES = (64, 256, 1024)
"""D and O are as large."""


def measure() -> Iterator[Figure]:
    catalog = load_catalog()
    yield from scans(catalog)
    yield from layers(catalog)
    yield from layer_training(catalog)


def scans(catalog: Catalog) -> Iterator[Figure]:
    shape = Shape.of("float32", **SIZE)
    variants = [catalog.variant(key) for key in ("scan/streaming", "gated_scan/streaming")]
    bound = [
        bind_variant(v, catalog.operation(v.operation), shape, v.default_settings(), "cpu", SETS) for v in variants
    ]
    seconds: list[list[float]] = [[] for _ in bound]
    ceilings: list[Mapping[str, float]] = []
    for _ in range(ROUNDS):
        ceilings.append(measure_cpu_ceilings(CEILING_SECONDS).rates)
        for call in range(CALLS):
            for samples, one in zip(seconds, bound, strict=True):
                samples.append(seconds_of(partial(one.run, call % SETS)))
    triad, exp = triads(ceilings), [rates["exp_per_s"] for rates in ceilings]
    plain, gated = (v.cost(shape, v.default_settings()) for v in variants)
    at_triad = [[cost.bytes / rate for rate in triad] for cost in (plain, gated)]
    at_exp = [gated.special / rate for rate in exp]
    yield of_rounds(TRIAD, triad, "B/s", best=max)
    yield of_rounds("scan/streaming", [plain.bytes / s for s in seconds[0]], "B/s", best=max)
    yield over("scan/streaming over the triad", at_triad[0], seconds[0], 0.9, at_least=True)
    yield of_rounds("gated_scan/streaming", [gated.bytes / s for s in seconds[1]], "B/s", best=max)
    of_triad = over("gated_scan/streaming over the triad", at_triad[1], seconds[1], 0.4, at_least=True)
    of_exp = over("exponentials over the rate in L1", at_exp, seconds[1])
    yield of_triad
    yield of_rounds("exponentials in gated_scan/streaming", [gated.special / s for s in seconds[1]], "/s", best=max)
    yield of_exp
    # Whichever binds here: where memory does, exponentials cannot come as fast as in L1.
    bound_by = max(of_triad, of_exp, key=lambda figure: figure.value)
    name = "gated_scan/streaming over its bound, bytes or exponentials"
    yield bound_by._replace(name=name, limit=0.8, at_least=True)
    if libm := [rates["exp_libm_per_s"] for rates in ceilings if "exp_libm_per_s" in rates]:
        yield over("exponentials over the C library's rate in L1", [gated.special / r for r in libm], seconds[1])


def triads(ceilings: Sequence[Mapping[str, float]]) -> list[float]:
    """Of each round the better of both kinds of stores, bytes per second."""
    return [max(rates["triad_bytes_per_s"], rates["triad_nt_bytes_per_s"]) for rates in ceilings]


def layers(catalog: Catalog) -> Iterator[Figure]:
    """The best layer on this CPU against its own two products alone, and against the eager loop."""
    operation = catalog.operation("layer")
    best = [
        v
        for v in catalog.select(["layer"], passes=["forward"])
        if "cpu" in v.devices and missing_requirement(v) is None
    ][-1]
    eager = catalog.variant("layer/eager")
    for H in HIDDEN_SIZES:
        shape = Shape.of("float32", **{**SIZE, "H": H, "D": H, "O": H})
        layer, loop = (bind_variant(v, operation, shape, v.default_settings(), "cpu") for v in (best, eager))
        products = bare_products(shape)
        in_layer, in_products = in_turn(layer.run, products, rounds=LAYER_ROUNDS)
        at = f"layer/{best.name} at H={H}"
        limit = 1.3 if SIZE["H"] == H else None
        yield over(f"{at} over its bare products", in_layer, in_products, limit)
        # One run of the loop: it takes seconds, and thousands of steps even each other out.
        yield Figure(f"{at}, speed-up over the eager loop", seconds_of(loop.run) / min(in_layer), "ratio")


def layer_training(catalog: Catalog) -> Iterator[Figure]:
    """Both ways of the best layer on this CPU against its six products alone."""
    shape = Shape.of("float32", **{**SIZE, "D": SIZE["H"], "O": SIZE["H"]})
    own = catalog.variant("layer/training/batched_streaming")
    layer = bind_variant(own, catalog.operation_of(own), shape, own.default_settings(), "cpu")
    seconds = in_turn(layer.run, bare_products(shape, trained=True), rounds=LAYER_ROUNDS)
    yield of_rounds(f"{own.key} at H={shape['H']}", seconds[0], "s")
    yield over("layer training over its bare products, forward and backward", *seconds, 1.35)


def bare_products(shape: Shape, trained: bool = False) -> Callable[[], Any]:
    """The layer's two products as torch does them, with no bias and no cell, in memory like the variants' own;
    `trained`: the four of their gradients too."""
    import torch

    rows = shape["B"] * shape["T"]
    x, h = in_memory(rows, shape["D"]).normal_(), in_memory(rows, shape["H"]).normal_()
    w, w_out = in_memory(2 * shape["H"], shape["D"]).normal_(), in_memory(shape["O"], shape["H"]).normal_()
    kv, y = in_memory(rows, 2 * shape["H"]), in_memory(rows, shape["O"])

    def run() -> None:
        torch.mm(x, w.T, out=kv)
        torch.mm(h, w_out.T, out=y)

    if not trained:
        return run
    dx, dh, dw, dw_out = (in_memory(*like.shape) for like in (x, h, w, w_out))

    def both_ways() -> None:
        run()
        torch.mm(y, w_out, out=dh)
        torch.mm(y.T, h, out=dw_out)
        torch.mm(kv, w, out=dx)
        torch.mm(kv.T, x, out=dw)

    return both_ways


def in_memory(*sizes: int) -> Any:
    """A float32 tensor in memory like the variants' own: there already, and on huge pages as the ceilings' arrays are.
    torch's lies on small ones, which costs a stream through it 5 %."""
    import torch

    tensor = torch.from_numpy(HostBuffer("tensor", 4 * math.prod(sizes)).view(sizes, np.float32))
    return tensor.zero_()


def in_turn(*actions: Callable[[], Any], rounds: int) -> list[list[float]]:
    """The seconds of each, one after the other in every round, so that a neighbour's load hits all; after a run that is
    not counted."""
    samples: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(rounds):
        for seconds, action in zip(samples, actions, strict=True):
            seconds.append(seconds_of(action))
    return samples


def seconds_of(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
