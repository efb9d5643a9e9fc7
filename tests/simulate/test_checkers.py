"""Every checker finds its fault, names it with both places, and accuses no kernel without it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.simulate.faults import FAULTS, Fault
from workbench.check.case import InputSet
from workbench.check.examine import SCHEDULES, Schedule, Verdict, examine
from workbench.compile import CompileFailure, unit_of
from workbench.compile.ptx import ptx_of_units
from workbench.declare import I32, Clear, Cost, Kernel, Operation, Plan, Shape, Tensor
from workbench.simulate.found import TOOLS
from workbench.simulate.launch import Options

N = 64


def verdict_of(fault: Fault, fixed: bool, folder: Path) -> Verdict:
    """What the checkers say; the results of kernels whose fault a checker names are not looked at."""
    source = folder / "kernel.cu"
    source.write_text(f'extern "C" __global__ void kernel(const float *x, float *y, int N) {{{fault.body}\n}}\n')

    def plan(fix: bool) -> Plan:
        arguments = ("x", "y", I32(N))
        kernel = Kernel(source, "kernel", (fault.blocks, 1, 1), (fault.threads, 1, 1), arguments,
                        defines=(("FIX", int(fix)),))  # fmt: skip
        return Plan((Clear("y"), kernel) if fault.clears else (kernel,))

    tensors = (Tensor("x", (N,), "float32"), Tensor("y", (N,), "float32", "output"))

    def reference(shape: Shape, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"y": np.array([5, 1, 5] + [0] * (N - 3)) if fault.depends else np.zeros(N)}

    operation = Operation(
        name="fault", title="fault", equation="", axes={"N": N}, small={"N": N}, tensors=lambda s: tensors,
        make_inputs=lambda s, regime, random: {"x": np.arange(1, N + 1, dtype=np.float32)}, reference=reference,
        least=lambda s: Cost(bytes=1, launches=1), baseline="fixed", tolerance={"float32": 1e-5}, dtypes=("float32",),
        regimes=("normal",),
    )  # fmt: skip
    shape = Shape.of("float32", N=N)
    made = plan(fixed)
    binaries = ptx_of_units({unit_of(step, "float32", "sm_90") for step in made.steps if isinstance(step, Kernel)})
    for outcome in binaries.values():
        assert not isinstance(outcome, CompileFailure), outcome.message
    late = [Schedule(f"seed {k}, delayed", Options(seed=k, quantum=20, delays=True)) for k in range(2, 60)]
    schedules = (SCHEDULES[0], *late) if fault.depends else SCHEDULES
    return examine(made, operation, shape, (InputSet("normal", 0),), binaries, schedules=schedules)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.kind], ids=lambda f: f.name)
def test_a_fault_is_named_and_its_mend_is_not(fault: Fault, tmp_path: Path) -> None:
    faulty = verdict_of(fault, False, tmp_path)
    named = [line for line in faulty.findings if f": {fault.kind}: " in line]
    assert named, faulty.findings
    tool = next(tool for tool, kinds in TOOLS.items() if fault.kind in kinds)
    assert named[0].startswith(f"{tool}: ")
    if fault.kind != "unwritten_output":
        assert "kernel.cu line " in named[0] and "block (" in named[0] and "lane " in named[0]
    assert verdict_of(fault, True, tmp_path).findings == ()


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.depends], ids=lambda f: f.name)
def test_a_missing_fence_gives_a_result_that_depends_on_the_schedule(fault: Fault, tmp_path: Path) -> None:
    assert any("schedule" in note for note in verdict_of(fault, False, tmp_path).notes)
    assert verdict_of(fault, True, tmp_path).notes == ()
