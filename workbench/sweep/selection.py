"""What is asked for: operations, variants, shapes, dtypes, devices. Stored with the run, so that it can go on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN, Catalog
from workbench.declare import Operation, Shape, Variant
from workbench.problem import Problem, unknown
from workbench.sweep.presets import PRESETS, Budget
from workbench.sweep.search import ONE_AT_A_TIME, check_strategy


@dataclass(frozen=True)
class Selection:
    """A sweep as the user asked for it; plain data."""

    operations: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    """`forward`, `backward`…; empty: all that the operations have."""
    variants: tuple[str, ...] = ()
    axes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Sizes by axis; axes that an operation lacks do not concern it."""
    dtypes: tuple[str, ...] = ()
    preset: str = "quick"
    kernels: str = ""
    """A user's own folder; empty for the built-in one, wherever the checkout stands."""
    devices: tuple[str, ...] = ()
    """`cuda`, `cpu`: where to time; empty: the GPU where there is one, else the CPU. `simulated`: CUDA kernels are
    executed for each of `archs`, which are machines of their own; elsewhere for the first where there is no GPU."""
    archs: tuple[str, ...] = ("sm_90", "sm_89")
    timeout_s: float = 120.0
    seed: int = 0
    """Of the inputs' values."""
    seed_order: int = 0
    """Of the order in which variants take turns on the clock."""
    tune: str = ONE_AT_A_TIME
    """The strategy by which settings are searched."""
    tune_s: float = 0.0
    """Most seconds that trying a variant's settings may take at a shape; 0: those of the preset."""
    is_growth: bool = False
    """Errors over sizes in place of times (sweep/growth.py)."""

    @property
    def folder(self) -> Path:
        """The folder of kernels."""
        return Path(self.kernels) if self.kernels else BUILTIN

    def budget(self) -> Budget:
        budget = PRESETS[self.preset]
        return replace(budget, tune_s=self.tune_s) if self.tune_s else budget

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """Reads back what `as_dict` wrote, through JSON. Problem where it is something else."""
        try:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
            plain["axes"] = tuple((str(name), tuple(map(int, sizes))) for name, sizes in data["axes"])
            plain.setdefault("passes", ())
            for name in ("operations", "passes", "variants", "dtypes", "devices", "archs"):
                plain[name] = tuple(map(str, plain[name]))
            plain["timeout_s"], plain["seed"] = float(data["timeout_s"]), int(data["seed"])
            if "seed_order" not in plain:  # of an older workbench, whose one seed was that of the order
                plain["seed_order"], plain["seed"] = plain["seed"], 0
            plain["seed_order"] = int(plain["seed_order"])
            plain["tune"], plain["tune_s"] = str(data.get("tune", ONE_AT_A_TIME)), float(data.get("tune_s", 0.0))
            plain["preset"], plain["kernels"] = str(data["preset"]), str(data["kernels"])
            plain["is_growth"] = bool(data.get("is_growth", False))
            return cls(**plain)
        except (TypeError, KeyError, ValueError, OverflowError):
            raise Problem(
                "this run holds no selection of a sweep; only runs of `workbench sweep` can be resumed"
            ) from None


@dataclass(frozen=True)
class Case:
    """One operation in one pass at one shape, and the variants that compete there."""

    operation: Operation
    shape: Shape
    variants: tuple[Variant, ...]


def cases_of(selection: Selection, catalog: Catalog) -> list[Case]:
    """Every case of the selection. Problem for an unknown operation, variant, pass, axis, dtype or preset."""
    if selection.preset not in PRESETS:
        raise unknown("preset", selection.preset, PRESETS)
    check_strategy(selection.tune)
    unasked = () if selection.operations or selection.variants else selection.budget().passes
    variants = catalog.select(selection.operations, selection.variants, selection.passes or unasked)
    operations = [op for op in catalog.each_operation() if any(v.operation_key == op.key for v in variants)]
    known_axes = {axis for op in operations for axis in op.axes}
    for axis, _ in selection.axes:
        if axis not in known_axes:
            raise unknown("axis", f"--{axis}", [f"--{known}" for known in known_axes])
    for dtype in selection.dtypes:
        known_dtypes = {d for op in operations for d in op.dtypes}
        if dtype not in known_dtypes:
            raise unknown("dtype", dtype, known_dtypes)
    cases = []
    for operation in operations:
        chosen = tuple(v for v in variants if v.operation_key == operation.key)
        cases += [Case(operation, shape, chosen) for shape in _shapes(selection, operation)]
    return cases


def _shapes(selection: Selection, operation: Operation) -> list[Shape]:
    """The preset's shapes with the user's sizes in their place, each dtype asked for, each shape once."""
    asked = {axis: sizes for axis, sizes in selection.axes if axis in operation.axes}
    found: dict[Shape, None] = {}
    presets = operation.presets.get(selection.preset, () if selection.budget().named else ({},))
    if not presets and selection.operations and not selection.budget().named:
        presets = ({},)  # whoever names an operation that this preset leaves out means its usual sizes
    if selection.preset == "small":
        presets = (operation.small,)
    for preset in presets:
        sizes = {axis: asked.get(axis, (int(preset.get(axis, usual)),)) for axis, usual in operation.axes.items()}
        dtypes = selection.dtypes or (str(preset.get("dtype", operation.dtypes[0])),)
        for dtype in dtypes:
            if dtype not in operation.dtypes:
                continue
            for combination in itertools.product(*sizes.values()):
                found[Shape(tuple(zip(sizes, combination, strict=True)), dtype)] = None
    return list(found)


def small_shape(operation: Operation, dtype: str) -> Shape:
    """The shape at which CUDA kernels are simulated."""
    return Shape(tuple((axis, operation.small[axis]) for axis in operation.axes), dtype)


def dtypes_of(cases: Sequence[Case], operation: str) -> list[str]:
    """The dtypes in which an operation (its key) takes part in the cases."""
    return list(dict.fromkeys(c.shape.dtype for c in cases if c.operation.key == operation))
