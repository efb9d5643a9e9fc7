"""The ladder of a run as a person reads it in a terminal, and as JSON."""

from __future__ import annotations

import json

import pandas as pd

from workbench.cli.terminal import Column, Row, print_table, say
from workbench.declare import operation_key
from workbench.measure.caches import LEVELS
from workbench.measure.ceilings import BANDWIDTHS, at_level, fastest
from workbench.model.figures import FIGURES, OVER, SPEEDUPS
from workbench.quantity import MISSING
from workbench.show.figures import columns_of, explained, figure, sentence, value_text, with_derived
from workbench.show.tables import ceiling_text
from workbench.show.trust import doubts
from workbench.store.record import UNTIMED, BuildFact, Record
from workbench.store.run_folder import RunFolder
from workbench.views.shapes import shape_text

STYLE = {"ok": "green", "unsupported": "dim"}


WORDS = ("floor_bound_by", "simulated.bound_by")
"""Figures that are words."""
LARGE = {"samples_s", "executed"}
"""What JSON on the terminal leaves out of a record."""


def print_ladder(folder: RunFolder) -> None:
    """Timed variants of each operation and shape from naive to best, then what CUDA variants compile to."""
    rows = _rows(folder)
    timed = rows[~rows["backend"].isin(UNTIMED)]
    for (name, pass_, shape, device), group in timed.groupby(["operation", "pass", "shape", "device"], sort=False):
        _timed_table(operation_key(str(name), str(pass_)), str(shape), str(device), group)
    records = {record.key: record for record in folder.records()}
    untimed = rows[rows["backend"].isin(UNTIMED)]
    places = ["operation", "pass", "shape", "backend", "device"]
    for (name, pass_, shape, how, device), group in untimed.groupby(places, sort=False):
        operation, own = operation_key(str(name), str(pass_)), [records[key] for key in group["key"]]
        _untimed_table(operation, str(shape), str(device if how == "simulated" else how), own)
    _simulated_tables(rows)
    _footer(folder)
    for text in doubts(rows, [folder.run]):
        say(f"! {text}", style="bold red")
    say(f"run: {folder.path}")


def print_ladder_json(folder: RunFolder) -> None:
    """The run and its records in ladder order, with the derived figures; without raw samples and what each simulated
    instruction did."""
    rows = _rows(folder)
    order = {key: place for place, key in enumerate(rows["key"])}
    records = sorted(folder.records(), key=lambda r: order.get(r.key, len(order)))
    figures = _figures(rows)
    plain = [
        {
            **r.model_dump(mode="json", by_alias=True, exclude={"samples_s", "executed"}),
            "shape": r.shape,
            **figures.get(r.key, {}),
        }
        for r in records
    ]
    print(json.dumps({"run": folder.run.model_dump(mode="json", by_alias=True), "records": plain}, indent=2))


def print_modelled(frame: pd.DataFrame, device: str, as_json: bool) -> None:
    """The modelled ladder of a device: every figure is modelled, none measured."""
    if as_json:
        print(frame.to_json(orient="records", indent=2))
        return
    names = [name for name in columns_of("modelled") if name not in NOTED]
    for (name, shape), group in frame.groupby(["operation", "shape"], sort=False):
        notes = [f"unsupported: {reason}" if isinstance(reason, str) else "" for reason in group["reason"]]
        title = f"{name}  {shape}  on {device}: modelled, not measured"
        print_table(title, _columns(group, names), _table(group, names, notes))
        print()


STALE = "measured from other sources than are there now"
NOTED = ("idea", "reason")
"""What a terminal has no column for: sentences, which stand below the table where they are needed."""


def _columns(group: pd.DataFrame, names: list[str]) -> list[Column]:
    """Figures to the right, words to the left, under the titles that they have everywhere."""
    return [
        Column(
            figure(n).title,
            right=bool(figure(n).origin) and n != "floor_bound_by",
            breaks=n in ("settings", "simulated.at"),
        )
        for n in names
    ]


def _table(group: pd.DataFrame, names: list[str], notes: list[str]) -> list[Row]:
    """A row per variant; a column that a variant has nothing in is empty."""
    rows = with_derived(group, names)
    table = []
    for row, note in zip(rows.to_dict("records"), notes, strict=True):
        texts = [value_text(name, row[name]) if name in row else MISSING for name in names]
        cells = ["" if text == MISSING else text for text in texts]
        status = row.get("status")
        styles = {names.index("status"): STYLE.get(str(status), "red")} if status else {}
        shares = [k for k, name in enumerate(names) if figure(name).unit == "%" and pd.notna(row.get(name))]
        styles |= {k: "bold red" for k in shares if float(row[names[k]]) > OVER}
        table.append(Row(cells, styles, note))
    return table


def _rows(folder: RunFolder) -> pd.DataFrame:
    from pathlib import Path

    from workbench.catalog import BUILTIN, load_catalog
    from workbench.model.rungs import rungs
    from workbench.views.flat import frame_of
    from workbench.views.ladder import ladder

    catalog = load_catalog(Path(folder.run.selection.get("kernels") or BUILTIN))
    return ladder(frame_of(folder.records(), folder.run), rungs(catalog))


def _figures(rows: pd.DataFrame) -> dict[str, dict[str, object]]:
    """The derived figures of each record by its key; None where there is none."""
    everything = json.loads(rows.set_index("key")[[*FIGURES, *SPEEDUPS]].to_json(orient="index"))
    return {str(key): figures for key, figures in everything.items()}


def _timed_table(name: str, shape: str, device: str, group: pd.DataFrame) -> None:
    names = [name for name in columns_of("terminal") if name not in NOTED]
    untimed = group["time.median_s"].isna()
    group = with_derived(group, ["disturbance"])
    columns = (group[name] for name in ("stale", "disturbed", "disturbance", "over"))
    rows = zip(group["reason"], untimed, *columns, strict=True)
    notes = [str(reason or "") if without else _beside(*facts) for reason, without, *facts in rows]
    figures = [name for name in names if name not in ("variant", "status")]
    group = with_derived(group, names)
    group[figures] = group[figures].astype("object").mask(untimed)  # without a time there is nothing to say of it
    print_table(f"{name}  {shape_text(shape)}  on {device}", _columns(group, names), _table(group, names, notes))
    print()


def _beside(stale: bool, disturbed: bool, how: str | None, over: str | None) -> str:
    """What stands below a table about a variant that has a time."""
    told = f"disturbed: {how}" if disturbed else ""
    return "; ".join(filter(None, (STALE if stale else "", told, f"over 100 %: {over}" if pd.notna(over) else "")))


def _untimed_table(name: str, shape: str, how: str, records: list[Record]) -> None:
    archs = list(dict.fromkeys(fact.arch for record in records for fact in record.build))
    columns = [Column(n) for n in ("variant", "status", "error", "kernel")]
    for arch in archs:
        columns += [Column(n, right=True) for n in (f"{arch} registers", "shared memory", "spills", "occupancy")]
    table = []
    for record in records:
        status, error = record.status.value, error_text(record)
        styles = {1: STYLE.get(status, "red")}
        reason = record.reason or ""
        kernels = list(dict.fromkeys(fact.kernel for fact in record.build)) or [""]
        for place, kernel in enumerate(kernels):
            facts = {fact.arch: fact for fact in record.build if fact.kernel == kernel}
            head = (record.variant, status, error) if place == 0 else ("", "", "")
            figures = [cell for arch in archs for cell in _fact(facts.get(arch))]
            table.append(Row((*head, kernel, *figures), styles, reason if place == 0 else ""))
    print_table(f"{name}  CUDA, compiled and {how} at {shape_text(shape)} (not timed)", columns, table)
    print()


def _simulated_tables(rows: pd.DataFrame) -> None:
    """The ladder of what machine code did where it was executed on the host."""
    from workbench.views.simulated import simulated

    found = simulated(rows, {})
    names = [name for name in columns_of("simulated_terminal") if name not in NOTED]
    for (name, pass_, shape, arch, gpu), group in found.groupby(
        ["operation", "pass", "shape", "simulated.arch", "simulated.gpu"], sort=False
    ):
        key = operation_key(str(name), str(pass_))
        title = f"{key}  CUDA at {shape_text(str(shape))}: {arch} machine code, simulated; times modelled for {gpu}"
        told = zip(group["simulated.finding"], group["simulated.reason"], strict=True)
        notes = [next((text for text in texts if isinstance(text, str)), "") for texts in told]
        print_table(title, _columns(group, names), _table(group, names, notes))
        print()
    if len(found):
        say(explained([name for name in names if figure(name).meaning and name.startswith("simulated.")]), style="dim")


def error_text(record: Record) -> str:
    """The relative L2 error; "not finite" where an output holds NaN or infinity."""
    if record.error is None:
        return ""
    return "not finite" if record.error.relative_l2 is None else f"{record.error.relative_l2:.1e}"


def _fact(fact: BuildFact | None) -> tuple[str, ...]:
    if fact is None:
        return ("", "", "", "")
    occupancy = value_text("occupancy_theoretical", fact.occupancy_theoretical)
    sizes = (value_text(name, getattr(fact, name)) for name in ("registers", "shared_bytes", "spill_bytes"))
    return (*sizes, f"{occupancy} {fact.occupancy_limiter or ''}".strip())


def _shown(ceilings: dict[str, float]) -> dict[str, float]:
    """Ceilings as a terminal has room for them: of a cache the best way alone."""
    ways = [at_level(level, way) for level in LEVELS for way in BANDWIDTHS]
    best = {f"{level}_bytes_per_s": rate for level in LEVELS if (rate := fastest(ceilings, level)) is not None}
    rest = {name: rate for name, rate in ceilings.items() if name not in ways and not name.endswith("_median")}
    return rest | best


def _footer(folder: RunFolder) -> None:
    measured = [machine for machine in folder.run.machines if machine.backend not in UNTIMED]
    for machine in measured:
        on = f" on {machine.name}" if len(measured) > 1 else ""
        ceilings = ", ".join(
            f"{name.replace('_per_s', '').removesuffix('_s').replace('_', ' ')} {ceiling_text(name, value)}"
            for name, value in _shown(machine.ceilings).items()
        )
        if ceilings:
            say(f"ceilings measured in this run{on}: {ceilings}")
        if machine.noise_floor is not None:
            say(f"{sentence('noise_floor', machine.noise_floor)}{on}")
    say(explained(("share_of_ceiling", "share_of_floor", "share_of_limit")), style="dim")
