"""Derived figures: what follows from the facts of records and of their runs. They are computed here, whenever records
are read, and nowhere else.

    device                      the name of the record's machine
    noise_floor                 that machine's
    rung, idea, baseline        what the run's own slice of the catalogue says of the variant; missing where it has none
    floor_s, floor_bound_by     the least time for what the variant declares to do, at its machine's ceilings
    limit_s                     the least time for any algorithm of the operation: its least work at the same ceilings
    share_of_floor, share_of_limit, share_of_ceiling    floor, limit and the busiest rate's time over the median
    bandwidth_bytes_per_s, flops_per_s                  declared work over the median
    speedup_over_baseline, speedup.low, speedup.high    the baseline's median over the record's, with its 95 % interval

A record without a time (incorrect, simulated, unsupported…) keeps its floor and limit, which are bounds, and gets no
rates. Records of older workbenches carry their bounds, as their facts are not enough for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.model.floor import RESOURCES, Limits, limits_of
from workbench.statistics.intervals import ratio_interval
from workbench.store.record import Machine, Run

T = TypeVar("T")

FIGURES = (
    "device", "noise_floor", "rung", "idea", "baseline", "bandwidth_bytes_per_s", "flops_per_s", "share_of_ceiling",
    "floor_s", "floor_bound_by", "share_of_floor", "limit_s", "share_of_limit",
)  # fmt: skip
SPEEDUPS = ("speedup_over_baseline", "speedup.low", "speedup.high")

Column = NDArray[np.float64]


def with_figures(records: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Flat rows of records (views/flat.py) with FIGURES. `runs`: by the value of the column `run`; of a run that is
    not there, machines are known by their ids, and what needs ceilings is missing."""
    place, machines = _each(records, ("run", "machine"), lambda run, id_: _machine(runs, run, id_))
    limits_at, limits = _each(
        records, ("run", "machine", "shape.dtype"), lambda run, id_, dtype: _limits(runs, run, id_, dtype)
    )
    work, least = (_times(records, part, limits_at, limits) for part in ("declared", "least"))
    rates = [place for place, kind in enumerate(RESOURCES) if kind.is_rate]
    floor, bound_by = _greatest(work)
    limit, _ = _greatest(least)
    busiest, _ = _greatest(work[rates])
    recorded = _numbers(records, "bounds.floor_s"), _numbers(records, "bounds.limit_s")
    floor, limit = (np.where(np.isnan(old), new, old) for old, new in zip(recorded, (floor, limit), strict=True))
    busiest_before = _numbers(records, "bounds.busiest_s")
    busiest = np.where(np.isnan(busiest_before), busiest, busiest_before)
    before = records["bounds.floor_bound_by"].to_numpy(dtype=object)
    bound_by = np.where(pd.isna(before), bound_by, before)
    median = _numbers(records, "time.median_s")
    figures: dict[str, Any] = {
        "device": np.array([machine.name for machine in machines], dtype=object)[place],
        "noise_floor": np.array([_number(machine.noise_floor) for machine in machines])[place],
        **_catalogue(records, runs),
        "bandwidth_bytes_per_s": _over(_numbers(records, "bytes.declared"), median),
        "flops_per_s": _over(_numbers(records, "flops"), median),
        "share_of_ceiling": _over(busiest, median),
        "floor_s": floor,
        "floor_bound_by": bound_by,
        "share_of_floor": _over(floor, median),
        "limit_s": limit,
        "share_of_limit": _over(limit, median),
    }
    return records.assign(**figures)


def _each(records: pd.DataFrame, names: tuple[str, ...], of: Callable[..., T]) -> tuple[NDArray[np.intp], list[T]]:
    """What `of` makes of each different combination of these columns, and which of them each record has."""
    places, different = pd.MultiIndex.from_frame(records[list(names)]).factorize()
    return places, [of(*values) for values in different]


def _machine(runs: Mapping[str, Run], run: str, id_: str) -> Machine:
    return runs[run].machine(id_) if run in runs else Machine(id=str(id_), name=str(id_))


def _limits(runs: Mapping[str, Run], run: str, id_: str, dtype: str) -> Limits:
    """The limits that hold for a record: those of its machine, in its dtype."""
    return limits_of(_machine(runs, run, id_).ceilings, dtype)


def _times(records: pd.DataFrame, part: str, place: NDArray[np.intp], limits: Sequence[Limits]) -> NDArray[np.float64]:
    """Seconds that each resource needs at least for the declared or the least work: a row per resource. NaN where it
    has nothing to do or its limit is not known."""
    times = []
    for kind in RESOURCES:
        work = _numbers(records, f"{part}.{kind.work}")
        rate = np.array([_number(getattr(one, kind.limit) or None) for one in limits])[place]
        times.append(np.where(work > 0, work / rate if kind.is_rate else work * rate, np.nan))
    return np.array(times)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _greatest(times: NDArray[np.float64]) -> tuple[Column, NDArray[np.object_]]:
    """The greatest of each column, and the name of the resource it belongs to; None where there is none."""
    filled = np.where(np.isnan(times), -1.0, times)
    value = filled.max(axis=0, initial=-1.0)
    names = np.array([*(kind.name for kind in RESOURCES), None], dtype=object)
    return np.where(value < 0, np.nan, value), names[np.where(value < 0, len(RESOURCES), filled.argmax(axis=0))]


def _catalogue(records: pd.DataFrame, runs: Mapping[str, Run]) -> dict[str, Any]:
    known = {
        (name, operation.name, operation.pass_, variant.name): (
            variant.rung,
            variant.idea,
            operation.baseline == variant.name,
        )
        for name, run in runs.items()
        for operation in run.catalogue
        for variant in operation.variants
    }
    names = ("run", "operation", "pass", "variant")
    place, found = _each(records, names, lambda *key: known.get(key, (None, None, None)))
    rung, idea, baseline = zip(*found, strict=True) if found else ((), (), ())
    return {
        "rung": pd.array(rung, dtype="Int64")[place],
        "idea": pd.array(idea, dtype="str")[place],
        "baseline": pd.array(baseline, dtype="boolean")[place],
    }


def _numbers(records: pd.DataFrame, name: str) -> Column:
    return np.asarray(pd.to_numeric(records[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan))


def _over(value: Column, base: Column) -> Column:
    found: Column = np.divide(value, base, out=np.full(len(base), np.nan), where=base > 0)
    return found


# ------------------------------------------------------------------------------------------------------ speed-ups


def with_speedups(rows: pd.DataFrame, same: Sequence[str]) -> pd.DataFrame:
    """The rows with SPEEDUPS, against the baseline's row (column `baseline`) that agrees in all columns of `same`;
    missing where there is none."""
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
    values = pd.DataFrame(found, index=rows.index, columns=list(SPEEDUPS), dtype="Float64")
    return rows.drop(columns=[name for name in SPEEDUPS if name in rows]).join(values)


def _ratio(baseline: Any, samples: Any) -> tuple[float | None, float | None]:
    """Interval of the variant's median over the baseline's, where both kept their samples."""
    if baseline is None or samples is None or len(baseline) < 2 or len(samples) < 2:
        return None, None
    return ratio_interval(baseline, samples)
