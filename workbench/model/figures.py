"""Derived figures: what follows from the facts of records and of their runs. They are computed here, whenever records
are read, and nowhere else.

    device                      the name of the record's machine
    noise_floor                 the A/A spread of its own case there; the machine's where the case has none
    between_runs                what a baseline that was timed twice in the run differed by: its case's, else the median
    rung, idea, baseline        what the run's own slice of the catalogue says of the variant; missing where it has none
    floor_s, floor_bound_by     the least time for what the variant declares to do, at its machine's ceilings
    limit_s                     the least time for any algorithm of the operation: its least work at the same ceilings
    share_of_floor, share_of_limit, share_of_ceiling    floor, limit and the busiest rate's time over the median
    bandwidth_bytes_per_s, flops_per_s                  declared work over the median
    kept_bytes                  what a backward pass needs that the forward pass keeps; missing of a forward pass
    lives_in                    where a cold time's data is: `memory`; missing where that is not known
    hot.lives_in                the nearest level that a hot time's data fits in: `L1`, `L2`, `L3` or `memory`
    hot.share_of_floor, hot.share_of_limit              floor and limit with bytes from the levels that hold them
    over                        why a share is over 100 %; missing where none is by more than OVER
    disturbed                   whether so many of its blocks were disturbed that its time is no sound figure
    speedup_over_baseline, speedup.low, speedup.high    the baseline's median over the record's, with its 95 % interval

A record without a time (incorrect, simulated, unsupported…) keeps its floor and limit, which are bounds, and gets no
rates. Records of older workbenches carry their bounds, as their facts are not enough for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.declare import Shape, operation_key
from workbench.measure.ceilings import MEMORY
from workbench.model.floor import RESOURCES, Limits, limits_of
from workbench.model.levels import cold_rate, fits_in, hot_seconds
from workbench.statistics.intervals import ratio_interval
from workbench.store.record import DISTURBED_SHARE, Machine, Run

T = TypeVar("T")

FIGURES = (
    "device", "noise_floor", "between_runs", "rung", "idea", "baseline", "bandwidth_bytes_per_s", "flops_per_s",
    "share_of_ceiling", "floor_s", "floor_bound_by", "share_of_floor", "limit_s", "share_of_limit", "kept_bytes",
    "lives_in", "hot.lives_in", "hot.share_of_floor", "hot.share_of_limit", "over", "disturbed",
)  # fmt: skip
SPEEDUPS = ("speedup_over_baseline", "speedup.low", "speedup.high")

Column = NDArray[np.float64]


def with_figures(records: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Flat rows of records (views/flat.py) with FIGURES. `runs`: by the value of the column `run`; of a run that is
    not there, machines are known by their ids, and what needs ceilings is missing."""
    place, machines = of_each(records, ("run", "machine"), lambda run, id_: machine_of(runs, run, id_))
    limits_at, limits = of_each(
        records, ("run", "machine", "shape.dtype"), lambda run, id_, dtype: _limits(runs, run, id_, dtype)
    )
    work, least = (_times(records, part, limits_at, limits) for part in ("declared", "least"))
    at_cold = _cold_rates(records, place, machines)
    for part, times in (("declared", work), ("least", least)):
        times[BANDWIDTH] = _over(_numbers(records, f"{part}.bytes"), at_cold)
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
    hot = _hot(records, place, machines, work, least)
    figures: dict[str, Any] = {
        "device": np.array([machine.name for machine in machines], dtype=object)[place],
        **_spreads(records, runs),
        **_catalogue(records, runs),
        "bandwidth_bytes_per_s": _over(_numbers(records, "bytes.declared"), median),
        "flops_per_s": _over(_numbers(records, "flops"), median),
        "share_of_ceiling": _over(busiest, median),
        "floor_s": floor,
        "floor_bound_by": bound_by,
        "share_of_floor": _over(floor, median),
        "limit_s": limit,
        "share_of_limit": _over(limit, median),
        "kept_bytes": np.where((kept := _numbers(records, "declared.kept_bytes")) > 0, kept, np.nan),
        "lives_in": np.where(np.isnan(_numbers(records, "time.working_set_bytes")), None, MEMORY),  # type: ignore[call-overload]
        **hot,
        "disturbed": _numbers(records, "disturbance.disturbed")
        > DISTURBED_SHARE * _numbers(records, "disturbance.blocks"),
    }
    found = records.assign(**figures)
    return found.assign(over=_reasons_for_over(found, place, machines))


OVER = 1.03
"""Shares up to this are 100 % within what clocks and ceilings are good for."""
BANDWIDTH = next(place for place, kind in enumerate(RESOURCES) if kind.name == "bandwidth")


def _cold_rates(records: pd.DataFrame, place: NDArray[np.intp], machines: Sequence[Machine]) -> Column:
    """Bytes per second of memory, for each record's way of keeping its data out of the caches."""
    cold = (records["time.cache"] == "cold").to_numpy(dtype=bool)
    plain, flushed = (
        np.array([_number(cold_rate(machine, cache)) for machine in machines])[place] for cache in ("", "cold")
    )
    return np.where(cold, flushed, plain)


def _hot(
    records: pd.DataFrame, place: NDArray[np.intp], machines: Sequence[Machine], work: Column, least: Column
) -> dict[str, Any]:
    """The figures of hot times: as of cold ones, with bytes from the levels that hold them."""
    median, working_set = _numbers(records, "hot.median_s"), _numbers(records, "hot.working_set_bytes")
    allocated = _numbers(records, "declared.write_allocate")
    levels = np.full(len(records), None, dtype=object)
    for at in np.flatnonzero(~np.isnan(working_set)):
        levels[at] = fits_in(working_set[at], machines[place[at]].caches) or None
    found: dict[str, Any] = {"hot.lives_in": levels}
    none = np.zeros(len(records))
    for part, times, extra, name in (
        ("declared", work, allocated, "hot.share_of_floor"),
        ("least", least, none, "hot.share_of_limit"),
    ):
        moved, hot_times = _numbers(records, f"{part}.bytes"), times.copy()
        for number, machine in enumerate(machines):
            own = place == number
            hot_times[BANDWIDTH, own] = hot_seconds(moved[own], extra[own], working_set[own], machine)
        found[name] = _over(_greatest(hot_times)[0], median)
    return found


SHARES = ("share_of_limit", "share_of_floor", "share_of_ceiling", "hot.share_of_limit", "hot.share_of_floor")
UNEXPLAINED = "not explained: more than the ceilings of this run say that the machine gives"


def _reasons_for_over(
    records: pd.DataFrame, place: NDArray[np.intp], machines: Sequence[Machine]
) -> NDArray[np.object_]:
    """Of each record whose shares pass OVER, why; None of all others."""
    shares = {name: _numbers(records, name) for name in SHARES}
    reasons = np.full(len(records), None, dtype=object)
    over = np.zeros(len(records), dtype=bool)
    for values in shares.values():
        over |= np.nan_to_num(values) > OVER
    for at in np.flatnonzero(over):
        row, machine = records.iloc[at], machines[place[at]]
        passing = [name for name in SHARES if shares[name][at] > OVER]
        reasons[at] = _why_over(row, machine, passing)
    return reasons


def _why_over(row: pd.Series[Any], machine: Machine, passing: Sequence[str]) -> str:
    measured = machine.measurements
    if measured and all(one.under_load for one in measured):
        return "ceilings were measured under load, and are too low"
    if row["backend"] == "cpu" and pd.isna(row["time.working_set_bytes"]):
        return "the inputs may lie in a cache, and these ceilings are those of memory"
    if row["backend"] == "cuda":
        return "outputs may stay in L2, and these ceilings are those of memory"
    high = {name: row["hot.high_s" if name.startswith("hot") else "time.high_s"] for name in passing}
    median = {name: row["hot.median_s" if name.startswith("hot") else "time.median_s"] for name in passing}
    if all(row[name] * median[name] <= OVER * high[name] for name in passing):
        return "within the 95 % interval of the time"
    if all("limit" not in name for name in passing):
        return "the variant declares more bytes or operations than it needs"
    return UNEXPLAINED


def of_each(records: pd.DataFrame, names: Sequence[str], of: Callable[..., T]) -> tuple[NDArray[np.intp], list[T]]:
    """What `of` makes of each different combination of these columns, and which of them each record has."""
    places, first = np.zeros(len(records), dtype=np.intp), np.zeros(0, dtype=np.intp)
    for name in names:
        own, values = pd.factorize(records[name], use_na_sentinel=False)
        _, first, places = np.unique(places * max(len(values), 1) + own, return_index=True, return_inverse=True)
    return places, [of(*values) for values in records[list(names)].iloc[first].itertuples(index=False, name=None)]


def machine_of(runs: Mapping[str, Run], run: str, id_: object) -> Machine:
    """That of a record, by what stands in its column, which a broken file leaves empty."""
    known = id_ if isinstance(id_, str) else ""
    return runs[run].machine(known) if run in runs else Machine(id=known, name=known)


def _spreads(records: pd.DataFrame, runs: Mapping[str, Run]) -> dict[str, Any]:
    """By how much times of the same code differ, relative: within the run, and between two of them."""

    def spread(run: str, id_: str, operation: str, pass_: str, shape: str) -> tuple[float, float]:
        machine = machine_of(runs, run, id_)
        case = case_of(operation, pass_, shape) if machine.spreads or machine.between_runs else ""
        typical = float(np.median(list(machine.between_runs.values()))) if machine.between_runs else None
        return (
            _number(machine.spreads.get(case, machine.noise_floor)),
            _number(machine.between_runs.get(case, typical)),
        )

    place, found = of_each(records, ("run", "machine", "operation", "pass", "shape"), spread)
    each = np.array(found, dtype=float).reshape(-1, 2)[place]
    return {"noise_floor": each[:, 0], "between_runs": each[:, 1]}


def case_of(operation: str, pass_: str, shape: str) -> str:
    """The case of a record, as a machine's spreads name it, from the JSON of its shape."""
    sizes = json.loads(shape)
    axes = tuple((name, size) for name, size in sizes.items() if isinstance(size, int))
    return f"{operation_key(operation, pass_)} {Shape(axes, str(sizes.get('dtype', 'float32')))}"


def _limits(runs: Mapping[str, Run], run: str, id_: str, dtype: str) -> Limits:
    """The limits that hold for a record: those of its machine, in its dtype."""
    return limits_of(machine_of(runs, run, id_).ceilings, dtype)


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
    place, found = of_each(records, names, lambda *key: known.get(key, (None, None, None)))
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
