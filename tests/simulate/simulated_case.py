"""One variant, one small problem, its kernels simulated from PTX or cubins and held against the float64 reference."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.kernels.executed import CHAINS, NUMPY_DTYPE, OTHER_CELLS, catalog, relative_error
from workbench.compile import HOST, Binary, CompileFailure, Unit, build_units, units_of
from workbench.compile.ptx import ptx_of_units
from workbench.declare import Kernel, Plan, Setting, Shape
from workbench.simulate.launch import Counts, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import leaves_of

ARCH = "sm_90"


@dataclass(frozen=True)
class Case:
    variant: str
    shape: Shape
    settings: tuple[tuple[str, Setting], ...] = ()

    def __str__(self) -> str:
        parts = [self.variant.replace("/", "."), self.shape.dtype, *(f"{k}={v}" for k, v in self.settings)]
        return "-".join(parts)

    def plan(self) -> Plan:
        variant = catalog().variant(self.variant)
        return variant.plan(self.shape, {**variant.default_settings(), **dict(self.settings)})


def cases(dtypes: tuple[str, ...] = ("float32", "bfloat16")) -> list[Case]:
    """Every CUDA variant of the catalogue at its operation's small shape, with each value of each of its tunables; of
    other cells the serial rung, in one dtype."""
    found = []
    for name, operation in catalog().operations.items():
        if name in CHAINS:
            continue
        for variant in catalog().select([name], passes=["forward"]):
            for dtype in dtypes:
                shape = Shape.of(dtype, **operation.small)
                if dtype not in operation.dtypes or variant.factors.get("peer") == "yes":
                    continue
                if variant.supports(shape) is not None:
                    continue
                settings: list[tuple[tuple[str, Setting], ...]] = [()]
                if name not in OTHER_CELLS:
                    settings += [((k, v),) for k, values in variant.settings.items() for v in values[1:]]
                elif variant.rung != 50 or dtype != dtypes[0]:
                    continue
                for setting in settings:
                    case = Case(variant.key, shape, setting)
                    if any(isinstance(step, Kernel) for step in leaves_of(case.plan().steps)):
                        found.append(case)
    return found


_binaries: dict[bool, dict[Unit, Binary]] = {False: {}, True: {}}


def binaries(plan: Plan, dtype: str, arch: str = ARCH, machine_code: bool = False) -> dict[Unit, Binary]:
    """The plan's kernels as PTX, or as cubins, and its host functions, each compiled once a process."""
    known = _binaries[machine_code]
    units = set(units_of(plan, dtype, [arch])) - set(known)
    hosts = {unit for unit in units if unit.arch == HOST}
    kernels = units - hosts
    of_kernels = build_units(kernels) if machine_code else ptx_of_units(kernels)
    for unit, made in {**of_kernels, **build_units(hosts)}.items():
        assert not isinstance(made, CompileFailure), f"{unit} does not compile:\n{made.message}"
        known[unit] = made
    return known


def run(
    case: Case, options: Options | None = None, arch: str = ARCH, machine_code: bool = False
) -> tuple[dict[str, float], list[Counts | None]]:
    """Relative L2 error of each output (less what rounding the reference costs is 0), and the steps' counts."""
    operation = catalog().operation(case.variant.split("/")[0])
    shape, tensors = case.shape, operation.tensors(case.shape)
    generator = np.random.default_rng(zlib.crc32(f"{shape}".encode()))
    made = operation.make_inputs(shape, "normal", generator)
    given = {t.name: np.ascontiguousarray(made[t.name]).astype(NUMPY_DTYPE[t.dtype]) for t in tensors if t.given}
    reference = operation.reference(shape, {name: array.astype(np.float64) for name, array in given.items()})
    memory = Memory()
    for tensor in tensors:
        if tensor.given:
            memory.put(tensor.name, given[tensor.name])
        else:
            memory.empty(tensor)
    plan = case.plan()
    counts = run_plan(plan, shape.dtype, memory, binaries(plan, shape.dtype, arch, machine_code), arch, options)
    errors = {}
    for tensor in tensors:
        if tensor.compared:
            value: Any = memory.array(tensor.name)
            error = relative_error(value, reference[tensor.name])
            rounding = relative_error(reference[tensor.name].astype(value.dtype), reference[tensor.name])
            errors[tensor.name] = 0.0 if error <= 1.1 * rounding else error
    return errors, counts


def bound(case: Case) -> float:
    return float(catalog().operation(case.variant.split("/")[0]).tolerance[case.shape.dtype])
