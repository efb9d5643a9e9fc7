"""The CPU scans and layers against what the machine was measured to do, all in one process and in turn.

Ceilings and kernels are measured in rounds one after the other, so that a neighbour's load hits both, and each is
represented by its best round: what is compared is what the machine can do with the one and with the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tests.bench.figure import Figure
from workbench.catalog import Catalog, load_catalog
from workbench.declare import Shape
from workbench.execute.bind import bind_variant
from workbench.execute.host_memory import HostBuffer
from workbench.execute.this_machine import missing_requirement
from workbench.measure.ceilings_cpu import measure_cpu_ceilings

SIZE = {"B": 4, "T": 4096, "H": 1024}
ROUNDS = 4
CALLS = 9
SETS = 3
"""Of inputs and outputs, in rotation: none finds its own data in the cache from the call before."""
CEILING_SECONDS = 2.0
LAYER_ROUNDS = 4
HIDDEN_SIZES = (64, 256, 1024)
"""D and O are as large."""


def measure() -> Iterator[Figure]:
    catalog = load_catalog()
    yield from scans(catalog)
    yield from layers(catalog)


def scans(catalog: Catalog) -> Iterator[Figure]:
    shape = Shape.of("float32", **SIZE)
    variants = [catalog.variant(key) for key in ("scan/streaming", "gated_scan/streaming")]
    bound = [
        bind_variant(v, catalog.operation(v.operation), shape, v.default_settings(), "cpu", SETS) for v in variants
    ]
    seconds, ceilings = [float("inf")] * len(bound), dict[str, float]()
    for _ in range(ROUNDS):
        for name, rate in measure_cpu_ceilings(CEILING_SECONDS).rates.items():
            ceilings[name] = max(rate, ceilings.get(name, 0.0))
        for call in range(CALLS):
            run = [partial(b.run, call % SETS) for b in bound]
            seconds = [min(best, seconds_of(action)) for best, action in zip(seconds, run, strict=True)]
    triad = max(ceilings["triad_bytes_per_s"], ceilings["triad_nt_bytes_per_s"])
    costs = [v.cost(shape, v.default_settings()) for v in variants]
    plain, gated = (cost.bytes / best for cost, best in zip(costs, seconds, strict=True))
    exponentials = costs[1].special / seconds[1]
    yield Figure("triad, better of plain and non-temporal stores", triad, "B/s")
    yield Figure("scan/streaming", plain, "B/s")
    yield Figure("scan/streaming over the triad", plain / triad, "ratio", 0.9, at_least=True)
    yield Figure("gated_scan/streaming", gated, "B/s")
    yield Figure("gated_scan/streaming over the triad", gated / triad, "ratio", 0.4, at_least=True)
    yield Figure("exponentials in gated_scan/streaming", exponentials, "/s")
    of_rate = exponentials / ceilings["exp_per_s"]
    yield Figure("exponentials over the rate in L1", of_rate, "ratio")
    # Whichever binds here: where memory does, exponentials cannot come as fast as in L1.
    bound = max(gated / triad, of_rate)
    yield Figure("gated_scan/streaming over its bound, bytes or exponentials", bound, "ratio", 0.8, at_least=True)
    if "exp_libm_per_s" in ceilings:
        yield Figure("exponentials over the C library's rate in L1", exponentials / ceilings["exp_libm_per_s"], "ratio")


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
        in_layer = in_products = float("inf")
        for _ in range(LAYER_ROUNDS):
            in_layer, in_products = min(in_layer, seconds_of(layer.run)), min(in_products, seconds_of(products))
        at = f"layer/{best.name} at H={H}"
        limit = 1.3 if SIZE["H"] == H else None
        yield Figure(f"{at} over its bare products", in_layer / in_products, "ratio", limit)
        # One run of the loop: it takes seconds, and thousands of steps even each other out.
        yield Figure(f"{at}, speed-up over the eager loop", seconds_of(loop.run) / in_layer, "ratio")


def bare_products(shape: Shape) -> Callable[[], Any]:
    """The layer's two products as torch does them, with no bias and no cell, in memory like the variants' own."""
    import torch

    rows = shape["B"] * shape["T"]
    x, h = in_memory(rows, shape["D"]).normal_(), in_memory(rows, shape["H"]).normal_()
    w, w_out = in_memory(2 * shape["H"], shape["D"]).normal_(), in_memory(shape["O"], shape["H"]).normal_()
    kv, y = in_memory(rows, 2 * shape["H"]), in_memory(rows, shape["O"])

    def run() -> None:
        torch.mm(x, w.T, out=kv)
        torch.mm(h, w_out.T, out=y)

    return run


def in_memory(*sizes: int) -> Any:
    """A float32 tensor in memory like the variants' own: there already, and on huge pages as the ceilings' arrays are.
    torch's lies on small ones, which costs a stream through it 5 %."""
    import torch

    tensor = torch.from_numpy(HostBuffer("tensor", 4 * math.prod(sizes)).view(sizes, np.float32))
    return tensor.zero_()


def seconds_of(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
