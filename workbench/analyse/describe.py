"""What each figure is called, where it comes from and in which unit it is shown: once, for every table and axis."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Kind = Literal["measured", "derived", "modelled", ""]
"""measured: by a clock, a counter or the compiler. derived: from measured ones. modelled: from what is declared."""


@dataclass(frozen=True)
class Figure:
    """How one column is shown."""

    label: str
    kind: Kind = ""
    unit: str = ""
    """`s`, `B`, `B/s`, `FLOP/s`, `FLOP` (shown with a prefix), `%` (a share of 1, shown in percent), `x` or none."""
    help: str = ""


FIGURES: dict[str, Figure] = {
    "run": Figure("run"),
    "operation": Figure("operation"),
    "variant": Figure("variant"),
    "rung": Figure("rung", help="position on the ladder, naive to best"),
    "idea": Figure("idea"),
    "shape": Figure("shape"),
    "problem": Figure("shape"),
    "device": Figure("device"),
    "backend": Figure("backend", help="cuda: a GPU; cpu: timed here; emulated: executed for correctness, never timed"),
    "settings": Figure("settings", help="the tunables that were fastest"),
    "status": Figure("status"),
    "reason": Figure("reason"),
    "time.median_s": Figure("time", "measured", "s", "median of the samples"),
    "under_ncu_s": Figure("time under ncu", "measured", "s", "compare launches of one report, never with a sweep"),
    "dram_bytes": Figure("DRAM traffic", "measured", "B"),
    "dram_read_bytes": Figure("DRAM read", "measured", "B"),
    "dram_write_bytes": Figure("DRAM written", "measured", "B"),
    "time.low_s": Figure("low", "measured", "s", "lower end of the median's 95 % interval"),
    "time.high_s": Figure("high", "measured", "s", "upper end of the median's 95 % interval"),
    "time.count": Figure("samples", "measured"),
    "time.timer": Figure("timer", help="two timers are never compared"),
    "time.cache": Figure("cache", help="rotated inputs, cold (L2 flushed) or hot"),
    "error.relative_l2": Figure("error", "measured", "", "worst relative L2 error against float64"),
    "speedup_over_baseline": Figure("speed-up", "derived", "x", "the baseline's time over this one's"),
    "speedup.low": Figure("speed-up low", "derived", "x", "of its 95 % interval"),
    "speedup.high": Figure("speed-up high", "derived", "x", "of its 95 % interval"),
    "share_of_floor": Figure("of floor", "derived", "%", "the least time for what the variant declares, over its time"),
    "share_of_limit": Figure("of limit", "derived", "%", "the least time for any algorithm, over this time"),
    "share_of_ceiling": Figure("of ceiling", "derived", "%", "rate of the busiest resource over its measured ceiling"),
    "bandwidth_bytes_per_s": Figure("bandwidth", "derived", "B/s", "declared bytes over the median time"),
    "flops_per_s": Figure("rate", "derived", "FLOP/s", "declared FLOPs over the median time"),
    "floor_s": Figure("floor", "modelled", "s", "declared work at this run's ceilings"),
    "floor_bound_by": Figure("bound by", "modelled", "", "the resource that sets the floor"),
    "limit_s": Figure("limit", "modelled", "s", "least work of any algorithm at this run's ceilings"),
    "modelled_s": Figure("time", "modelled", "s", "the floor of what the variant declares on that device"),
    "modelled_share_of_limit": Figure("of limit", "modelled", "%", "the limit over the modelled time"),
    "bytes": Figure("bytes", "modelled", "B", "declared"),
    "bytes.declared": Figure("bytes declared", "modelled", "B", "what the variant says it moves"),
    "bytes.least": Figure("bytes least", "modelled", "B", "what any algorithm must move"),
    "bytes.counted": Figure("bytes counted", "measured", "B", "DRAM bytes that the counters saw"),
    "time_a_launch_s": Figure("time a launch", "derived", "s", "median over declared launches"),
    "top_stall": Figure("dominant stall", "measured"),
    "intensity": Figure("intensity FLOP/B", "derived"),
    "estimated_speedup_percent": Figure("estimated gain %", "modelled", "", "NVIDIA's estimate"),
    "launches": Figure("launches", "modelled", "", "declared"),
    "launches.declared": Figure("launches declared", "modelled"),
    "launches.counted": Figure("launches counted", "measured"),
    "serial_steps": Figure("serial steps", "modelled"),
    "arch": Figure("architecture"),
    "registers": Figure("registers", "measured", "", "a thread, from the compiler"),
    "shared_bytes": Figure("shared", "measured", "B", "static and dynamic shared memory a block"),
    "spill_bytes": Figure("spills", "measured", "B", "from the compiler"),
    "occupancy_theoretical": Figure(
        "occupancy", "modelled", "%", "theoretical: resident warps over the most an SM holds"
    ),
    "occupancy_achieved": Figure("achieved", "measured", "%", "warps active on average over the most an SM holds"),
    "occupancy_limiter": Figure("limited by", "modelled"),
    "exponent": Figure("exponent", "derived", "", "of the fitted power law: 1 is linear"),
    "verdict": Figure("verdict"),
    "variant_a": Figure("A"),
    "variant_b": Figure("B"),
    "timer": Figure("timer"),
    "settings_a": Figure("settings of A"),
    "settings_b": Figure("settings of B"),
    "exponent_last": Figure("exponent at the end", "derived", "", "between the two largest sizes alone"),
    "kernel": Figure("kernel"),
    "block_threads": Figure("block", "", "", "threads a block"),
    "stack_bytes": Figure("stack", "measured", "B", "from the compiler"),
    "code_bytes": Figure("code", "measured", "B", "from the compiler"),
    "limiter_by_ncu": Figure("limited by (ncu)", "measured"),
    "top_stall_share": Figure("of the stalls", "measured", "%"),
    "ratio": Figure("ratio", "derived", "x", "B's median over A's: over 1 where B is slower"),
    "low": Figure("low", "derived", "x", "of the ratio's 95 % interval"),
    "high": Figure("high", "derived", "x", "of the ratio's 95 % interval"),
    "median_a_s": Figure("time A", "measured", "s"),
    "median_b_s": Figure("time B", "measured", "s"),
}

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
PREFIXED = ("s", "B", "B/s", "FLOP/s", "FLOP", "exp/s", "/s")
LARGEST = {"s": 1.0}
"""Seconds take no prefix above one: nobody says kiloseconds."""


def figure(column: str) -> Figure:
    """How a column is shown; a column without an entry by its own name."""
    return FIGURES.get(column, Figure(column.replace("_", " ")))


def prefix_of(values: Sequence[float], unit: str) -> tuple[float, str]:
    """The factor and prefix in which most of `values` are numbers between 1 and 1,000: by their median. Where the
    least of them would be under a tenth, by the least: two digits behind a point would show none of its figures."""
    known = sorted(abs(v) for v in values if v and math.isfinite(v))
    if not known or unit not in PREFIXED:
        return 1.0, ""
    found = _prefix_at(known[len(known) // 2], unit)
    return found if known[0] >= 0.1 * found[0] else _prefix_at(known[0], unit)


def _prefix_at(value: float, unit: str) -> tuple[float, str]:
    """The largest prefix in which a value is at least 1."""
    for factor, prefix in PREFIXES:
        if factor <= LARGEST.get(unit, math.inf) and value >= factor:
            return factor, prefix
    return PREFIXES[-1]


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """One figure for a person: `47.2 µs`, `4.13 TB/s`, `69 %`, `2.41x`; `–` where it is missing."""
    if value is None or pd.isna(value):
        return "–"
    if unit == "%":
        return f"{100 * value:.3g} %"
    if unit == "x":
        return f"{value:.3g}x"
    factor, prefix = prefix_of([value], unit)
    scaled = value / factor
    # Four figures before the point come of rounding up, or of a unit that takes no larger prefix.
    number = f"{scaled:,.0f}" if 10**digits - 0.5 <= abs(scaled) < 1e6 else f"{scaled:.{digits}g}"
    return f"{number} {prefix}{unit}".strip()


UNITS_OF_CEILINGS = (
    ("bytes_per_s_", "B/s"),
    ("flops_per_s_", "FLOP/s"),
    ("exp_", "exp/s"),
    ("per_s_", "/s"),
    ("_s_", "s"),
)


def ceiling_text(name: str, value: float) -> str:
    """A ceiling with the unit that its name holds: `exp_per_s` counts exponentials, `launch_s` is a time; a suffix such
    as `_bfloat16` names the dtype."""
    return quantity(value, next((unit for part, unit in UNITS_OF_CEILINGS if part in f"{name}_"), ""))


@dataclass(frozen=True)
class Column:
    """One column of a table that is ready to be shown."""

    name: str
    heading: str
    help: str
    digits: int | None
    """Digits behind the point; None for text, SCIENTIFIC for figures as small as 8e-8."""
    percent: bool = False


def table(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, list[Column]]:
    """The named columns in the unit that suits them, under headings such as `time µs · measured`.

    Columns that a frame lacks, or in which all is missing, are left out: a missing figure is no column of zeros.
    """
    shown: dict[str, Any] = {}
    described: list[Column] = []
    for name in columns:
        if name not in frame.columns or (len(frame) and frame[name].isna().all()):
            continue
        entry = figure(name)
        values = frame[name]
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            numbers = pd.to_numeric(values, errors="coerce") if entry.unit else values
            if numbers.isna().sum() != values.isna().sum() or not entry.unit:
                shown[name] = values.astype("object").where(values.notna(), None)
                described.append(Column(name, entry.label, _help(entry), None))
                continue
            values = numbers
        values = values.astype("float64")
        unit, factor = entry.unit, 1.0
        if entry.unit == "%":
            factor = 0.01
        elif entry.unit in PREFIXED:
            factor, prefix = prefix_of(list(values.dropna()), entry.unit)
            unit = prefix + entry.unit
        shown[name] = values / factor
        if _digits(shown[name]) == 0:  # three figures are told apart by no digit behind the point
            shown[name] = shown[name].round()
        heading = " · ".join(filter(None, (f"{entry.label} {unit}".strip(), entry.kind)))
        digits = _digits(shown[name])
        described.append(Column(name, heading, _help(entry), digits, entry.unit == "%"))
    return pd.DataFrame(shown, index=frame.index), described


SCIENTIFIC = -1
"""Digits of a column whose figures are too small for a fixed point: 8e-8."""


def _help(entry: Figure) -> str:
    return "; ".join(filter(None, (entry.kind, entry.help)))


def _digits(values: pd.Series[Any]) -> int:
    """Digits behind the point that keep three figures of the median that is not zero, and two of the least as far as
    two digits go; none for whole numbers."""
    known = values.dropna().abs()
    known = known[known > 0]
    if known.empty or (known == known.round()).all():
        return 0
    middle, smallest = float(known.median()), float(known.min())
    for digits, least in enumerate((100, 10, 1, 0.1, 0.01, 0.001)):
        if middle >= least:
            return max(digits, 0 if smallest >= 10 else 1 if smallest >= 1 else 2)
    return SCIENTIFIC


def shape_text(shape: str) -> str:
    """`{"B": 4, "T": 64, …}` → `B4 T64 float32`."""
    sizes = json.loads(shape)
    axes = " ".join(f"{name}{sizes[name]}" for name in "BTDHO" if name in sizes)
    others = [f"{name}={size}" for name, size in sizes.items() if name not in (*"BTDHO", "dtype", "regime")]
    return " ".join(filter(None, (axes, *others, str(sizes.get("dtype", "")))))
