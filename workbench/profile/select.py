"""Which records of a run are worth a profile, as a small JSON file that travels to the node that has ncu."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN
from workbench.declare import variant_key
from workbench.problem import Problem, unknown
from workbench.store.record import Record, Status
from workbench.store.run_folder import RunFolder

PASSES = 75
"""How often ncu replays a launch for the default sections: 74 on a V100 (`profiler__replayer_passes`)."""
SECONDS_A_LAUNCH = 0.4
"""What ncu spends around the replays of one launch: saving memory, flushing, evaluating rules."""
BUDGET_S = 60.0
"""Seconds under ncu that one variant may take unless told otherwise: some 100 launches."""


@dataclass(frozen=True)
class Wanted:
    """What to profile; whatever is empty selects by itself."""

    operations: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    axes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    dtypes: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    budget_s: float = BUDGET_S


@dataclass(frozen=True)
class Selected:
    records: tuple[Record, ...]
    left_out: tuple[str, ...]
    """Variants with no record that fits the budget, a sentence each."""
    seconds: float
    """What all of it is estimated to take under ncu."""


def select(folder: RunFolder, wanted: Wanted) -> Selected:
    """The best setting of each variant, at the run's largest shape that fits the budget.

    Axes that are named select every such shape instead, and keys are taken as they are. Raises Problem where the
    run holds nothing that ncu could profile, or the words select nothing.
    """
    records = folder.records()
    eligible = [r for r in records if r.backend == "cuda" and r.status is Status.OK and r.operation != "unnamed"]
    if not eligible:
        raise Problem(_nothing_to_profile(folder, records))
    if wanted.keys:
        by_key = {record.key: record for record in eligible}
        for key in wanted.keys:
            if key not in by_key:
                raise unknown("key", key, by_key)
        chosen = [by_key[key] for key in wanted.keys]
        return Selected(tuple(chosen), (), sum(map(seconds_under_ncu, chosen)))
    for axis, _ in wanted.axes:
        if not any(axis in record.shape for record in eligible):
            raise unknown("axis", f"--{axis}", [f"--{known}" for known in _axes(eligible)])
    pool = [record for record in eligible if _matches(record, wanted)]
    if not pool:
        raise Problem(_no_match(wanted, eligible))
    chosen, left_out = [], []
    for name, group in _by_variant(pool).items():
        fitting = [record for record in group if seconds_under_ncu(record) <= wanted.budget_s]
        if not fitting:
            quickest = min(group, key=seconds_under_ncu)
            left_out.append(
                f"{name}: {quickest.declared.launches or 1:,} launches at its quickest shape take about "
                f"{seconds_under_ncu(quickest):,.0f} s under ncu; raise --budget to profile it"
            )
        else:
            chosen += _best_of(fitting, every_shape=bool(wanted.axes))
    if not chosen:
        raise Problem(f"nothing fits --budget {wanted.budget_s:g}: {left_out[0]}")
    return Selected(tuple(chosen), tuple(left_out), sum(map(seconds_under_ncu, chosen)))


def seconds_under_ncu(record: Record) -> float:
    """A rough estimate, for the budget: ncu takes about half a second a launch and replays it 75 times."""
    launches = record.declared.launches or 1
    once = record.time.median_s if record.time else 0.0
    return launches * SECONDS_A_LAUNCH + PASSES * once


def _nothing_to_profile(folder: RunFolder, records: Sequence[Record]) -> str:
    backends = sorted({record.backend for record in records})
    if not records:
        return f"{folder.path}: the run has no records yet; sweep first: workbench sweep"
    if "cuda" not in backends:
        return (
            f"{folder.path}: its records are of backend {', '.join(backends)}, and ncu sees kernels on a GPU only; "
            "sweep on a machine with one"
        )
    return f"{folder.path}: no variant came out right on the GPU there; workbench list shows why not"


def _matches(record: Record, wanted: Wanted) -> bool:
    name = variant_key(record.operation, record.variant, record.pass_)
    return (
        (not wanted.operations or record.operation in wanted.operations)
        and (not wanted.variants or record.variant in wanted.variants or name in wanted.variants)
        and (not wanted.dtypes or record.shape.get("dtype") in wanted.dtypes)
        and (not wanted.passes or record.pass_ in wanted.passes)
        and all(record.shape[axis] in sizes for axis, sizes in wanted.axes if axis in record.shape)
    )


def _no_match(wanted: Wanted, eligible: Sequence[Record]) -> str:
    known = {"operation": {r.operation for r in eligible}, "variant": {r.variant for r in eligible}}
    for word in wanted.operations:
        if word not in known["operation"]:
            return str(unknown("operation", word, known["operation"]))
    for word in wanted.variants:
        names = (
            known["variant"] if "/" not in word else {variant_key(r.operation, r.variant, r.pass_) for r in eligible}
        )
        if word not in names:
            return str(unknown("variant", word, names))
    for axis, sizes in wanted.axes:
        had = sorted({int(r.shape[axis]) for r in eligible if axis in r.shape})
        if not set(sizes) & set(had):
            return f"--{axis} {','.join(map(str, sizes))}: the run has {axis} = {', '.join(map(str, had))}"
    return "no record of the run has all that was asked for; ask for less, or see workbench report RUN"


def _axes(records: Sequence[Record]) -> list[str]:
    return sorted({axis for record in records for axis, size in record.shape.items() if isinstance(size, int)})


def _by_variant(records: Sequence[Record]) -> Mapping[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(variant_key(record.operation, record.variant, record.pass_), []).append(record)
    return groups


def _best_of(records: Sequence[Record], every_shape: bool) -> list[Record]:
    """Of each shape the fastest record; only the largest shape's unless every one is wanted."""
    fastest: dict[str, Record] = {}
    for record in sorted(records, key=_median_s):
        fastest.setdefault(json.dumps([record.shape, record.pass_], sort_keys=True), record)
    if every_shape:
        return list(fastest.values())
    return [max(fastest.values(), key=_size)]


def _median_s(record: Record) -> float:
    return record.time.median_s if record.time else float("inf")


def _size(record: Record) -> int:
    """How large a shape is: the bytes that any algorithm moves, else the product of its axes."""
    if record.least.bytes is not None:
        return record.least.bytes
    product = 1
    for size in record.shape.values():
        product *= size if isinstance(size, int) else 1
    return product


# ------------------------------------------------------------------------------------------- the file that travels


def selection_text(folder: RunFolder, records: Sequence[Record]) -> str:
    """The JSON that `workbench.profile.replay` reads; plain data, so that its node needs none of the packages
    that records are made of."""
    kernels = str(folder.run.selection.get("kernels", ""))
    if Path(kernels) == BUILTIN:
        kernels = ""  # the built-in folder is wherever the checkout of the other node is
    items: list[dict[str, Any]] = [
        {
            "key": record.key,
            "operation": record.operation,
            "variant": record.variant,
            "pass": record.pass_,
            "settings": dict(record.settings),
            "axes": {axis: size for axis, size in record.shape.items() if axis not in ("dtype", "regime")},
            "dtype": record.shape["dtype"],
        }
        for record in records
    ]
    return json.dumps({"run": folder.run.name, "kernels": kernels, "items": items}, indent=1) + "\n"


def write_selection(folder: RunFolder, records: Sequence[Record], cache: Path) -> Path:
    """The file, named after what is in it, so that a printed command stays true."""
    text = selection_text(folder, records)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = cache / f"{folder.run.name}-{digest}.json"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = cache / f".{path.name}.{os.getpid()}"
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        raise Problem(
            f"{path}: cannot be written ({error.strerror}); name a writable folder in WORKBENCH_CACHE"
        ) from None
    return path
