"""The ladder of a run as a person reads it in a terminal, and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from workbench.cli.quantity import percent, rate, seconds
from workbench.cli.terminal import Column, Row, print_table, say
from workbench.model.figures import FIGURES, SPEEDUPS
from workbench.show.describe import ceiling_text
from workbench.store.record import BuildFact, Record
from workbench.store.run_folder import RunFolder

BOUND = {"bandwidth": "bw", "matrix": "mm", "flops": "fl", "special": "sp", "latency": "lat", "launches": "ln"}
"""What sets a floor, in as few letters as a column has."""
STYLE = {"ok": "green", "unsupported": "dim"}


def print_ladder(folder: RunFolder) -> None:
    """Timed variants of each operation and shape from naive to best, then what CUDA variants compile to."""
    rows = _rows(folder)
    timed = rows[rows["backend"] != "emulated"]
    for (name, shape, device), group in timed.groupby(["operation", "shape", "device"], sort=False):
        _timed_table(str(name), str(shape), str(device), group)
    records = {record.key: record for record in folder.records()}
    emulated = rows[rows["backend"] == "emulated"]
    for (name, shape), group in emulated.groupby(["operation", "shape"], sort=False):
        _emulated_table(str(name), str(shape), [records[key] for key in group["key"]])
    _footer(folder)


def print_ladder_json(folder: RunFolder) -> None:
    """The run and its records in ladder order, with the derived figures and without the raw samples."""
    rows = _rows(folder)
    order = {key: place for place, key in enumerate(rows["key"])}
    records = sorted(folder.records(), key=lambda r: order.get(r.key, len(order)))
    figures = _figures(rows)
    plain = [
        {**r.model_dump(mode="json", by_alias=True, exclude={"samples_s"}), "shape": r.shape, **figures.get(r.key, {})}
        for r in records
    ]
    print(json.dumps({"run": folder.run.model_dump(mode="json", by_alias=True), "records": plain}, indent=2))


def print_modelled(frame: pd.DataFrame, device: str, as_json: bool) -> None:
    """The modelled ladder of a device: every figure is modelled, none measured."""
    if as_json:
        print(frame.to_json(orient="records", indent=2))
        return
    names = ("variant", "at least", "bound by", "limit / it", "bytes", "launches", "serial steps")
    columns = [Column(name, right=name not in ("variant", "bound by")) for name in names]
    for (name, shape), group in frame.groupby(["operation", "shape"], sort=False):
        table = []
        for row in group.to_dict("records"):
            if isinstance(row["reason"], str):
                table.append(Row((str(row["variant"]), *[""] * 6), note=f"unsupported: {row['reason']}"))
                continue
            cells = (
                str(row["variant"]),
                seconds(row["modelled_s"]),
                str(row["floor_bound_by"]),
                percent(row["modelled_share_of_limit"]),
                f"{row['bytes'] / 1e6:,.1f} MB",
                f"{row['launches']:,.0f}",
                f"{row['serial_steps']:,.0f}",
            )
            table.append(Row(cells))
        print_table(f"{name}  {shape}  on {device}: modelled, not measured", columns, table)
        print()


def _rows(folder: RunFolder) -> pd.DataFrame:
    from pathlib import Path

    from workbench.catalog import BUILTIN, load_catalog
    from workbench.model.rungs import rungs
    from workbench.views.flat import frame_of
    from workbench.views.ladder import ladder

    catalog = load_catalog(Path(folder.run.selection.get("kernels") or BUILTIN))
    return ladder(frame_of(folder.records(), folder.run), rungs(catalog))


def _figures(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The derived figures of each record by its key; None where there is none."""
    everything = json.loads(rows.set_index("key")[[*FIGURES, *SPEEDUPS]].to_json(orient="index"))
    return {str(key): figures for key, figures in everything.items()}


def _timed_table(name: str, shape: str, device: str, group: pd.DataFrame) -> None:
    names = ("variant", "status", "median", "95 % interval", "rate", "ceiling", "floor", "limit", "× base", "setting")
    columns = [
        Column(n, right=n not in ("variant", "status", "setting"), breaks=n == "setting") for n in names
    ]  # fmt: skip
    table = []
    for row in group.to_dict("records"):
        status = str(row["status"])
        styles = {1: STYLE.get(status, "red")}
        if pd.isna(row["time.median_s"]):
            table.append(Row((str(row["variant"]), status, *[""] * 8), styles, str(row["reason"] or "")))
            continue
        bound = str(row["floor_bound_by"]) if isinstance(row["floor_bound_by"], str) else ""
        cells = (
            str(row["variant"]),
            status,
            seconds(row["time.median_s"]),
            f"{seconds(row['time.low_s'])} – {seconds(row['time.high_s'])}",
            _rate(row, bound),
            percent(row["share_of_ceiling"]),
            f"{percent(row['share_of_floor'])} {BOUND.get(bound, '')}".strip(),
            percent(row["share_of_limit"]),
            "" if pd.isna(row["speedup_over_baseline"]) else f"{row['speedup_over_baseline']:.2f}",
            _settings(str(row["settings"])),
        )
        table.append(Row(cells, styles))
    print_table(f"{name}  {_shape_text(shape)}  on {device}", columns, table)
    print()


def _rate(row: dict[Any, Any], bound: str) -> str:
    """GB/s of declared bytes, or GFLOP/s where arithmetic sets the floor."""
    arithmetic = bound in ("matrix", "flops")
    return rate(row["flops_per_s"], "FLOP/s") if arithmetic else rate(row["bandwidth_bytes_per_s"], "B/s")


def _emulated_table(name: str, shape: str, records: list[Record]) -> None:
    archs = list(dict.fromkeys(fact.arch for record in records for fact in record.build))
    columns = [Column(n) for n in ("variant", "status", "error", "kernel")]
    for arch in archs:
        columns += [Column(n, right=True) for n in (f"{arch} regs", "shared", "spill", "occupancy")]
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
    print_table(
        f"{name}  CUDA, compiled and executed under emulation at {_shape_text(shape)} (not timed)", columns, table
    )
    print()


def error_text(record: Record) -> str:
    """The relative L2 error; "not finite" where an output holds NaN or infinity."""
    if record.error is None:
        return ""
    return "not finite" if record.error.relative_l2 is None else f"{record.error.relative_l2:.1e}"


def _fact(fact: BuildFact | None) -> tuple[str, str, str, str]:
    if fact is None:
        return ("", "", "", "")
    occupancy = percent(fact.occupancy_theoretical)
    return (
        _number(fact.registers),
        _number(fact.shared_bytes),
        _number(fact.spill_bytes),
        f"{occupancy} {fact.occupancy_limiter or ''}".strip(),
    )


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _shape_text(shape: str) -> str:
    return " ".join(
        f"{axis}={size}" if isinstance(size, int) else str(size) for axis, size in json.loads(shape).items()
    )


def _settings(text: str) -> str:
    return " ".join(f"{name}={value}" for name, value in json.loads(text).items())


def _footer(folder: RunFolder) -> None:
    measured = [machine for machine in folder.run.machines if machine.backend != "emulated"]
    for machine in measured:
        on = f" on {machine.name}" if len(measured) > 1 else ""
        ceilings = ", ".join(
            f"{name.replace('_per_s', '').replace('_s', '').replace('_', ' ')} {ceiling_text(name, value)}"
            for name, value in machine.ceilings.items()
            if not name.endswith("_median")
        )
        if ceilings:
            say(f"ceilings measured in this run{on}: {ceilings}")
        if machine.noise_floor is not None:
            say(f"noise floor (A/A){on}: {percent(machine.noise_floor)}")
    say(
        "ceiling: rate of the resource that binds, over its ceiling · floor: least time for what the variant declares "
        "(bw bandwidth, mm products, sp special functions, lat latency) · limit: least time for any algorithm",
        style="dim",
    )
    say(f"run: {folder.path}")
