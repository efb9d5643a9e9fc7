"""What the simulator says of many kernels, and how long it takes.

    python -m tests.campaign.verdicts catalogue|planted|FOLDER...

`catalogue`: every CUDA variant here and of the examples in each dtype at its small shape, with every regime of inputs.
`planted`: the bugs that the tests plant. Any other word is a folder of kernel folders, whose variants are all run.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kernels import test_planted_bugs as of_all
from tests.kernels import test_product_planted as of_products
from tests.kernels import test_scan_planted as of_scans
from tests.kernels.executed import in_folder
from workbench.catalog import load_catalog
from workbench.check.case import InputSet, checked_sets
from workbench.check.examine import ARCH, examine, simulated_binaries
from workbench.compile import HOST, units_of
from workbench.declare import Operation, Plan, Shape, Variant
from workbench.declared import fault_of
from workbench.problem import Problem

ROOT = Path(__file__).parents[2]
OWN = (None, *(ROOT / "examples" / name for name in ("softmax", "silu", "triton_scan")))


@dataclass(frozen=True)
class Subject:
    """One plan to be executed."""

    name: str
    plan: Plan
    operation: Operation
    shape: Shape
    input_sets: tuple[InputSet, ...]
    loses: bool = False
    """Known to be outside of its tolerance."""


@dataclass(frozen=True)
class Said:
    """What came of a subject."""

    verdict: str
    """`right`, `wrong`, `refused`, or the kind of the fault."""
    reason: str = ""
    seconds: float = 0.0


def simulated(subject: Subject) -> Said:
    """Every set under every checker, the first in every schedule."""

    def run() -> tuple[str, str]:
        binaries = simulated_binaries(subject.plan, subject.shape.dtype)
        verdict = examine(subject.plan, subject.operation, subject.shape, subject.input_sets, binaries)
        if verdict.findings:
            return verdict.findings[0].split(": ")[1], verdict.reason
        return ("right", "") if verdict.right else ("wrong", verdict.reason)

    return timed(run)


def timed(run: Callable[[], tuple[str, str]]) -> Said:
    start = time.process_time()
    try:
        verdict, reason = run()
    except Problem as problem:
        verdict, reason = "refused", str(problem)
    except Exception as error:  # a variant's own
        verdict, reason = type(error).__name__, str(error)
    return Said(verdict, " ".join(reason.split()), time.process_time() - start)


def all_sets(operation: Operation) -> tuple[InputSet, ...]:
    return (InputSet(operation.regimes[0], 0), *checked_sets(operation))


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
    yield Subject(name, plan, operation, shape, all_sets(operation), bool(variant.known_loss))


def planted(folder: Path) -> Iterator[Subject]:
    """The bugs that the tests plant."""
    catalog = load_catalog()
    number = 0

    def made(name: str, key: str, shape: Shape, regime: str, sources: Path) -> Subject:
        variant, operation = catalog.variant(key), catalog.operation(key.partition("/")[0])
        plan = variant.plan(shape, variant.default_settings())
        plan = in_folder(plan, sources)
        return Subject(f"{name} ({key})", plan, operation, shape, (InputSet(regime, 0),))

    def fresh() -> Path:
        nonlocal number
        number += 1
        (folder / str(number)).mkdir()
        return folder / str(number)

    for name, bug in of_all.BUGS.items():
        yield made(name, bug.variant, bug.shape, "slow", of_all.plant(bug, fresh()))
    for name, (*_, key) in of_scans.BUGS.items():
        yield made(name, key, Shape.of("float32", B=1, T=9000, H=3), "slow", of_scans.plant(name, fresh()))
    for name, (*_, key, shape) in of_products.BUGS.items():
        yield made(name, key, shape, "slow", of_products.plant(name, fresh()))


def table(subjects: Iterable[Subject]) -> None:
    """A line per subject, and the counts at the end."""
    verdicts: Counter[str] = Counter()
    seconds = 0.0
    for subject in subjects:
        said = simulated(subject)
        verdicts[said.verdict] += 1
        seconds += said.seconds
        loss = " (known loss)" if subject.loses else ""
        print(f"{subject.name}{loss} | {said.verdict} {said.seconds:.2f} s | {said.reason[:300]}", flush=True)
    print(f"{', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())}; {seconds:.1f} s")


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
            table(subjects)


if __name__ == "__main__":
    main(sys.argv[1:])
