"""The simulator from NVRTC's PTX: thread instructions per second of processor time, on one core, counters on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from tests.bench.figure import Figure
from tests.kernels.emulated_case import NUMPY_DTYPE, catalog
from tests.simulate.simulated_case import ARCH, Case, binaries
from workbench.declare import Shape
from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

KERNELS = {
    "serial": {"B": 4, "T": 1024, "H": 1024},
    **{name: {"B": 2, "T": 1024, "H": 512} for name in ("warp_shuffle", "blelloch", "look_back_free", "ring")},
}
PROMISED = 0.75e9
ROUNDS = 3


def measure() -> Iterator[Figure]:
    for name, axes in KERNELS.items():
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
        built = binaries(plan, "float32")
        run_plan(plan, "float32", memory, built, ARCH, Options(block_count=1))  # reads and lowers
        best, threads = float("inf"), 0
        for _ in range(ROUNDS):
            begin = time.process_time()
            counted = run_plan(plan, "float32", memory, built, ARCH)
            best = min(best, time.process_time() - begin)
            threads = sum(counts.total("threads") for counts in counted if counts is not None)
        yield Figure(f"scan/{name} simulated", threads / best, "thread instructions/s", PROMISED, at_least=True)
