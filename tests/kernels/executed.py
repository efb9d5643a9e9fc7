"""One variant, one small problem, executed here and held against the float64 reference.

CUDA kernels are simulated from NVRTC's PTX, torch steps run on torch's CPU, C++ steps natively: whatever the plan says.
Outputs and scratch start poisoned, nothing may be touched outside of a buffer, and the error is that of the operation's
own tolerance. Nothing here knows an operation by name.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from ml_dtypes import bfloat16

from tests.chosen import chosen_files
from workbench.catalog import Catalog, load_catalog
from workbench.check.case import InputSet
from workbench.check.examine import ARCH, Verdict, examine
from workbench.compile import HOST, Binary, Unit, build_units, units_of
from workbench.compile.cache import digest, entry, one_at_a_time
from workbench.compile.catalogue import build_catalogue
from workbench.compile.ptx import ptx_of_units
from workbench.declare import Kernel, Plan, Repeat, Setting, Shape, Step, Tensor
from workbench.execute.load import load
from workbench.simulate.launch import Checks, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import leaves_of

SCHEDULES = {
    "in_order": Options(checks=Checks.ALL),
    "mixed": Options(seed=1, quantum=60, copies_at_once=True),
    "delayed": Options(seed=2, quantum=60, delays=True),
}
"""In which order blocks and warps have their turns: one after the other under every checker, by a seed, and with stores
that others see late. Bounds and alignment are looked at in all of them."""
NUMPY_DTYPE = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(bfloat16)}
HOST_ALIGNMENT = 16
"""Of buffers of C++ steps, so that they end at an unreadable page whatever their size."""

OTHER_CELLS = ("minlstm_scan", "sru_scan", "sru2_scan", "qrnn_pool")
"""Operations whose kernels are those of scan compiled for another header: where every variant of the catalogue is gone
through, their serial rungs stand for all of them, and test_other_cells.py has the others."""

CHAINS = ("stack", "minlstm_layer", "sru_layer", "qrnn_layer")
"""Operations whose kernels are other operations' own, between products: where every kernel of the catalogue is gone
through they add none, and their own tests execute every rung."""

_catalog: list[Catalog] = []


def catalog() -> Catalog:
    """The built-in catalogue, read once."""
    if not _catalog:
        _catalog.append(load_catalog())
    return _catalog[0]


@dataclass(frozen=True)
class Case:
    """One execution. `absent` names optional inputs that are not given; settings left out take their defaults."""

    variant: str
    shape: Shape
    regime: str = "normal"
    order: str = "in_order"
    absent: tuple[str, ...] = ()
    settings: tuple[tuple[str, Setting], ...] = ()

    def __str__(self) -> str:
        sizes = "-".join(f"{axis}{size}" for axis, size in self.shape.axes)
        parts = [self.variant.replace("/", "."), sizes, self.shape.dtype, self.regime, self.order]
        parts += [f"no_{name}" for name in self.absent] + [f"{name}={value}" for name, value in self.settings]
        return "-".join(parts)


@dataclass(frozen=True)
class Result:
    """What an output came to: its values, its relative L2 error, and the error that storing the reference has."""

    value: Any
    error: float
    rounding: float


def run(case: Case, resident_blocks: int | None = None, planted: Path | None = None) -> dict[str, Result]:
    """Runs the case → each output. The error is infinite where a value is missing or not finite.

    `resident_blocks` is how many blocks run at a time (default: the simulator's); `planted` is a folder of changed
    sources, by name, that take the place of the variant's own: for bugs that a check is to find.

    Raises SimulationFault for what ends a launch, AssertionError for what a checker names and for a source that does
    not compile.
    """
    variant = catalog().variant(case.variant)
    operation = catalog().operation(variant.operation_key)
    shape, tensors = case.shape, operation.tensors(case.shape)
    made = operation.make_inputs(
        shape, case.regime, np.random.default_rng(zlib.crc32(f"{shape} {case.regime}".encode()))
    )
    given = {
        t.name: np.ascontiguousarray(made[t.name]).astype(NUMPY_DTYPE[t.dtype])
        for t in tensors
        if t.given and t.name not in case.absent
    }
    reference = operation.reference(shape, {name: array.astype(np.float64) for name, array in given.items()})
    plan = variant.plan(shape, {**variant.default_settings(), **dict(case.settings)})
    if planted:
        plan = in_folder(plan, planted)
    options = SCHEDULES[case.order]
    if resident_blocks is not None:
        options = replace(options, resident=resident_blocks)
    outputs = executed(plan, tensors, given, shape.dtype, options)
    return {name: _result(value, reference[name]) for name, value in outputs.items()}


def executed(
    plan: Plan, tensors: Sequence[Tensor], given: Mapping[str, Any], dtype: str, options: Options
) -> dict[str, Any]:
    """What the plan makes of the inputs: in the simulator where it has a kernel, else on the CPU."""
    if not any(isinstance(step, Kernel) for step in leaves_of(plan.steps)):
        with patch("workbench.execute.host_memory.ALIGNMENT", HOST_ALIGNMENT):
            bound = load(plan, tensors, [given], dtype, "cpu", built=libraries(units_of(plan, dtype, [])))
        try:
            bound.poison()
            bound.run()
            return {name: value.copy() for name, value in bound.outputs().items()}
        finally:
            bound.close()
    memory = Memory()
    memory.fill(tensors, given)
    counted = run_plan(plan, dtype, memory, libraries(units_of(plan, dtype, [ARCH])), ARCH, options)
    faults = [finding.text for counts in counted if counts for finding in counts.findings if finding.fault]
    assert not faults, faults[0]
    return {t.name: memory.array(t.name) for t in tensors if t.compared}


def verdict_of(variant: str, shape: Shape, regime: str, planted: Path) -> Verdict:
    """What the checkers say of a variant with sources of another folder, in every schedule."""
    own = catalog().variant(variant)
    plan = in_folder(own.plan(shape, own.default_settings()), planted)
    compiled = libraries(units_of(plan, shape.dtype, [ARCH]))
    return examine(plan, catalog().operation_of(own), shape, (InputSet(regime, 0),), compiled)


def in_folder(plan: Plan, folder: Path) -> Plan:
    """The plan with the kernels of the files of the same names in another folder."""
    return replace(plan, steps=tuple(_planted(step, folder) for step in plan.steps))


def check(case: Case) -> None:
    """Asserts that every output of the case is within the operation's tolerance.

    An output of very few elements may be off by what rounding the reference itself costs: up to 2^-8 in bf16.
    """
    bound = catalog().operation(case.variant.split("/")[0]).tolerance[case.shape.dtype]
    found = run(case)
    wrong = {name: r.error for name, r in found.items() if not r.error <= max(bound, 1.1 * r.rounding)}
    assert not wrong, f"{case}: relative L2 error {wrong}, bound {bound}"


def _planted(step: Step, folder: Path) -> Step:
    if isinstance(step, Repeat):
        return replace(step, steps=tuple(_planted(part, folder) for part in step.steps))
    return replace(step, source=folder / step.source.name) if isinstance(step, Kernel) else step


def _result(array: Any, reference: Any) -> Result:
    value = array.copy()
    return Result(value, relative_error(value, reference), relative_error(reference.astype(value.dtype), reference))


def relative_error(value: Any, reference: Any) -> float:
    """|value - reference| / |reference| in L2, infinite where anything is not finite."""
    difference = np.asarray(value).astype(np.float64) - reference
    if not np.isfinite(difference).all():
        return float("inf")
    size = _length(reference)
    return _length(difference) / size if size else _length(difference)


def _length(values: Any) -> float:
    """L2 norm. By a sum: BLAS would wake a thread per core for it, which in tests beside each other wait for theirs."""
    return float(np.sqrt(np.square(np.asarray(values, dtype=np.float64)).sum()))


_libraries: dict[Unit, Binary] = {}


def libraries(units: Iterable[Unit]) -> Mapping[Unit, Binary]:
    """The compiled units, kernels as PTX and host functions as libraries, each compiled once a process."""
    missing = [unit for unit in dict.fromkeys(units) if unit not in _libraries]
    hosts = [unit for unit in missing if unit.arch == HOST]
    if len(hosts) < len(missing) and CLAIMS in chosen_files:
        compile_surveyed()
    outcomes = {**ptx_of_units(unit for unit in missing if unit.arch != HOST), **(build_units(hosts) if hosts else {})}
    for unit, result in outcomes.items():
        assert isinstance(result, Binary), f"{unit} does not compile:\n{result.message}"
        _libraries[unit] = result
    return _libraries


CLAIMS = "tests/compile/test_rung_claims.py"
"""What holds machine code against claims. Where it is among the tests that run, kernels are compiled to machine code at
once, which leaves their PTX as well; compiled to PTX first, their sources would be read twice."""


MAIN_DTYPE = "bfloat16"
"""Of the machine code that is looked at: its conversions leave more to go wrong than float32 does."""


def surveyed() -> list[str]:
    """The variants whose machine code is looked at."""
    return [
        variant.key
        for variant in catalog()
        if "cuda" in variant.devices and (variant.operation not in OTHER_CELLS or variant.rung == 50)
    ]


@functools.cache
def compile_surveyed() -> None:
    """Their kernels for ARCH, in MAIN_DTYPE: by whichever process of the tests comes first, the others wait."""
    every = [catalog().variant(key) for key in surveyed()]
    with one_at_a_time(entry(digest(["surveyed"]), ".all")):
        build_catalogue(catalog(), every, [ARCH], [MAIN_DTYPE])
