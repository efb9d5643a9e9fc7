"""The simulator, from PTX and from machine code: thread instructions per second of processor time, counters on; with
every checker; and elements of a scan."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from tests.bench.figure import Figure
from tests.kernels.executed import NUMPY_DTYPE, catalog
from tests.simulate.simulated_case import ARCH, Case, binaries
from workbench.declare import Shape
from workbench.simulate.launch import Checks, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

KERNELS = {
    "serial": {"B": 4, "T": 1024, "H": 1024},
    **{name: {"B": 2, "T": 1024, "H": 512} for name in ("warp_shuffle", "blelloch", "look_back_free", "ring")},
}
PROMISED = 0.75e9
"""Per core."""
PROMISED_CHECKED = 0.15e9
"""Per launch: what a launch's blocks do to each other is watched by one thread."""
PROMISED_ELEMENTS = 25e6
ROUNDS = 3


def measure() -> Iterator[Figure]:
    for name, axes in KERNELS.items():
        for machine_code in (False, True):
            rate, elements = _rate(name, axes, machine_code, Options())
            level = "SASS" if machine_code else "PTX"
            yield Figure(
                f"scan/{name} simulated from {level}", rate, "thread instructions/s", PROMISED, at_least=True
            )  # fmt: skip
            checked, _ = _rate(name, {**axes, "T": axes["T"] // 4}, machine_code, Options(checks=Checks.ALL))
            yield Figure(
                f"scan/{name} checked from {level}", checked, "thread instructions/s", PROMISED_CHECKED, at_least=True
            )  # fmt: skip
            if name == "serial":
                yield Figure(f"scan/{name} from {level}", elements, "elements/s", PROMISED_ELEMENTS, at_least=True)
    alone, _ = _rate("serial", KERNELS["serial"], True, Options())
    spread, _ = _rate("serial", KERNELS["serial"], True, Options(threads=2))
    yield Figure("scan/serial simulated by two threads: work per thread", spread / alone, "ratio", 0.8, at_least=True)


def _rate(name: str, axes: dict[str, int], machine_code: bool, options: Options) -> tuple[float, float]:
    """Thread instructions and elements per second of processor time, the best of a few rounds."""
    case = Case(f"scan/{name}", Shape.of("float32", **axes))
    operation = catalog().operation("scan")
    made = operation.make_inputs(case.shape, "normal", np.random.default_rng(1))
    memory = Memory()
    for tensor in operation.tensors(case.shape):
        if tensor.role == "input":
            memory.put(tensor.name, np.ascontiguousarray(made[tensor.name]).astype(NUMPY_DTYPE[tensor.dtype]))
        else:
            memory.empty(tensor)
    plan = case.plan()
    built = binaries(plan, "float32", machine_code=machine_code)
    run_plan(plan, "float32", memory, built, ARCH, Options(block_count=1))  # reads and lowers
    best, threads = float("inf"), 0
    for _ in range(ROUNDS):
        begin = time.process_time()
        counted = run_plan(plan, "float32", memory, built, ARCH, options)
        best = min(best, time.process_time() - begin)
        threads = sum(counts.total("threads") for counts in counted if counts is not None)
    return threads / best, axes["B"] * axes["T"] * axes["H"] / best
