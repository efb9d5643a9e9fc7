"""The registry of figures: what each is called, where it comes from, its unit and meaning, and the tables it stands in.

Command line, pages, report and docs read it, so that a figure has one name everywhere and a new one is one entry: it
appears, in the order of this file, in every table that it names and whose frame has its column, or what `of` makes it
from. Figures of Nsight Compute are those of profile/metrics.json, taken in below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from workbench.profile.metrics import figures as counter_figures
from workbench.quantity import MISSING, quantity
from workbench.views.shapes import shape_text

Origin = Literal["measured", "simulated", "derived", "modelled", ""]
"""measured: by a clock, a counter or the compiler. simulated: counted where the compiled kernel was executed on the
host. derived: from measured ones. modelled: from what is declared. Empty: no figure but a name or a word."""


@dataclass(frozen=True)
class Figure:
    """One figure, or one name or word that tables show."""

    name: str
    """Its column in frames, records and JSON."""
    title: str
    origin: Origin = ""
    unit: str = ""
    """`s`, `B`, `B/s`, `FLOP/s`, `FLOP` (shown with a prefix), `%` (a share of 1, shown in percent), `x`, another word
    or none."""
    meaning: str = ""
    tables: tuple[str, ...] = ()
    """Tables it stands in: keys of TABLES."""
    of: Callable[[pd.DataFrame], pd.Series[Any]] | None = None
    """Makes it from other columns of a frame that lacks it."""
    text: Callable[[Any], str] | None = None
    """How a value is written where it is neither a number nor a word."""


TABLES = {
    "ladder": "the ladder, of variants with a time",
    "untimed": "the ladder, of variants without one",
    "terminal": "the ladder that `workbench sweep` prints",
    "modelled": "the ladder of a device that was not measured",
    "bandwidth": "the page Bandwidth",
    "occupancy": "the page Occupancy",
    "kernel": "the page Kernel",
    "launches": "the page Time",
    "simulated": "simulated variants: the page Ladder",
    "simulated_terminal": "simulated variants: what `workbench sweep` prints",
    "simulated_kernels": "simulated kernels: the pages Occupancy and Time",
    "simulated_bytes": "simulated variants: the page Bandwidth",
    "lines": "the source view of the page Kernel",
    "counters": "simulated counters: the page Kernel",
    "exponents": "the page Scaling",
    "pairs": "the page Compare",
    "history": "the page History",
    "runs": "the page Runs",
    "effects": "the page Ablation: what a factor does",
    "joint": "the page Ablation: what two factors do to each other",
    "tried": "the page Ablation: settings that were tried",
    "ranks": "the page Distributed: where each rank's time went",
    "arrivals": "the page Distributed: who is waited for",
    "links": "the page Distributed: what passing bytes costs",
    "carries": "the page Distributed: states passed between blocks of time",
    "planned": "the page Distributed, and `workbench plan`: more ranks than there are",
    "scaled": "the page Distributed: the same training on several numbers of ranks",
    "report": "the page Report: kernels by time",
    "report_rules": "the page Report: NVIDIA's rules",
    "report_pairs": "two reports: their kernels",
    "measured_lines": "the source view of an imported report's kernels",
}


def settings_text(settings: str | dict[str, object]) -> str:
    """`{"block": 128}`, or its JSON → `block=128`."""
    plain = json.loads(settings) if isinstance(settings, str) else settings
    return " ".join(f"{name}={value}" for name, value in plain.items())


def _interval(rows: pd.DataFrame) -> pd.Series[Any]:
    both = zip(rows["time.low_s"], rows["time.high_s"], strict=True)
    texts = [f"{quantity(low, 's')} – {quantity(high, 's')}" if low == low else None for low, high in both]
    return pd.Series(texts, index=rows.index, dtype="object")


def _rate(rows: pd.DataFrame) -> pd.Series[Any]:
    arithmetic = rows["floor_bound_by"].isin(("matrix", "flops"))
    each = zip(arithmetic, rows["flops_per_s"], rows["bandwidth_bytes_per_s"], strict=True)
    texts = [quantity(flops, "FLOP/s") if own else quantity(moved, "B/s") for own, flops, moved in each]
    return pd.Series([None if text == MISSING else text for text in texts], index=rows.index, dtype="object")


def _disturbance(rows: pd.DataFrame) -> pd.Series[Any]:
    columns = ("disturbance.disturbed", "disturbance.blocks", "disturbance.repeated", "disturbance.reasons")
    texts = [disturbance_text(*values) for values in zip(*(rows[name] for name in columns), strict=True)]
    return pd.Series(texts, index=rows.index, dtype="object")


def disturbance_text(disturbed: Any, blocks: Any, repeated: Any, reasons: Any) -> str | None:
    """`5 of 14 blocks: waited for a core`; None where nothing was, or nobody looked."""
    if pd.isna(blocks) or not (disturbed or repeated):
        return None
    why = f": {reasons}" if isinstance(reasons, str) and reasons else ""
    if disturbed:
        return f"{int(disturbed)} of {int(blocks)} blocks{why}"
    return f"none of {int(blocks)} blocks, {int(repeated)} taken again{why}"


def _time_per_launch(rows: pd.DataFrame) -> pd.Series[Any]:
    launches = pd.to_numeric(rows["launches.declared"], errors="coerce").astype("Float64")
    return rows["time.median_s"].astype("Float64") / launches.where(launches > 0)


ENTRIES = (
    # What a row is about.
    Figure("verdict", "verdict", meaning="slower, faster or the same beyond doubt, else undecided",
           tables=("pairs", "effects", "joint")),
    Figure("disturbed", "disturbed", meaning="sides that were timed while others used the machine", tables=("pairs",)),
    Figure("operation", "operation", meaning="what is computed"),
    Figure("variant", "variant", meaning="one way to compute it",
           tables=("ladder", "untimed", "terminal", "modelled", "bandwidth", "occupancy", "launches", "exponents",
                   "simulated", "simulated_terminal", "simulated_kernels", "simulated_bytes", "report", "tried")),
    Figure("variant_a", "A", tables=("pairs",)),
    Figure("variant_b", "B", tables=("pairs",)),
    Figure("kernel", "kernel",
           tables=("occupancy", "kernel", "simulated_kernels", "counters", "report", "report_rules", "report_pairs")),
    Figure("created", "date", meaning="when the run began", tables=("history", "runs"),
           text=lambda at: str(at)[:16].replace("T", " ")),
    Figure("commit", "commit", meaning="of the kernels, or of the workbench; `+`: with changed files",
           tables=("history", "runs")),
    Figure("host", "host", meaning="the machine's own name", tables=("history", "runs")),
    Figure("shape", "shape", meaning="size of every axis, and dtype", text=shape_text,
           tables=("untimed", "bandwidth", "pairs", "tried")),
    Figure("run", "run", tables=("ladder", "untimed", "bandwidth", "launches", "history", "runs", "tried")),
    Figure("device", "device", tables=("ladder", "bandwidth", "launches", "exponents", "history", "runs")),
    Figure("backend", "backend", tables=("untimed",),
           meaning="cuda: a GPU; cpu: timed here; simulated: executed as compiled, never timed"),
    Figure("arch", "architecture", tables=("untimed", "occupancy", "kernel")),
    Figure("state", "state", meaning="finished, still growing or cut off, or corrupt", tables=("runs",)),
    Figure("records", "records", meaning="variants at a shape each", tables=("runs",)),
    Figure("timed", "with a time", meaning="records with one", tables=("runs",)),
    Figure("rung", "rung", meaning="position on the ladder, naive to best"),
    Figure("status", "status", meaning="only ok has times",
           tables=("ladder", "untimed", "terminal", "simulated", "simulated_terminal")),
    # Times.
    Figure("time.median_s", "time", "measured", "s", "median of the samples",
           ("ladder", "terminal", "bandwidth", "launches", "history")),
    Figure("time.low_s", "low", "measured", "s", "lower end of the median's 95 % interval", ("ladder", "history")),
    Figure("time.high_s", "high", "measured", "s", "upper end of the median's 95 % interval", ("ladder", "history")),
    Figure("level", "level", "derived", "s", "median over the runs between two steps", ("history",)),
    Figure("time.interval", "95 % interval", "measured", meaning="of the median", tables=("terminal",), of=_interval),
    Figure("hot.median_s", "time hot", "measured", "s",
           "median with its data in the caches, which the evaluation before has left there", ("ladder", "terminal")),
    Figure("hot.lives_in", "fits in", "derived", meaning="the nearest cache that holds what the variant touches",
           tables=("ladder", "terminal")),
    Figure("duration_s", "time under ncu", "measured", "s",
           "under the profiler, which flushes caches: compare launches of one report, never with a sweep",
           ("launches", "report")),
    Figure("share_of_report", "% of the report", "derived", "%", "time under ncu over all launches'", ("report",)),
    Figure("binds", "bound by", "derived",
           meaning="the resource used most, where over 60 % of its peak; else latency: warps wait", tables=("report",)),
    Figure("binds_share", "% of its peak", "measured", "%", "of the resource used most", ("report",)),
    Figure("median_a_s", "time A", "measured", "s", "median of the samples", ("pairs",)),
    Figure("median_b_s", "time B", "measured", "s", "median of the samples", ("pairs",)),
    Figure("ratio", "B ÷ A", "derived", "x", "ratio of the medians: over 1 where B is slower", ("pairs",)),
    Figure("low", "low", "derived", "x", "of the ratio's 99 % interval", ("pairs",)),
    Figure("high", "high", "derived", "x", "of the ratio's 99 % interval", ("pairs",)),
    Figure("resolution", "resolution", "derived", "%", "the sides differ by no more, beyond doubt", ("pairs",)),
    Figure("factor", "factor", tables=("effects", "joint")),
    Figure("from", "from", meaning="level of the factor: that of the lower rung", tables=("effects", "joint")),
    Figure("to", "to", meaning="the other level", tables=("effects", "joint")),
    Figure("with", "with", meaning="the other factor", tables=("joint",)),
    Figure("at", "at", meaning="the shape that was run", tables=("counters",)),
    Figure("effect", "effect", "derived", "x",
           "time with the second level over that with the first, all other factors the same: geometric mean of pairs",
           ("effects",)),
    Figure("effect_low", "effect low", "derived", "x", "of its 95 % interval", ("effects",)),
    Figure("effect_high", "effect high", "derived", "x", "of its 95 % interval", ("effects",)),
    Figure("effect_least", "least effect", "derived", "x", "of a pair", ("effects",)),
    Figure("effect_most", "largest effect", "derived", "x", "of a pair", ("effects",)),
    Figure("level_at", "at", meaning="level of the other factor", tables=("joint",)),
    Figure("effect_at", "effect there", "derived", "x", "of the factor, at that level of the other", ("joint",)),
    Figure("level_other", "and at", meaning="another level of it", tables=("joint",)),
    Figure("effect_at_other", "its effect there", "derived", "x", "of the factor, at that other level", ("joint",)),
    Figure("joint", "joint effect", "derived", "x", "the second of these effects over the first: 1 where alike",
           ("joint",)),
    Figure("joint_low", "joint effect low", "derived", "x", "of its 95 % interval", ("joint",)),
    Figure("joint_high", "joint effect high", "derived", "x", "of its 95 % interval", ("joint",)),
    Figure("pairs", "pairs", meaning="that differ in this factor alone, within a run", tables=("effects", "joint")),
    Figure("shapes", "shapes", meaning="that they stand at", tables=("effects",)),
    Figure("variants", "variants", meaning="that the pairs are of", tables=("effects",)),
    Figure("speedup_over_baseline", "speed-up", "derived", "x", "the baseline's time over this one's",
           ("ladder", "terminal")),
    Figure("speedup.low", "speed-up low", "derived", "x", "of its 95 % interval"),
    Figure("speedup.high", "speed-up high", "derived", "x", "of its 95 % interval"),
    Figure("noise_floor", "noise (A/A)", "measured", "%",
           "what 95 % of the comparisons of the baseline with itself stay within", ("runs",)),
    Figure("between_runs", "noise between runs", "measured", "%",
           "what a baseline differed by that was timed twice in the run: the median of them", ("runs",)),
    Figure("disturbed_share", "% disturbed", "measured", "%", "of the times: taken while others used the machine",
           ("runs",)),
    Figure("tags", "tags", meaning="words that somebody gave it", tables=("runs",)),
    Figure("note", "note", meaning="what somebody wrote of it, or what is wrong with it", tables=("runs",)),
    # How far from what could be.
    Figure("rate", "rate", "derived", meaning="bytes per second, or FLOPs per second where arithmetic sets the floor",
           tables=("terminal",), of=_rate),
    Figure("share_of_ceiling", "% of peak rate", "derived", "%",
           "rate of the busiest resource over what this run measured that resource to give",
           ("ladder", "terminal", "bandwidth")),
    Figure("share_of_floor", "% of its own model", "derived", "%",
           "the floor, the least time for what the variant declares, over its time",
           ("ladder", "terminal", "bandwidth")),
    Figure("modelled_s", "floor", "modelled", "s", "least time for what the variant declares, on that device",
           ("modelled",)),
    Figure("floor_s", "floor", "modelled", "s", "least time for what the variant declares, at this run's ceilings"),
    Figure("floor_bound_by", "bound by", "modelled", "", "the resource that sets the floor",
           ("ladder", "terminal", "modelled", "bandwidth")),
    Figure("share_of_limit", "% of the best possible", "derived", "%",
           "the limit, the least time for any algorithm, over this time", ("ladder", "terminal", "bandwidth")),
    Figure("hot.share_of_limit", "% of the best possible hot", "derived", "%",
           "the limit with bytes from the caches that hold them, over the hot time", ("ladder",)),
    Figure("over", "over 100 %", "derived", meaning="why a share is over 100 %", tables=("ladder", "bandwidth")),
    Figure("modelled_share_of_limit", "% of the best possible", "modelled", "%", "the limit over the floor",
           ("modelled",)),
    Figure("limit_s", "limit", "modelled", "s", "least time for any algorithm, at this run's ceilings"),
    Figure("bandwidth_bytes_per_s", "bandwidth", "derived", "B/s", "declared bytes over the time",
           ("ladder", "bandwidth")),
    Figure("flops_per_s", "arithmetic rate", "derived", "FLOP/s", "declared FLOPs over the time",
           ("ladder", "bandwidth")),
    Figure("intensity", "intensity", "derived", "FLOP/B", "FLOPs per byte", ("bandwidth",)),
    # What moves.
    Figure("bytes", "bytes declared", "modelled", "B", "what the variant says it moves", ("modelled",)),
    Figure("bytes.least", "bytes least", "modelled", "B", "what any algorithm must move", ("bandwidth",)),
    Figure("bytes.declared", "bytes declared", "modelled", "B", "what the variant says it moves",
           ("ladder", "untimed", "bandwidth")),
    Figure("kept_bytes", "bytes kept", "modelled", "B",
           "what the forward pass keeps in memory for a backward pass, as the variant says", ("ladder", "untimed")),
    Figure("bytes.counted", "bytes counted", "measured", "B", "DRAM bytes that the counters saw",
           ("ladder", "bandwidth", "report")),
    Figure("launches", "launches declared", "modelled", tables=("modelled",)),
    Figure("launches.declared", "launches declared", "modelled", tables=("ladder", "untimed", "launches")),
    Figure("launches.counted", "launches counted", "measured", meaning="kernels that the profiler saw",
           tables=("ladder", "launches", "report")),
    Figure("time_per_launch_s", "time per launch", "derived", "s", "time over declared launches", ("launches",),
           _time_per_launch),
    Figure("serial_steps", "serial steps", "modelled", meaning="longest chain of dependent steps",
           tables=("modelled",)),
    # What was compiled, and what an SM holds of it.
    Figure("registers", "registers", "measured", meaning="per thread, from the compiler",
           tables=("untimed", "occupancy", "kernel", "report")),
    Figure("shared_bytes", "shared memory", "measured", "B", "static and dynamic, per block",
           ("untimed", "occupancy", "kernel")),
    Figure("spill_bytes", "spills", "measured", "B", "from the compiler", ("untimed", "occupancy", "kernel")),
    Figure("stack_bytes", "stack", "measured", "B", "from the compiler", ("occupancy", "kernel")),
    Figure("code_bytes", "code", "measured", "B", "from the compiler", ("occupancy", "kernel")),
    Figure("block_threads", "block", meaning="threads per block", tables=("occupancy", "kernel")),
    Figure("occupancy_theoretical", "occupancy theoretical", "modelled", "%",
           "resident warps over the most an SM holds", ("ladder", "untimed", "occupancy", "kernel")),
    Figure("occupancy_limiter", "limited by", "modelled", meaning="what keeps more warps from being resident",
           tables=("untimed", "occupancy", "kernel")),
    Figure("occupancy_achieved", "occupancy achieved", "measured", "%",
           "warps active on average over the most an SM holds", ("ladder", "occupancy", "report")),
    Figure("limiter_by_ncu", "limited by (ncu)", "measured", tables=("occupancy",)),
    Figure("top_stall", "dominant stall", "measured", meaning="what warps waited for most",
           tables=("launches", "report")),
    Figure("top_stall_share", "% of the stalls", "measured", "%", "share of the dominant one", ("launches", "report")),
    Figure("estimated_speedup_percent", "estimated gain %", "modelled", meaning="NVIDIA's estimate"),
    Figure("title", "rule", meaning="of Nsight Compute", tables=("report_rules",)),
    Figure("gain_of_report", "% of the report gained", "derived", "%",
           "NVIDIA's estimate for the kernel, times the kernel's share of the report", ("report_rules",)),
    Figure("estimated_gain", "estimated gain %", "modelled", "%", "NVIDIA's estimate, of what the scope says",
           ("report_rules",)),
    Figure("speedup_type", "scope", meaning="global: of the kernel; local: of the part that the rule looks at",
           tables=("report_rules",)),
    Figure("message", "message", tables=("report_rules",)),
    # Two reports.
    Figure("matched_by", "matched by", meaning="what the kernels of A and B have in common", tables=("report_pairs",)),
    Figure("launches_a", "launches A", "measured", tables=("report_pairs",)),
    Figure("launches_b", "launches B", "measured", tables=("report_pairs",)),
    Figure("duration_a_s", "time A under ncu", "measured", "s", "per launch; no time of a sweep", ("report_pairs",)),
    Figure("duration_b_s", "time B under ncu", "measured", "s", "per launch; no time of a sweep", ("report_pairs",)),
    Figure("group", "group", meaning="what it is about"),
    Figure("value_a", "A", "measured", meaning="mean per launch"),
    Figure("value_b", "B", "measured", meaning="mean per launch"),
    Figure("b_over_a", "B ÷ A", "derived", "x", "of one counter or duration", ("report_pairs",)),
    Figure("differing", "figures apart", "derived", meaning="by more than 2 %", tables=("report_pairs",)),
    # What machine code did where it was executed on the host: views/simulated.py.
    Figure("grid", "grid", meaning="blocks", tables=("simulated_kernels",)),
    Figure("simulated.floor_s", "floor of counted resources", "modelled", "s",
           "least time for what was counted, at the rates of the named GPU",
           ("simulated", "simulated_terminal", "simulated_kernels")),
    Figure("simulated.bound_by", "bound by", "modelled", "", "the counted resource that sets this floor",
           ("simulated", "simulated_terminal", "simulated_kernels")),
    Figure("simulated.share_of_limit", "% of the best possible", "modelled", "%",
           "time of the least bytes over this floor", ("simulated", "simulated_terminal")),
    Figure("simulated.bytes_declared", "bytes declared", "modelled", "B", "what the variant says it moves",
           ("simulated", "simulated_terminal", "simulated_bytes")),
    Figure("simulated.bytes", "bytes", "simulated", "B",
           "DRAM bytes by the model of caches, cold at each launch: a lower bound for a kernel",
           ("simulated", "simulated_bytes")),
    Figure("simulated.over_declared", "bytes ÷ declared", "simulated", "x",
           "DRAM bytes by the model of caches over what is declared, where caches were modelled",
           ("simulated", "simulated_terminal", "simulated_bytes")),
    Figure("simulated.sectors_per_load", "sectors per load", "simulated", "",
           "32-byte sectors that a warp's load of global memory touches: 4 where 32 lanes read float32 side by side",
           ("simulated", "simulated_terminal", "simulated_kernels", "simulated_bytes")),
    Figure("simulated.sectors_per_store", "sectors per store", "simulated", "", "the same of stores",
           ("simulated", "simulated_kernels", "simulated_bytes")),
    Figure("simulated.excess", "% excess sectors", "simulated", "%",
           "sectors that the same bytes would not need if they stood side by side",
           ("simulated", "simulated_kernels", "simulated_bytes")),
    Figure("simulated.conflicts", "% bank conflicts", "simulated", "%",
           "wavefronts of shared memory that conflicts of banks alone cause",
           ("simulated", "simulated_terminal", "simulated_kernels")),
    Figure("simulated.instructions", "warp instructions", "simulated", "", "executed, over all launches",
           ("simulated", "simulated_kernels")),
    Figure("simulated.instructions_per_element", "instructions per element", "simulated", "",
           "executed thread instructions over the elements of the largest output",
           ("simulated", "simulated_terminal", "simulated_kernels")),
    Figure("simulated.lanes", "lanes at work", "simulated", "", "of 32, per executed instruction",
           ("simulated", "simulated_kernels")),
    Figure("simulated.registers", "registers", "measured", "", "per thread, from the compiler: the kernel with most",
           ("simulated",)),
    Figure("simulated.occupancy", "occupancy theoretical", "modelled", "%", "of the kernel with least",
           ("simulated", "simulated_terminal", "simulated_kernels")),
    Figure("simulated.waves", "waves", "modelled", "", "blocks over what all SMs of the GPU hold at once",
           ("simulated", "simulated_kernels")),
    Figure("simulated.launches", "launches", "simulated", "", "kernels that were launched",
           ("simulated", "simulated_terminal")),
    Figure("simulated.arch", "simulated for", meaning="architecture of the machine code", tables=("simulated",)),
    Figure("simulated.gpu", "GPU", meaning="whose caches, SMs and rates are modelled", tables=("simulated",)),
    Figure("simulated.at", "what was run", meaning="all blocks of the shape, samples of them, or a smaller shape",
           tables=("simulated", "simulated_terminal", "simulated_kernels", "simulated_bytes")),
    Figure("simulated.finding", "finding", meaning="where what was simulated contradicts what is declared",
           tables=("simulated", "simulated_bytes")),
    Figure("simulated.reason", "not counted", meaning="why", tables=("simulated", "simulated_bytes")),
    Figure("file", "file", tables=("lines", "measured_lines")),
    Figure("line", "line", tables=("lines", "measured_lines")),
    Figure("address", "address", meaning="bytes into the machine code, hexadecimal; of PTX its line",
           tables=("lines", "measured_lines")),
    Figure("instructions_of_line", "instructions", meaning="machine instructions of it", tables=("measured_lines",)),
    Figure("ncu.executed", "executed", "measured", "", "times that warps executed it", ("measured_lines",)),
    Figure("ncu.threads", "threads", "measured", "", "lanes over all executions", ("measured_lines",)),
    Figure("ncu.sectors", "sectors", "measured", "", "of global memory", ("measured_lines",)),
    Figure("ncu.excess", "excess", "measured", "", "sectors beyond the ideal of the same bytes", ("measured_lines",)),
    Figure("ncu.wavefronts", "wavefronts", "measured", "", "of shared memory", ("measured_lines",)),
    Figure("ncu.conflicts", "conflicts", "measured", "", "wavefronts beyond the ideal", ("measured_lines",)),
    Figure("ncu.samples", "samples", "measured", "", "in which a warp was found there", ("measured_lines",)),
    Figure("ncu.stall", "waited for", "measured", meaning="the reason that most of its samples give",
           tables=("measured_lines",)),
    Figure("executed", "executed", "simulated", "", "times that warps executed it", ("lines",)),
    Figure("threads", "threads", "simulated", "", "lanes over all executions", ("lines",)),
    Figure("sectors", "sectors", "simulated", "", "of global memory", ("lines",)),
    Figure("excess", "excess", "simulated", "", "sectors beyond those of the same bytes side by side", ("lines",)),
    Figure("wavefronts", "wavefronts", "simulated", "", "of shared memory", ("lines",)),
    Figure("conflicts", "conflicts", "simulated", "", "wavefronts that bank conflicts cause", ("lines",)),
    Figure("text", "", tables=("lines", "measured_lines")),
    Figure("counter", "counter", meaning="Nsight Compute's name", tables=("counters",)),
    Figure("value", "value", "simulated", tables=("counters",)),
    Figure("ncu.value", "value", "measured", meaning="over all launches of the kernel"),
    Figure("unit", "unit", tables=("counters",)),
    Figure("standing", "standing", meaning="how far it can be held against a measured one", tables=("counters",)),
    # Training on several ranks.
    Figure("scheme", "scheme", meaning="how a training is laid over ranks", tables=("planned", "scaled")),
    Figure("rank", "rank", meaning="one process of a training", tables=("ranks", "arrivals")),
    Figure("ranks", "ranks", meaning="processes of a training", tables=("planned", "scaled")),
    Figure("traced_s", "traced", "measured", "s", "from the first event of the rank's trace to the end of its last",
           ("ranks",)),
    Figure("computing", "% computing", "measured", "%", "operators on the host, or kernels where there are any",
           ("ranks",)),
    Figure("exposed", "% exposed communication", "measured", "%",
           "communication share: communication that nothing hides", ("ranks",)),
    Figure("bubble", "% bubble", "measured", "%", "a pipeline's stage without a part to work on", ("ranks",)),
    Figure("host_share", "% host", "measured", "%", "none of these: Python between operators, reading data",
           ("ranks",)),
    Figure("overlap", "% overlap", "measured", "%", "communication that computing hides, of all its communication",
           ("ranks",)),
    Figure("bubble_of_steps", "% bubble of steps", "measured", "%", "of the pipeline's own steps", ("ranks",)),
    Figure("bubble_modelled", "% bubble of steps", "modelled", "%", "(P - 1) / (K + P - 1) of P stages and K parts",
           ("ranks",)),
    Figure("last", "came last", "measured", meaning="to how many collectives of all ranks", tables=("arrivals",)),
    Figure("collectives", "of collectives", "measured", tables=("arrivals",),
           meaning="those that every rank took part in equally often"),
    Figure("late_s", "then late by", "measured", "s", "median, after the first that came", ("arrivals",)),
    Figure("collective", "collective", tables=("links",)),
    Figure("alpha_s", "α", "measured", "s", "per hop, fitted to the medians of several sizes", ("links",)),
    Figure("alpha_low_s", "α low", "measured", "s", "of its 95 % interval", ("links",)),
    Figure("alpha_high_s", "α high", "measured", "s", "of its 95 % interval", ("links",)),
    Figure("link_bandwidth", "1 ÷ β", "measured", "B/s",
           "a link's bandwidth, fitted likewise; missing where more bytes cost no more", ("links",)),
    Figure("link_bandwidth_low", "1 ÷ β low", "measured", "B/s", "of its 95 % interval", ("links",)),
    Figure("link_bandwidth_high", "1 ÷ β high", "measured", "B/s", "of its 95 % interval", ("links",)),
    Figure("fit_worst", "% worst of the fit", "derived", "%", "largest difference from a median that it was fitted to",
           ("links",)),
    Figure("carry", "carry", meaning="how a state passes between blocks of time", tables=("carries",)),
    Figure("state_bytes", "state", "", "B", "bytes of one state", ("carries",)),
    Figure("taken_in", "taken in", meaning="a measurement of the links alone, or the training's own steps",
           tables=("carries",)),
    Figure("carry_s", "carry time", "measured", "s", "median; in steps from when the last rank came", ("carries",)),
    Figure("carry_modelled_s", "carry time", "modelled", "s", "hops times α and bytes times β", ("carries",)),
    Figure("planned_s", "step", "modelled", "s", "on equal ranks, with nothing in anybody's way", ("planned",)),
    Figure("planned_compute_s", "computing", "modelled", "s", "of one rank, per step", ("planned",)),
    Figure("planned_passing_s", "exposed communication", "modelled", "s", "of one rank, per step", ("planned",)),
    Figure("planned_bubble_s", "bubble", "modelled", "s", "of one rank, per step", ("planned",)),
    Figure("planned_waiting_s", "waiting for the slowest", "modelled", "s",
           "from how unevenly recorded steps took", ("planned",)),
    Figure("planned_efficiency", "% efficiency", "modelled", "%",
           "strong: one rank's time over ranks times this; weak: over this", ("planned",)),
    Figure("misfit", "does not fit", meaning="what there is less of than ranks", tables=("planned",)),
    Figure("step_s", "step", "measured", "s", "median, of the slowest rank in each", ("scaled",)),
    Figure("step_low_s", "step low", "measured", "s", "of its 95 % interval, over steps", ("scaled",)),
    Figure("step_high_s", "step high", "measured", "s", "of its 95 % interval, over steps", ("scaled",)),
    Figure("efficiency", "% efficiency", "measured", "%",
           "strong: the fewest ranks' time over P of theirs; weak: over this", ("scaled",)),
    Figure("efficiency_low", "% efficiency low", "measured", "%", "of its 95 % interval", ("scaled",)),
    Figure("efficiency_high", "% efficiency high", "measured", "%", "of its 95 % interval", ("scaled",)),
    # How it was measured.
    Figure("error.relative_l2", "error", "measured", meaning="worst relative L2 error against float64",
           tables=("ladder", "untimed")),
    Figure("exponent", "exponent", "derived", meaning="of the fitted power law: 1 is linear", tables=("exponents",)),
    Figure("exponent_last", "exponent at the end", "derived", meaning="between the two largest sizes alone",
           tables=("exponents",)),
    Figure("sizes", "sizes", meaning="points that the fit stands on", tables=("exponents",)),
    Figure("settings", "settings", meaning="the tunables that were fastest", text=settings_text,
           tables=("ladder", "untimed", "terminal", "bandwidth", "tried")),
    Figure("settings_a", "settings of A", text=settings_text, tables=("pairs",)),
    Figure("settings_b", "settings of B", text=settings_text, tables=("pairs",)),
    Figure("time.timer", "timer", "measured", meaning="two timers are never compared", tables=("ladder",)),
    Figure("timer", "timer", meaning="two timers are never compared", tables=("pairs",)),
    Figure("time.cache", "cache", "measured", meaning="cold: flushed before each; rotated: several sets in turn",
           tables=("ladder",)),
    Figure("time.count", "samples", "measured", tables=("ladder",)),
    Figure("disturbance", "disturbed", "measured",
           meaning="blocks of samples during which others took cores, caches or clock", tables=("ladder",),
           of=_disturbance),
    Figure("seconds", "time while tuning", "measured", "s",
           "of an evaluation once warm: good for choosing settings, and no time", ("tried",)),
    Figure("over_best", "over the best", "derived", "x", "of that variant at that shape", ("tried",)),
    Figure("is_chosen", "chosen", meaning="whether the variant was timed with them", tables=("tried",)),
    Figure("idea", "idea", tables=("ladder", "untimed", "modelled")),
    Figure("reason", "reason", meaning="why there is no time, or no verdict",
           tables=("ladder", "untimed", "modelled", "pairs")),
)  # fmt: skip

FIGURES: dict[str, Figure] = {entry.name: entry for entry in ENTRIES}
"""Every figure by name, in the order in which tables show them."""
for _one in counter_figures().values():
    FIGURES.setdefault(_one.name, Figure(_one.name, _one.title, "measured", _one.unit, _one.meaning))


def figure(name: str) -> Figure:
    """A figure by its name; a column without an entry by its own name."""
    return FIGURES.get(name) or Figure(name, name.replace("_", " "))


def columns_of(*tables: str) -> list[str]:
    """The figures of a table, or of several as one."""
    return [entry.name for entry in FIGURES.values() if any(table in entry.tables for table in tables)]


def with_derived(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The frame with those of the named figures that it lacks and that can be made from its columns."""
    made = {}
    for name in names:
        make = figure(name).of
        if make is not None and name not in frame:
            try:
                made[name] = make(frame)
            except KeyError:  # a column that it is made from is not there: the figure is missing
                continue
    return frame.assign(**made) if made else frame


def heading(name: str, prefix: str = "") -> str:
    """`time µs · measured`: title, unit and origin, as a table has it."""
    entry = figure(name)
    unit = "" if entry.unit == "%" and "%" in entry.title else f"{prefix}{entry.unit}"
    return " · ".join(filter(None, (f"{entry.title} {unit}".strip(), entry.origin)))


def value_text(name: str, value: Any) -> str:
    """One value of a figure for a person; `–` where it is missing."""
    entry = figure(name)
    if entry.text is not None and isinstance(value, str | dict):
        return entry.text(value)
    if isinstance(value, str):
        return value
    return quantity(None if pd.isna(value) else float(value), entry.unit)


def sentence(name: str, value: Any) -> str:
    """A value with its name and origin: `69 % of its own model (derived)`, `bandwidth 1.2 TB/s (derived)`."""
    entry = figure(name)
    text = value_text(name, value)
    words = f"{text} {entry.title.removeprefix('% ')}" if entry.title.startswith("% ") else f"{entry.title} {text}"
    return f"{words} ({entry.origin})" if entry.origin else words


def explained(names: Iterable[str]) -> str:
    """What figures mean, as the line below a table says it."""
    return " · ".join(f"{figure(name).title}: {figure(name).meaning}" for name in names)
