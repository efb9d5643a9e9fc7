"""What the compiler made, executed on the host: right or wrong, and counted; never timed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.check.case import InputSet, checked_sets, make_set
from workbench.check.compare_outputs import compare_outputs, tolerances
from workbench.check.examine import examine
from workbench.check.launches import (
    against_declared,
    alike,
    behind_caches,
    binaries_of,
    launch_of,
    moved_bytes,
    occupied,
    suffix_by_step,
    totals,
)
from workbench.check.limited import VariantInLimits
from workbench.compile import Binary, Unit, unit_of
from workbench.declare import Plan, Shape, Step, Tolerance
from workbench.devices import device
from workbench.host_steps import path_of
from workbench.problem import Problem, SourceError, unknown
from workbench.simulate.counters import Level, global_sectors, merged, why_sectors_differ
from workbench.simulate.coverage import coverage_of_cubin, coverage_of_ptx
from workbench.simulate.launch import Counts, Options, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.simulate.summary import summary, traced
from workbench.steps import distinct_sources, kind_of, leaves_of, unrolled


@dataclass(frozen=True)
class Request:
    """One simulation."""

    shape: Shape
    settings: dict[str, Any]
    arch: str
    gpu: str
    """A device of the data file: how many multiprocessors there are, and what its caches hold."""
    levels: tuple[str, ...] = ("sass", "ptx")
    files: tuple[tuple[str, str], ...] = ()
    """Level → a file that takes the place of what would be compiled."""
    sample: bool = False
    threads: int = 1
    seed: int = 0
    trace: tuple[int, int] | None = None
    trace_kernel: str = ""


class SimulatedVariant(VariantInLimits):
    """Lives in a worker process: simulates one variant's plan."""

    def run(self, request: Request) -> dict[str, Any]:
        """Runs at every level, and what follows from all of them. Problem where nothing can be simulated."""
        shape, variant, operation = request.shape, self._variant, self._operation
        plan = self._launching(request)
        inputs, want = make_set(operation, shape, InputSet(operation.regimes[0], 0))
        allowed = tolerances(operation, shape)
        bound = max(tolerance.relative for tolerance in allowed.values())
        runs, outputs, counted = [], {}, {}
        for name in request.levels:
            level = Level(name)
            run: dict[str, Any] = {"through": name, "status": "ok", "reason": "", "relative_l2": None, "bound": bound}
            runs.append(run)
            try:
                got, found = self._simulated(plan, request, level, inputs, run)
            except SimulationFault as fault:
                trace = [traced(fault.program, one) for one in fault.trace]
                run |= {"status": "fault", "reason": str(fault), "kernel": fault.program.name, "trace": trace}
                continue
            except SourceError:
                raise
            except Problem as problem:
                run |= {"status": "refused", "reason": str(problem)}
                continue
            counted[name] = found
            if any(counts.sampled for counts in found.values()):
                run |= {"status": "sampled", "reason": "a part of the blocks ran: the result is not compared"}
                continue
            outputs[name] = got
            comparison = compare_outputs(got, want, allowed)
            run["bound"] = comparison.bound
            run["relative_l2"] = comparison.relative_l2 if np.isfinite(comparison.relative_l2) else None
            if not comparison.right:
                run |= {"status": "incorrect", "reason": comparison.reason}
        declared = variant.cost(shape, request.settings).bytes
        apart, notes = _sectors_apart(counted)
        return {
            "variant": variant.key, "shape": shape.as_dict() | {"dtype": shape.dtype}, "settings": request.settings,
            "arch": request.arch, "gpu": request.gpu, "origin": "simulated", "runs": runs,
            "notes": notes,
            "findings": [*_results_apart(outputs, allowed), *apart,
                         *_against_declared(runs, plan, declared, device(request.gpu).l2_bytes)],
            "declared_bytes": declared, "bit_equal": _bit_equal(outputs), "known_loss": variant.known_loss,
        }  # fmt: skip

    def examined(self, request: Request) -> dict[str, Any]:
        """The plan's PTX under every checker and in every schedule, and for every regime of inputs."""
        shape, variant, operation = request.shape, self._variant, self._operation
        plan = self._launching(request)
        sets = (InputSet(operation.regimes[0], 0), *checked_sets(operation))
        verdict = examine(plan, operation, shape, sets, self._binaries(plan, request, Level.PTX), request.arch)
        found = verdict.comparison
        return {
            "variant": variant.key, "shape": shape.as_dict() | {"dtype": shape.dtype}, "settings": request.settings,
            "arch": request.arch, "origin": "simulated", "through": "ptx", "right": verdict.right,
            "reason": verdict.reason, "findings": list(verdict.findings), "notes": list(verdict.notes),
            "relative_l2": found.relative_l2 if found is not None and np.isfinite(found.relative_l2) else None,
            "bound": None if found is None else found.bound, "worst_at": None if found is None else found.where,
            "known_loss": variant.known_loss,
        }  # fmt: skip

    def _launching(self, request: Request) -> Plan:
        """The variant's plan. Raises Problem where it launches nothing."""
        plan = self._variant.plan(request.shape, request.settings)
        if not any(launch_of(step) for step in leaves_of(plan.steps)):
            raise Problem(
                f"{self._variant.key}: has no CUDA kernel of its own for {request.shape.dtype}: nothing to simulate"
            )
        names = {kind_of(step).shown(step) for step in leaves_of(plan.steps) if launch_of(step)}
        if request.trace_kernel and request.trace_kernel not in names:
            raise unknown("kernel", request.trace_kernel, names)
        return plan

    def coverage(self, request: Request) -> dict[str, Any]:
        """How many instructions of each kernel are known at each level, and the first that is not."""
        plan = self._variant.plan(request.shape, request.settings)
        found, refused = [], []
        for name in request.levels:
            binaries = self._binaries(plan, request, Level(name))
            for path in dict.fromkeys(path_of(binaries[unit_of(step, request.shape.dtype, request.arch)])
                                      for step in distinct_sources(plan) if launch_of(step)):  # fmt: skip
                of_kernel = coverage_of_cubin(path) if name == "sass" else coverage_of_ptx(path)
                for kernel, (known, others, reason) in of_kernel.items():
                    found.append(
                        {"through": name, "kernel": kernel, "known": known, "unknown": others, "reason": reason}
                    )
                    refused += [reason] if reason else []
        return {"variant": self._variant.key, "arch": request.arch, "kernels": found, "refused": refused}

    def _simulated(
        self, plan: Plan, request: Request, level: Level, inputs: dict[str, Any], run: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Counts]]:
        """Outputs, and each kernel's counts over all its launches."""
        binaries = self._binaries(plan, request, level)
        tensors = self._operation.tensors(request.shape)
        memory = Memory()
        memory.fill((*tensors, *plan.scratch), inputs)
        launches: dict[Hashable, dict[str, Any]] = {}
        for step in leaves_of(plan.steps) if level is Level.SASS else ():
            if launch_of(step) and alike(step) not in launches:
                launches[alike(step)] = occupied(step, binaries, request.shape.dtype, request.arch, request.gpu)
        options = _options(request, launches)
        counted = run_plan(plan, request.shape.dtype, memory, binaries, request.arch, options)
        steps: dict[str, list[tuple[Step, Counts]]] = {}
        suffix = suffix_by_step(plan)
        for step, counts in zip(unrolled(plan.steps), counted, strict=True):
            if counts is not None:
                steps.setdefault(kind_of(step).shown(step) + suffix(step), []).append((step, counts))
        found = {kernel: merged([counts for _, counts in pairs]) for kernel, pairs in steps.items()}
        run["kernels"] = [
            {"launches": len(pairs), "grid": launch.grid, "block": launch.block,
             **launches.get(alike(pairs[0][0]), {}), **summary(found[kernel], level), "kernel": kernel}
            for kernel, pairs in steps.items() if (launch := launch_of(pairs[0][0]))
        ]  # fmt: skip
        return {t.name: memory.array(t.name) for t in tensors if t.compared}, found

    def _binaries(self, plan: Plan, request: Request, level: Level) -> dict[Unit, Binary | Path]:
        given = dict(request.files).get(level.value)
        what = f"{self._variant.key} does not compile for {request.arch}"
        file = None if given is None else Path(given)
        return binaries_of(plan, request.shape.dtype, request.arch, level, what, file)


def _options(request: Request, launches: dict[Hashable, dict[str, Any]]) -> Callable[[Step], Options]:
    """Each launch's options: machine code runs with a model of caches where all of it runs, and the first launch that
    is asked for is traced."""
    waiting = [request.trace] if request.trace is not None else []

    def options(step: Step) -> Options:
        launch, function = launch_of(step), kind_of(step).shown(step)
        assert launch is not None
        own = Options(seed=request.seed, sample=request.sample, threads=request.threads)
        if waiting and request.trace_kernel in ("", function):
            blocks = int(np.prod(launch.grid, dtype=np.int64))
            block, warp = request.trace or (0, 0)
            warps = -(-int(np.prod(launch.block)) // 32)
            if block >= blocks or warp >= warps:
                raise Problem(f"--trace {block},{warp}: {function} has {blocks} blocks of {warps} warps", 2)
            own = Options(seed=request.seed, trace=waiting.pop())
        elif launches and not request.sample:
            own = behind_caches(launches[alike(step)], request.arch, request.gpu, request.seed) or own
        return own

    return options


def _bit_equal(outputs: dict[str, dict[str, Any]]) -> bool | None:
    """Whether all levels computed the same bits; None where there is only one."""
    if len(outputs) < 2:
        return None
    one, other = outputs.values()
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def _results_apart(outputs: dict[str, dict[str, Any]], allowed: dict[str, Tolerance]) -> list[str]:
    """Where PTX and machine code compute different results."""
    if len(outputs) < 2:
        return []
    want = {name: array.astype(np.float64) for name, array in outputs["sass"].items()}
    apart = compare_outputs(outputs["ptx"], want, allowed)
    return [] if apart.right else [f"PTX and SASS compute different results: {apart.reason}"]


def _sectors_apart(counted: dict[str, dict[str, Counts]]) -> tuple[list[str], list[str]]:
    """Where PTX and machine code touch different sectors: what is a finding, and what has its reason."""
    findings: list[str] = []
    notes: list[str] = []
    for kernel, sass in counted["sass"].items() if len(counted) == 2 else ():
        ptx = counted["ptx"].get(kernel)
        of_sass, of_ptx = global_sectors(sass), 0 if ptx is None else global_sectors(ptx)
        if of_sass != of_ptx:
            text = f"{kernel}: PTX touches {of_ptx:,} global sectors, SASS {of_sass:,} (simulated)"
            reason = None if ptx is None else why_sectors_differ(sass, ptx)
            findings += [] if reason else [text]
            notes += [f"{text}: {reason}"] if reason else []
    return findings, notes


def _against_declared(runs: list[dict[str, Any]], plan: Plan, declared: int, cache_bytes: int | None) -> list[str]:
    """Where declared bytes and what the machine code moved contradict each other."""
    run = next((r for r in runs if r["through"] == "sass" and r["status"] in ("ok", "incorrect")), None)
    if run is None:
        return []
    figures = totals((f["name"], f["value"]) for kernel in run["kernels"] for f in kernel["figures"])
    moved = moved_bytes(figures, plan)
    if moved is not None:
        run["memory_bytes"] = moved
    return against_declared(figures, plan, declared, cache_bytes)
