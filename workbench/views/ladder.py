"""The ladder: the variants of an operation from naive to best, with what each rung moved.

Rows come from records; `modelled.py` has the ladder of a device that was never measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from workbench.declare import FORWARD, variant_key
from workbench.model.rungs import LAST, Rung
from workbench.statistics.intervals import ratio_interval
from workbench.store.record import Record
from workbench.views.best import PROBLEM, best_settings

COMPARABLE = (*PROBLEM, "time.timer", "time.cache")
"""Times are compared only where all of these agree; two timers never are."""


def frame_of(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a frame with the dotted columns of the store; an empty frame still has them all."""
    from workbench.store.frame import record_to_row

    rows = [record_to_row(record) for record in records]
    return with_columns(pd.DataFrame(rows))


def with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column that a record can have; those it lacked are all missing."""
    lacking = [name for name in columns() if name not in frame.columns]
    return frame.assign(**dict.fromkeys(lacking)) if lacking else frame


def columns() -> tuple[str, ...]:
    """Every column of a record's row but the axes of its shape, which differ between operations."""
    from workbench.store.frame import record_to_row

    blank = Record(key="x", operation="x", variant="x", shape={}, device="x", backend="cpu", status="ok")  # type: ignore[arg-type]
    return tuple(record_to_row(blank))


def ladder(records: pd.DataFrame, known: Mapping[str, Rung]) -> pd.DataFrame:
    """One row per variant (its best setting), operation by operation, shape by shape, in rung order.

    Adds `rung`, `idea`, `baseline`, the build's facts of the kernel that
    limits it, and the speed-up over the baseline with its 95 % interval (`speedup_over_baseline`, `speedup.low`,
    `speedup.high`), which is missing where the baseline has no time by the same timer on the same device.
    """
    rows = best_settings(with_columns(records)).copy()
    names = map(variant_key, rows["operation"], rows["variant"], rows["pass"])
    places = [known.get(name, Rung(LAST, "", False)) for name in names]
    rows["rung"] = [place.rung for place in places]
    rows["idea"] = [place.idea for place in places]
    rows["baseline"] = [place.baseline for place in places]
    rows = _with_speedups(rows)
    facts = pd.DataFrame([build_summary(text) for text in rows["build"]], index=rows.index, columns=BUILD_COLUMNS)
    rows = pd.concat([rows, facts], axis=1)
    order = {name: place for place, name in enumerate(dict.fromkeys(key.partition("/")[0] for key in known))}
    rows["_operation"] = rows["operation"].map(order).fillna(len(order))
    rows["_later"] = rows["pass"] != FORWARD
    order_by = ["_operation", "operation", "_later", "pass", "shape", "device", "rung", "variant"]
    rows = rows.sort_values(order_by, kind="stable")
    return rows.drop(columns=["_operation", "_later"]).reset_index(drop=True)


def _with_speedups(rows: pd.DataFrame) -> pd.DataFrame:
    same = [*COMPARABLE, *(["run"] if "run" in rows else [])]
    places = list(zip(*(rows[name] for name in same), strict=True))
    timed = list(zip(places, rows["baseline"], rows["time.median_s"], rows["samples_s"], strict=True))
    baselines = {place: (median, samples) for place, first, median, samples in timed if first and pd.notna(median)}
    found: list[tuple[float | None, float | None, float | None]] = []
    for place, _, median, samples in timed:
        if pd.notna(median) and place in baselines:
            low, high = _ratio(baselines[place][1], samples)
            found.append((baselines[place][0] / median, 1 / high if high else None, 1 / low if low else None))
        else:
            found.append((None, None, None))
    values = pd.DataFrame(found, index=rows.index, columns=SPEEDUPS, dtype="Float64")
    return rows.drop(columns=[name for name in SPEEDUPS if name in rows]).join(values)


SPEEDUPS = ["speedup_over_baseline", "speedup.low", "speedup.high"]


def _ratio(baseline: Any, samples: Any) -> tuple[float | None, float | None]:
    """Interval of the variant's median over the baseline's, where both kept their samples."""
    if baseline is None or samples is None or len(baseline) < 2 or len(samples) < 2:
        return None, None
    return ratio_interval(baseline, samples)


BUILD_COLUMNS = ("arch", "registers", "shared_bytes", "spill_bytes", "occupancy_theoretical", "occupancy_limiter")


def build_summary(text: str | None) -> tuple[Any, ...]:
    """Of a record's build facts, those of the kernel with the lowest theoretical occupancy on its first architecture,
    in the order of BUILD_COLUMNS; all None where nothing was built."""
    facts = json.loads(text) if isinstance(text, str) else []
    if not facts:
        return (None,) * len(BUILD_COLUMNS)
    first = [fact for fact in facts if fact["arch"] == facts[0]["arch"]]

    def occupancy(fact: dict[str, Any]) -> float:
        value = fact.get("occupancy_theoretical")
        return 2.0 if value is None else float(value)

    worst = min(first, key=occupancy)
    return tuple(worst.get(name) for name in BUILD_COLUMNS)
