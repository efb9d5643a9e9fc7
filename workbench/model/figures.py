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

A record without a time (incorrect, emulated, unsupported…) keeps its floor and limit, which are bounds, and gets no
rates. Records of older workbenches carry their bounds, as their facts are not enough for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.model.floor import RESOURCES, Limits, limits_of
from workbench.statistics.intervals import ratio_interval
from workbench.store.record import Run

FIGURES = (
    "device", "noise_floor", "rung", "idea", "baseline", "bandwidth_bytes_per_s", "flops_per_s", "share_of_ceiling",
    "floor_s", "floor_bound_by", "share_of_floor", "limit_s", "share_of_limit",
)  # fmt: skip
SPEEDUPS = ("speedup_over_baseline", "speedup.low", "speedup.high")

Column = NDArray[np.float64]


def with_figures(records: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Flat rows of records (views/flat.py) with FIGURES. `runs`: by the value of the column `run`; of a run that is
    not there, machines are known by their ids, and what needs ceilings is missing."""
    places = [runs[run].machine(id_) if run in runs else None
              for run, id_ in zip(records["run"], records["machine"], strict=True)]  # fmt: skip
    limits = _limits(records, runs)
    work, least = (_times(records, part, limits) for part in ("declared", "least"))
    rates = [place for place, kind in enumerate(RESOURCES) if kind.is_rate]
    floor, bound_by = _greatest(work)
    limit, _ = _greatest(least)
    busiest, _ = _greatest(work[rates])
    recorded = _numbers(records, "bounds.floor_s"), _numbers(records, "bounds.limit_s")
    floor, limit = (np.where(np.isnan(old), new, old) for old, new in zip(recorded, (floor, limit), strict=True))
    busiest_before = _numbers(records, "bounds.busiest_s")
    busiest = np.where(np.isnan(busiest_before), busiest, busiest_before)
    bound_by = [old if isinstance(old, str) else new
                for old, new in zip(records["bounds.floor_bound_by"], bound_by, strict=True)]  # fmt: skip
    median = _numbers(records, "time.median_s")
    figures: dict[str, Any] = {
        "device": [id_ if of is None else of.name for of, id_ in zip(places, records["machine"], strict=True)],
        "noise_floor": np.array([np.nan if p is None or p.noise_floor is None else p.noise_floor for p in places]),
        **_catalogue(records, runs),
        "bandwidth_bytes_per_s": _over(_numbers(records, "bytes.declared"), median),
        "flops_per_s": _over(_numbers(records, "flops"), median),
        "share_of_ceiling": _over(busiest, median),
        "floor_s": floor,
        "floor_bound_by": np.array(bound_by, dtype=object),
        "share_of_floor": _over(floor, median),
        "limit_s": limit,
        "share_of_limit": _over(limit, median),
    }
    return records.assign(**figures)


def _limits(records: pd.DataFrame, runs: Mapping[str, Run]) -> list[Limits]:
    """The limits that hold for each record: those of its machine, in its dtype."""
    found: dict[tuple[str, str, str], Limits] = {}
    places = list(zip(records["run"], records["machine"], records["shape.dtype"], strict=True))
    for place in dict.fromkeys(places):
        run, machine, dtype = place
        found[place] = limits_of(runs[run].machine(machine).ceilings, dtype) if run in runs else Limits()
    return [found[place] for place in places]


def _times(records: pd.DataFrame, part: str, limits: Sequence[Limits]) -> NDArray[np.float64]:
    """Seconds that each resource needs at least for the declared or the least work: a row per resource. NaN where it
    has nothing to do or its limit is not known."""
    times = []
    for kind in RESOURCES:
        work = _numbers(records, f"{part}.{kind.work}")
        rate = np.array([getattr(one, kind.limit) or np.nan for one in limits], dtype=float)
        times.append(np.where(work > 0, work / rate if kind.is_rate else work * rate, np.nan))
    return np.array(times)


def _greatest(times: NDArray[np.float64]) -> tuple[Column, list[str | None]]:
    """The greatest of each column, and the resource it belongs to."""
    filled = np.where(np.isnan(times), -1.0, times)
    place, value = filled.argmax(axis=0), filled.max(axis=0, initial=-1.0)
    names: list[str | None] = [RESOURCES[p].name if v >= 0 else None for p, v in zip(place, value, strict=True)]
    return np.where(value < 0, np.nan, value), names


def _catalogue(records: pd.DataFrame, runs: Mapping[str, Run]) -> dict[str, Any]:
    known = {
        (name, operation.name, variant.name): (variant.rung, variant.idea, operation.baseline == variant.name)
        for name, run in runs.items()
        for operation in run.catalogue
        for variant in operation.variants
    }
    places = zip(records["run"], records["operation"], records["variant"], strict=True)
    found = [known.get(place, (None, None, None)) for place in places]
    rung, idea, baseline = zip(*found, strict=True) if found else ((), (), ())
    return {
        "rung": pd.array(rung, dtype="Int64"),
        "idea": pd.array(idea, dtype="str"),
        "baseline": pd.array(baseline, dtype="boolean"),
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
