"""The simulator held against a GPU: launches of profiled records run again, from the machine code in the report.

A report has no arguments. Those of a record's launches follow from its plan, so a recipe is written while the plan is
at hand: which tensors there are, and what each launch is given. With it a report is compared however its kernels and
plans have changed since. Inputs are drawn as they were; what a library or the host computed between launches is not
made again, so that its tensors hold zeros.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arguments import c_argument
from workbench.catalog import Catalog, load_catalog
from workbench.check.limited import limit_memory
from workbench.declare import DTYPE_BYTES, At, Clear, Shape, Tensor, variant_key
from workbench.execute.rounding import round_inputs
from workbench.problem import Problem
from workbench.profile.launched import Measured, Programs, launches_of_report
from workbench.profile.replay import read_selection
from workbench.profile.rerun import compared
from workbench.simulate.blocks import run_launch
from workbench.simulate.counters import Standing
from workbench.simulate.launch import Counts, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.program import Program
from workbench.steps import kind_of, unrolled

Recipe = Mapping[str, Any]
WITHOUT_CACHES = {"first_cache_bytes": 0, "second_cache_bytes": 0}
OTHER_ORDERS: tuple[Mapping[str, Any], ...] = (
    {"seed": 1}, {"seed": 2}, {"copies_at_once": True}, {"quantum": 4000}, {"resident": 8, "quantum": 200},
)  # fmt: skip
"""Orders in which warps and blocks may have their turns: what an instruction counts in one and not in the other depends
on time, as the turns of a loop that waits do."""


@dataclass(frozen=True)
class Compared:
    """One launch, as a GPU and as the simulator counted it."""

    key: str
    kernel: str
    counters: tuple[Mapping[str, Any], ...]
    """Name, measured, simulated, standing, agrees, verdict of each counter that both have."""
    reason: str = ""
    """Why it was not run again; there are no counters then."""

    @property
    def differences(self) -> list[Mapping[str, Any]]:
        """Counters that should be equal and are not."""
        return [c for c in self.counters if not c["agrees"] and c["standing"] != Standing.CACHE_MODEL]


class SelectionRerun:
    """Lives in a worker process."""

    def __init__(self, memory_bytes: int) -> None:
        limit_memory(memory_bytes)

    def run(self, report: str, selection: str) -> dict[str, Any]:
        """Every launch of a selection's records, run again: what differs of each. Raises Problem."""
        items, kernels = read_selection(Path(selection))
        catalog = load_catalog(kernels)
        found = list(conform(Path(report), [recipe(item, catalog) for item in items], catalog))
        if not found:
            raise Problem(f"{report}: none of its launches lies in the range of a record of {selection}")
        return {
            "launches": [
                {"key": each.key, "kernel": each.kernel, "compared": len(each.counters), "reason": each.reason,
                 "differences": each.differences}
                for each in found
            ]
        }  # fmt: skip


def recipe(item: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """How the launches of a selection's item are made, as plain data. Raises Problem for what is no CUDA variant."""
    variant = catalog.variant(variant_key(item["operation"], item["variant"], item["pass"]))
    operation = catalog.operation_of(variant)
    shape = Shape(tuple(item["axes"].items()), item["dtype"])
    plan = variant.plan(shape, item["settings"])
    tensors: dict[str, Tensor] = {t.name: t for t in (*operation.tensors(shape), *plan.scratch)}
    steps: list[dict[str, Any]] = []
    for step in unrolled(plan.steps):
        if cleared := [name for name in tensors if step == Clear(name)]:
            steps.append({"clear": cleared[0]})
        elif (launch := kind_of(step).launch(step)) is not None:
            given = [_given(argument, tensors) for argument in launch.arguments]
            steps.append({"grid": launch.grid, "block": launch.block, "arguments": given})
    return {
        "key": item["key"], "operation": operation.key, "axes": dict(item["axes"]), "dtype": item["dtype"],
        "tensors": {t.name: [t.dtype, t.shape] for t in tensors.values()}, "steps": steps,
    }  # fmt: skip


def _given(argument: Any, tensors: Mapping[str, Tensor]) -> Any:
    """[tensor, bytes behind its first] of an address, else the argument's bytes in hex."""
    if isinstance(argument, str):
        return [argument, 0]
    if isinstance(argument, At):
        return [argument.tensor, argument.offset * DTYPE_BYTES[tensors[argument.tensor].dtype]]
    return bytes(c_argument(argument, lambda name: None, lambda name: 0)).hex()


def conform(report: Path, recipes: Sequence[Recipe], catalog: Catalog) -> Iterator[Compared]:
    """Every launch of the report that lies in the range of a recipe's record, run again. `catalog` has the operations
    whose inputs are drawn. Raises Problem for a file that is no report with machine code."""
    by_key: dict[str, list[Measured]] = {}
    for measured in launches_of_report(report):
        for key in measured.keys[-1:]:
            by_key.setdefault(key, []).append(measured)
    programs = Programs(report)
    for one in recipes:
        launches = by_key.get(one["key"], [])
        if not launches:
            continue
        try:
            yield from _compared(one, launches, programs, catalog)
        except (Problem, SimulationFault) as why:
            yield from (Compared(one["key"], m.kernel, (), str(why)) for m in launches)


def _compared(one: Recipe, launches: Sequence[Measured], programs: Programs, catalog: Catalog) -> list[Compared]:
    """Each launch; where one differs, all of them are run in other orders too, which tells what time decides."""
    record = _Record(one, launches, programs, catalog)
    counted = record.run({})
    depends = [np.zeros(len(counts.values), bool) for counts in counted]

    def all_compared() -> list[Compared]:
        return [
            Compared(one["key"], measured.kernel, tuple(compared(measured, counts, on)))
            for measured, counts, on in zip(launches, counted, depends, strict=True)
        ]

    found = all_compared()
    if not any(each.differences for each in found):
        return found
    for change in OTHER_ORDERS:
        for on, counts, other in zip(depends, counted, record.run({**WITHOUT_CACHES, **change}), strict=True):
            on |= counts.unlike(other)
    return all_compared()


class _Record:
    """A record's launches, ready to be run."""

    def __init__(self, one: Recipe, launches: Sequence[Measured], programs: Programs, catalog: Catalog) -> None:
        """Raises Problem where the recipe's launches are not the report's."""
        own = sum("grid" in step for step in one["steps"])
        if own != len(launches):
            raise Problem(f"{one['key']}: the report has {len(launches)} launches, the recipe {own}")
        self._one, self._launches = one, launches
        self._inputs = _inputs(one, catalog)
        self._programs = [programs.of(measured) for measured in launches]

    def run(self, change: Mapping[str, Any]) -> list[Counts]:
        """What each launch counts, with some of its options changed."""
        memory = Memory()
        counted: list[Counts] = []
        for name, (dtype, shape) in self._one["tensors"].items():
            given = self._inputs.get(name)
            memory.take(name, np.zeros(shape, _stored(dtype)) if given is None else given.copy())
        for step in self._one["steps"]:
            if "clear" in step:
                memory.array(step["clear"])[...] = 0
                continue
            measured, program = self._launches[len(counted)], self._programs[len(counted)]
            options = dataclasses.replace(measured.options(), **change)
            block = _block(program, step["arguments"], memory)
            shared = measured.dynamic_shared
            counted.append(run_launch(program, step["grid"], step["block"], block, memory, shared, options))
        return counted


def _inputs(one: Recipe, catalog: Catalog) -> dict[str, Any]:
    """As the profiled record had them: of the first regime, drawn by seed 0."""
    operation = catalog.operation(one["operation"])
    shape = Shape(tuple(one["axes"].items()), one["dtype"])
    tensors = operation.tensors(shape)
    return dict(round_inputs(tensors, operation.make_inputs(shape, operation.regimes[0], np.random.default_rng(0))))


def _stored(dtype: str) -> str:
    return {"bfloat16": "uint16"}.get(dtype, dtype)


def _block(program: Program, arguments: Sequence[Any], memory: Memory) -> bytes:
    """The kernel's parameter block."""
    block = bytearray(program.parameter_bytes)
    if len(arguments) != len(program.parameters):
        raise Problem(f"{program.name}: {len(arguments)} arguments for {len(program.parameters)} parameters")
    for given, (offset, size) in zip(arguments, program.parameters, strict=True):
        if isinstance(given, str):
            data = bytes.fromhex(given)
        else:
            name, behind = given
            data = ((memory.address(name) or 0) + behind if name in memory else 0).to_bytes(8, "little")
        block[offset : offset + size] = data[:size].ljust(size, b"\0")
    return bytes(block)
