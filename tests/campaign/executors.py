"""What emulation and the simulator say of the same kernels, bit by bit, and how long each takes.

    python -m tests.campaign.executors catalogue|planted|FOLDER...

`catalogue`: every CUDA variant here and of the examples in each dtype at its small shape, with every regime of inputs.
`planted`: the bugs that the tests plant. Any other word is a folder of kernel folders, whose variants are all run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.emulate import test_planted_bugs as of_emulation
from tests.kernels import test_product_planted as of_products
from tests.kernels import test_scan_planted as of_scans
from tests.kernels.emulated_case import ORDERS, _planted
from workbench.build import EMULATED, HOST, build_or_raise, build_units, units_of
from workbench.build.ptx import ptx_of_units
from workbench.catalog import load_catalog
from workbench.check.case import Draw, checked_draws, make_draw
from workbench.check.compare_outputs import compare_outputs, tolerances
from workbench.check.examine import ARCH, examine, simulated_binaries
from workbench.declare import Operation, Plan, Shape, Variant
from workbench.declared import fault_of
from workbench.emulate import EmulationFault
from workbench.execute.load import load
from workbench.problem import Problem
from workbench.simulate.launch import SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

ROOT = Path(__file__).parents[2]
OWN = (None, *(ROOT / "examples" / name for name in ("softmax", "silu", "triton_scan")))


@dataclass(frozen=True)
class Subject:
    """One plan to be executed both ways."""

    name: str
    plan: Plan
    operation: Operation
    shape: Shape
    draws: tuple[Draw, ...]
    loses: bool = False
    """Known to be outside of its tolerance."""


@dataclass(frozen=True)
class Said:
    """What one of the two made of a subject."""

    verdict: str
    """`right`, `wrong`, `refused`, or the kind of the fault."""
    reason: str = ""
    seconds: float = 0.0


def emulated(subject: Subject) -> tuple[Said, dict[str, bytes]]:
    """All draws in all thread orders; and the bits of the first."""
    bits: dict[str, bytes] = {}

    def run() -> tuple[str, str]:
        worst = None
        built = build_or_raise(units_of(subject.plan, subject.shape.dtype, [EMULATED]))
        allowed = tolerances(subject.operation, subject.shape)
        for draw in subject.draws:
            inputs, want = make_draw(subject.operation, subject.shape, draw)
            for order in ORDERS:
                tensors = subject.operation.tensors(subject.shape)
                bound = load(subject.plan, tensors, [inputs], subject.shape.dtype, "emulated", built=built, order=order)
                try:
                    bound.poison()
                    bound.run()
                    outputs = bound.outputs()
                    if not bits:
                        bits.update({name: array.tobytes() for name, array in outputs.items()})
                    found = compare_outputs(outputs, want, allowed)
                    worst = found if worst is None or found.excess > worst.excess else worst
                finally:
                    bound.close()
        assert worst is not None
        return ("right", "") if worst.right else ("wrong", worst.reason)

    return timed(run), bits


def simulated(subject: Subject) -> tuple[Said, dict[str, bytes]]:
    """Every draw under every checker, the first in every schedule; and the bits of a run without any."""
    bits: dict[str, bytes] = {}

    def run() -> tuple[str, str]:
        binaries = simulated_binaries(subject.plan, subject.shape.dtype)
        verdict = examine(subject.plan, subject.operation, subject.shape, subject.draws, binaries)
        if verdict.findings:
            return verdict.findings[0].split(": ")[1], verdict.reason
        return ("right", "") if verdict.right else ("wrong", f"{verdict.reason} {' '.join(verdict.notes)}")

    said = timed(run)
    if said.verdict == "right":
        bits.update(once(subject))
    return said, bits


def once(subject: Subject) -> dict[str, bytes]:
    inputs, _ = make_draw(subject.operation, subject.shape, subject.draws[0])
    memory, tensors = Memory(), subject.operation.tensors(subject.shape)
    for tensor in tensors:
        if tensor.given:
            memory.put(tensor.name, inputs.get(tensor.name), writable=tensor.compared)
        else:
            memory.empty(tensor)
    binaries = simulated_binaries(subject.plan, subject.shape.dtype)
    run_plan(subject.plan, subject.shape.dtype, memory, binaries, ARCH)
    return {t.name: memory.array(t.name).tobytes() for t in tensors if t.compared}


def timed(run: Callable[[], tuple[str, str]]) -> Said:
    start = time.process_time()
    try:
        verdict, reason = run()
    except (EmulationFault, SimulationFault) as fault:
        verdict, reason = fault.kind, str(fault)
    except Problem as problem:
        verdict, reason = "refused", str(problem)
    except Exception as error:  # a variant's own
        verdict, reason = type(error).__name__, str(error)
    return Said(verdict, " ".join(reason.split()), time.process_time() - start)


def all_draws(operation: Operation) -> tuple[Draw, ...]:
    return (Draw(operation.regimes[0], 0), *checked_draws(operation))


def of_folder(folder: Path | None) -> Iterator[Subject]:
    """Every variant with a kernel in the folder, in each dtype; names of those that cannot be run are printed."""
    catalog = load_catalog(folder)
    for broken in catalog.broken.values():
        print(f"  {folder.name if folder else ''}: not loaded: {broken}")
    for variant in catalog:
        operation = catalog.operation_of(variant)
        if folder is not None and len(catalog.roots) > 1 and not str(variant.at).startswith(str(folder)):
            continue
        for dtype in operation.dtypes:
            yield from of_variant(variant, operation, dtype, folder.name if folder else "")


def readable(root: Path) -> Iterator[Subject]:
    """As `of_folder`; a folder that cannot be read is a line."""
    try:
        yield from of_folder(root)
    except Problem as problem:
        print(f"  {root.name}: {problem}")


def of_variant(variant: Variant, operation: Operation, dtype: str, folder: str) -> Iterator[Subject]:
    shape = Shape(tuple((axis, operation.small[axis]) for axis in operation.axes), dtype)
    if "cuda" not in variant.devices or not variant.own_kernels or variant.supports(shape) is not None:
        return
    name = f"{folder + ' ' if folder else ''}{variant.key} {dtype}"
    fault = fault_of(variant, operation, shape)
    if fault is not None:
        print(f"  {name}: declaration: {fault}")
        return
    plan = variant.plan(shape, variant.default_settings())
    if not [u for u in units_of(plan, dtype, [ARCH]) if u.arch != HOST]:
        return
    yield Subject(name, plan, operation, shape, all_draws(operation), bool(variant.known_loss))


def planted(folder: Path) -> Iterator[Subject]:
    """The bugs that the tests plant."""
    catalog = load_catalog()
    number = 0

    def made(name: str, key: str, shape: Shape, regime: str, sources: Path) -> Subject:
        variant, operation = catalog.variant(key), catalog.operation(key.partition("/")[0])
        plan = variant.plan(shape, variant.default_settings())
        plan = Plan(tuple(_planted(step, sources) for step in plan.steps), plan.scratch)
        return Subject(f"{name} ({key})", plan, operation, shape, (Draw(regime, 0),))

    def fresh() -> Path:
        nonlocal number
        number += 1
        (folder / str(number)).mkdir()
        return folder / str(number)

    for name, bug in of_emulation.BUGS.items():
        yield made(name, bug.variant, bug.shape, "normal", of_emulation.plant(bug, fresh()))
    for name, (*_, key) in of_scans.BUGS.items():
        yield made(name, key, Shape.of("float32", B=1, T=9000, H=3), "slow", of_scans.plant(name, fresh()))
    for name, (*_, key, shape) in of_products.BUGS.items():
        yield made(name, key, shape, "slow", of_products.plant(name, fresh()))


def table(subjects: list[Subject]) -> list[tuple[Subject, Said, Said, bool | None]]:
    """A line per subject, and the counts at the end."""
    units = [u for s in subjects for u in units_of(s.plan, s.shape.dtype, [EMULATED])]
    build_units(units, jobs=2)
    ptx_of_units(
        [u for s in subjects for u in units_of(s.plan, s.shape.dtype, [ARCH]) if u.arch != HOST and not u.function]
    )
    rows: list[tuple[Subject, Said, Said, bool | None]] = []
    for subject in subjects:
        (old, old_bits), (new, new_bits) = emulated(subject), simulated(subject)
        same = old_bits == new_bits if old_bits and new_bits else None
        rows.append((subject, old, new, same))
        loss = " (known loss)" if subject.loses else ""
        told = {True: "the same bits", False: "other bits", None: "-"}[same]
        print(f"{subject.name}{loss} | {old.verdict} {old.seconds:.2f} s | {new.verdict} {new.seconds:.2f} s | {told}")
        for said in (old, new):
            if said.verdict not in ("right",) and (old.verdict != new.verdict or said is new):
                print(f"      {said.reason[:300]}")
        sys.stdout.flush()
    return rows


def summary(rows: list[Any]) -> None:
    counts: dict[tuple[str, str], int] = {}
    for _, old, new, _ in rows:
        pair = tuple("right" if said.verdict == "right" else "refused" if said.verdict == "refused" else "found"
                     for said in (old, new))  # fmt: skip
        counts[pair] = counts.get(pair, 0) + 1  # type: ignore[index,arg-type]
    for (old, new), count in sorted(counts.items()):
        print(f"emulation {old}, simulator {new}: {count}")
    print(f"the same bits: {sum(r[3] is True for r in rows)}, other bits: {sum(r[3] is False for r in rows)}")
    print(f"emulation {sum(r[1].seconds for r in rows):.1f} s, simulator {sum(r[2].seconds for r in rows):.1f} s")


def main(words: list[str]) -> None:
    with TemporaryDirectory(prefix="workbench-") as folder:
        for word in words or ["catalogue", "planted"]:
            if word == "catalogue":
                subjects = [s for root in OWN for s in of_folder(root)]
            elif word == "planted":
                subjects = list(planted(Path(folder)))
            else:
                folders = [f for f in sorted(Path(word).iterdir()) if f.is_dir()]
                roots = [Path(word)] if any((f / "operation.py").is_file() for f in folders) else folders
                subjects = [s for root in roots for s in readable(root)]
            summary(table(subjects))


if __name__ == "__main__":
    main(sys.argv[1:])
