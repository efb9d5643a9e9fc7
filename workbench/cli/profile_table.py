"""Tables and sentences of a profile, for the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from workbench.catalog import Catalog
from workbench.cli.terminal import Column, Row, print_table, say
from workbench.profile.advice import advise
from workbench.profile.derived import Derived, derive
from workbench.profile.diagnosis import binding, by_kernel, diagnosis
from workbench.profile.import_report import Imported, names_of
from workbench.profile.kernel_names import short_name, told_apart
from workbench.profile.metrics import absent_figures, figures_of, old_names
from workbench.quantity import quantity
from workbench.store.launch import Launch, Rule
from workbench.store.record import Record, Work
from workbench.store.run_folder import open_run

RULES_SHOWN = 3
"""Results of NVIDIA's rules shown for each record, its first sentences; all of them are kept in the run."""
RECORDS_SHOWN = 20
"""Records shown, those that took longest; all of them are kept in the run."""
MISSING_SHOWN = 8
KERNELS_SHOWN = 8
"""Kernels shown of one record; all of them are kept in the run."""
Launched = Mapping[str, Sequence[Launch]]
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


HEADINGS = ("kernel", "launches", "time under ncu", "registers", "occupancy", "DRAM", "bandwidth", "bound by", "stalls")


def print_profile(records: Sequence[Record], derived: Mapping[str, Derived], launches: Launched) -> None:
    """A row per record: what ran, how full the chip was, what crossed DRAM, and the first two stalls. A record of
    several kernels has a row for each of them below its own."""
    table = []
    names = names_of(records)
    for record in records:
        table.append(Row((names[record.key], *_cells(derived[record.key], launches[record.key]))))
        kernels = told_apart(launch.demangled for launch in launches[record.key])
        for kernel, short in list(kernels.items())[:KERNELS_SHOWN] if len(kernels) > 1 else []:
            own = [launch for launch in launches[record.key] if launch.demangled == kernel]
            table.append(Row((f"  {short}", *_cells(derive(bare(record), own, {}), own)), {0: "dim"}))
        if len(kernels) > KERNELS_SHOWN:
            more = f"  … {len(kernels) - KERNELS_SHOWN} kernels more"
            table.append(Row((more, *[""] * (len(HEADINGS) - 1)), {0: "dim"}))
    columns = [Column(name, breaks=name in ("bound by", "stalls")) for name in HEADINGS]
    print_table("", columns, table)


def bare(record: Record) -> Record:
    """The record without what it declares and took as a whole: one of its kernels cannot be held against that."""
    return record.model_copy(update={"time": None, "declared": Work(), "least": Work(), "build": []})


def _cells(one: Derived, launches: Sequence[Launch]) -> tuple[str, ...]:
    stalls = ", ".join(f"{reason} {quantity(share, '%')}" for reason, share in leading_stalls(one))
    return (
        _launches(one),
        _figure(one, "duration_s", "s") or _missing(launches, "duration_s"),
        _figure(one, "registers", "") or _missing(launches, "registers"),
        _occupancy(one) or _missing(launches, "occupancy_achieved", "occupancy_theoretical"),
        _traffic(one) or _missing(launches, "dram_bytes", "dram_read_bytes", "dram_write_bytes"),
        _bandwidth(one) or "missing",
        bound.words if (bound := binding(one.figures)) else "missing",
        stalls or "missing",
    )


def _missing(launches: Sequence[Launch], *names: str) -> str:
    """`missing`, or of how many launches where others have one of the figures: a sum over those is not the whole."""
    lacking = sum(not any(name in figures_of(launch) for name in names) for launch in launches)
    return "missing" if lacking == len(launches) else f"missing in {lacking:,} of {len(launches):,}"


def leading_stalls(one: Derived, count: int = 2) -> list[tuple[str, float]]:
    """The greatest reasons why warps wait (to issue is no waiting)."""
    return [(reason, share) for reason, share in one.stalls if reason not in ("selected", "not selected")][:count]


def _figure(one: Derived, name: str, unit: str) -> str:
    value = one.figures.get(name)
    return "" if value is None else quantity(value, unit)


def _launches(one: Derived) -> str:
    if one.launches_declared is None:
        return f"{one.launches_counted:,}"
    return f"{one.launches_counted:,} of {one.launches_declared:,} declared"


def _occupancy(one: Derived) -> str:
    achieved, theoretical = one.occupancy_achieved, one.occupancy_theoretical
    if achieved is None or theoretical is None:
        one_of = [(achieved, "achieved"), (theoretical, "theoretical")]
        return next((f"{quantity(value, '%')} {word}" for value, word in one_of if value is not None), "")
    limiter = f" ({one.occupancy_limiter})" if one.occupancy_limiter else ""
    return f"{quantity(achieved, '%')} of {quantity(theoretical, '%')}{limiter}"


def _traffic(one: Derived) -> str:
    if one.dram_bytes is None:
        parts = [(one.figures.get(f"dram_{way}_bytes"), word) for way, word in (("read", "read"), ("write", "written"))]
        return ", ".join(f"{quantity(value, 'B')} {word}" for value, word in parts if value is not None)
    ratio = f", {quantity(one.bytes_over_declared, 'x')} declared" if one.bytes_over_declared is not None else ""
    least = f", {quantity(one.bytes_over_least, 'x')} least" if one.bytes_over_least is not None else ""
    return quantity(one.dram_bytes, "B") + ratio + least


def _bandwidth(one: Derived) -> str:
    if one.bandwidth_bytes_per_s is None:
        return ""
    share = "" if one.share_of_ceiling is None else f", {quantity(one.share_of_ceiling, '%')} of {one.ceiling_from}"
    return quantity(one.bandwidth_bytes_per_s, "B/s") + share


def leading_rules(launches: Sequence[Launch], count: int = RULES_SHOWN) -> list[Rule]:
    """What NVIDIA's rules found in these launches, each rule once, the greatest estimated speed-up first."""
    first: dict[tuple[str, str], Rule] = {}
    for launch in launches:
        for rule in launch.rules:
            if rule.kind in ("optimization", "warning", "error"):
                known = first.setdefault((rule.rule, rule.title), rule)
                if (rule.estimated_speedup_percent or 0) > (known.estimated_speedup_percent or 0):
                    first[rule.rule, rule.title] = rule
    return sorted(first.values(), key=lambda rule: rule.estimated_speedup_percent or 0, reverse=True)[:count]


def rule_line(rule: Rule) -> str:
    """`NVIDIA, up to 25 % (local): title. What is wrong.`"""
    gain = "" if rule.estimated_speedup_percent is None else f", up to {rule.estimated_speedup_percent:.0f} %"
    scope = f" ({rule.speedup_type})" if gain and rule.speedup_type else ""
    title = f"{rule.title}. " if rule.title else ""
    sentences = SENTENCE.split(" ".join(rule.message.split()))
    return f"NVIDIA{gain}{scope}: {title}{sentences[0]}"


def print_imported(source: str, imported: Imported, catalog: Catalog) -> None:
    """What an import brought: the table, then for each record its contradictions, the workbench's advice and
    NVIDIA's rules; then what is missing and what was left out."""
    everything = [launch for launches in imported.launches.values() for launch in launches]
    counts = (
        f"{_several(len(everything), 'launch', 'launches')} in {_several(len(imported.records), 'record', 'records')}"
    )
    say(f"{source}: {counts} on {everything[0].device}, {imported.metrics:,} metrics\n")
    run = open_run(imported.run).run
    ceilings = {r.key: run.machine(r.machine).ceilings for r in imported.records}
    derived = {r.key: derive(r, imported.launches[r.key], ceilings[r.key]) for r in imported.records}
    longest = sorted(imported.records, key=lambda r: derived[r.key].figures.get("duration_s", 0.0), reverse=True)
    keys = {record.key for record in longest[:RECORDS_SHOWN]}
    shown = [record for record in imported.records if record.key in keys]
    print_profile(shown, derived, imported.launches)
    if len(shown) < len(imported.records):
        say(f"… and {len(imported.records) - len(shown):,} records that took less time")
    for record in shown:
        launches = imported.launches[record.key]
        lines = [f"declaration contradicted: {line}" for line in derived[record.key].contradictions]
        for kernel, own in by_kernel(launches).items():
            lines += [f"{short_name(kernel)}: {text}" for text in diagnosis(own)]
        lines += advise(record, launches, ceilings[record.key], catalog)
        lines += [rule_line(rule) for rule in leading_rules(launches)]
        if lines:
            say(f"\n{record.key}", style="bold")
        for line in lines:
            say(f"  {line}")
    _print_missing(everything)
    if imported.home:
        say(f"\nits ranges are those of run {imported.home}: --run {imported.home} joins them to its records")
    if imported.outside:
        left_out = _several(imported.outside, "launch lies", "launches lie")
        say(f"\n{left_out} in no range of a record of this run, and did not join")
    kept = "is there already, in" if imported.already else "kept in"
    say(f"\n{kept} {imported.run}; look at it with: workbench dashboard")


def _several(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _print_missing(launches: Sequence[Launch]) -> None:
    """What no launch has; of what only some lack, the rows say so."""
    old = old_names(launches)
    if old:
        say(f"\nits metrics have the names of ncu before 2021 ({', '.join(old[:3])}): some figures have none")
    groups, single = absent_figures(launches)
    missing = ([f"all of {', '.join(groups)}"] if groups else []) + single[:MISSING_SHOWN]
    if missing:
        more = f" and {len(single) - MISSING_SHOWN} more" if len(single) > MISSING_SHOWN else ""
        names = "; ".join(missing)
        say(f"\nnot in this report: {names}{more} (--json names the metrics; ncu --set full collects them)")


def as_json(imported: Imported, catalog: Catalog) -> list[dict[str, Any]]:
    """The same for a program, a dictionary per record."""
    run = open_run(imported.run).run
    rows = []
    for record in imported.records:
        ceilings = run.machine(record.machine).ceilings
        launches = imported.launches[record.key]
        rows.append(
            {
                "key": record.key,
                "kernels": [launch.demangled for launch in launches],
                **asdict(derive(record, launches, ceilings)),
                "diagnosis": {kernel: diagnosis(own) for kernel, own in by_kernel(launches).items()},
                "advice": advise(record, launches, ceilings, catalog),
                "rules": [{"launch": n, **asdict(rule)} for n, launch in enumerate(launches) for rule in launch.rules],
            }
        )
    return rows
