"""The ladder of a run as a person reads it in a terminal, and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from workbench.cli.quantity import percent, rate, seconds
from workbench.cli.terminal import console as terminal
from workbench.store.record import BuildFact, Record
from workbench.store.run_folder import RunFolder

BOUND = {"bandwidth": "bw", "matrix": "mm", "flops": "fl", "special": "sp", "latency": "lat", "launches": "ln"}
"""What sets a floor, in as few letters as a column has."""
STYLE = {"ok": "green", "unsupported": "dim"}


def print_ladder(folder: RunFolder) -> None:
    """Timed variants of each operation and shape from naive to best, then what CUDA variants compile to."""
    console = terminal()
    rows = _rows(folder)
    timed = rows[rows["backend"] != "emulated"]
    for (name, shape, device), group in timed.groupby(["operation", "shape", "device"], sort=False):
        _timed_table(console, str(name), str(shape), str(device), group)
    records = {record.key: record for record in folder.records()}
    emulated = rows[rows["backend"] == "emulated"]
    for (name, shape), group in emulated.groupby(["operation", "shape"], sort=False):
        _emulated_table(console, str(name), str(shape), [records[key] for key in group["key"]])
    _footer(console, folder)


def print_ladder_json(folder: RunFolder) -> None:
    """The run and its records in ladder order, without the raw samples."""
    order = {key: place for place, key in enumerate(_rows(folder)["key"])}
    records = sorted(folder.records(), key=lambda r: order.get(r.key, len(order)))
    plain = [r.model_dump(mode="json", by_alias=True, exclude={"samples_s", "counters"}) for r in records]
    print(json.dumps({"run": folder.run.model_dump(mode="json", by_alias=True), "records": plain}, indent=2))


def print_modelled(frame: pd.DataFrame, device: str, as_json: bool) -> None:
    """The modelled ladder of a device: every figure is modelled, none measured."""
    if as_json:
        print(frame.to_json(orient="records", indent=2))
        return
    console = terminal()
    for (name, shape), group in frame.groupby(["operation", "shape"], sort=False):
        table = Table(title=f"{name}  {shape}  on {device}: modelled, not measured", title_justify="left", box=None)
        for column in ("variant", "at least", "bound by", "limit / it", "bytes", "launches", "serial steps"):
            table.add_column(column, justify="left" if column == "variant" else "right", no_wrap=True)
        for row in group.to_dict("records"):
            if isinstance(row["reason"], str):
                table.add_row(str(row["variant"]), f"unsupported: {row['reason']}")
                continue
            table.add_row(
                str(row["variant"]),
                seconds(row["modelled_s"]),
                str(row["floor_bound_by"]),
                percent(row["modelled_share_of_limit"]),
                f"{row['bytes'] / 1e6:,.1f} MB",
                f"{row['launches']:,.0f}",
                f"{row['serial_steps']:,.0f}",
            )
        console.print(table)
        console.print()


def _rows(folder: RunFolder) -> pd.DataFrame:
    from pathlib import Path

    from workbench.analyse.ladder import frame_of, ladder, rungs
    from workbench.catalog import BUILTIN, load_catalog

    catalog = load_catalog(Path(folder.run.selection.get("kernels") or BUILTIN))
    return ladder(frame_of(folder.records()), rungs(catalog))


def _timed_table(console: Console, name: str, shape: str, device: str, group: pd.DataFrame) -> None:
    table = Table(title=f"{name}  {_shape_text(shape)}  on {device}", title_justify="left", box=None, pad_edge=False)
    for column in ("variant", "status", "median", "95 % interval", "rate", "ceiling", "floor", "limit", "× base"):
        table.add_column(column, justify="left" if column in ("variant", "status") else "right", no_wrap=True)
    table.add_column("setting", overflow="fold")
    for row in group.to_dict("records"):
        status = str(row["status"])
        styled = f"[{STYLE.get(status, 'red')}]{status}[/]"
        if pd.isna(row["time.median_s"]):
            table.add_row(str(row["variant"]), styled, *[""] * 7, str(row["reason"] or ""))
            continue
        bound = str(row["floor_bound_by"]) if isinstance(row["floor_bound_by"], str) else ""
        table.add_row(
            str(row["variant"]),
            styled,
            seconds(row["time.median_s"]),
            f"{seconds(row['time.low_s'])} – {seconds(row['time.high_s'])}",
            _rate(row, bound),
            percent(row["share_of_ceiling"]),
            f"{percent(row['share_of_floor'])} {BOUND.get(bound, ''):<3}",
            percent(row["share_of_limit"]),
            "" if pd.isna(row["speedup_over_baseline"]) else f"{row['speedup_over_baseline']:.2f}",
            _settings(str(row["settings"])),
        )
    console.print(table)
    console.print()


def _rate(row: dict[Any, Any], bound: str) -> str:
    """GB/s of declared bytes, or GFLOP/s where arithmetic sets the floor."""
    arithmetic = bound in ("matrix", "flops")
    return rate(row["flops_per_s"], "FLOP/s") if arithmetic else rate(row["bandwidth_bytes_per_s"], "B/s")


def _emulated_table(console: Console, name: str, shape: str, records: list[Record]) -> None:
    archs = list(dict.fromkeys(fact.arch for record in records for fact in record.build))
    title = f"{name}  CUDA, compiled and executed under emulation at {_shape_text(shape)} (not timed)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("variant", "status", "error", "kernel"):
        table.add_column(column, no_wrap=True)
    for arch in archs:
        for column in (f"{arch} regs", "shared", "spill", "occupancy"):
            table.add_column(column, justify="right", no_wrap=True)
    for record in records:
        styled = f"[{STYLE.get(record.status.value, 'red')}]{record.status.value}[/]"
        error = error_text(record)
        if not record.build:
            table.add_row(record.variant, styled, error, record.reason or "")
            continue
        for place, kernel in enumerate(dict.fromkeys(fact.kernel for fact in record.build)):
            facts = {fact.arch: fact for fact in record.build if fact.kernel == kernel}
            head = (record.variant, styled, error) if place == 0 else ("", "", "")
            table.add_row(*head, kernel, *[cell for arch in archs for cell in _fact(facts.get(arch))])
        if record.reason:
            table.add_row("", "", "", f"[red]{record.reason}[/]")
    console.print(table)
    console.print()


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
        f"{occupancy} {(fact.occupancy_limiter or ''):<9.9}",
    )


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _shape_text(shape: str) -> str:
    return " ".join(
        f"{axis}={size}" if isinstance(size, int) else str(size) for axis, size in json.loads(shape).items()
    )


def _settings(text: str) -> str:
    return " ".join(f"{name}={value}" for name, value in json.loads(text).items())


def _footer(console: Console, folder: RunFolder) -> None:
    ceilings = ", ".join(
        f"{name.removesuffix('_per_s').replace('_', ' ')} {value / 1e9:,.1f} G/s"
        for name, value in folder.run.ceilings.items()
        if name.endswith("per_s")
    )
    if ceilings:
        console.print(f"ceilings measured in this run: {ceilings}", highlight=False)
    if folder.run.noise_floor is not None:
        console.print(f"noise floor (A/A): {percent(folder.run.noise_floor)}", highlight=False)
    console.print(
        "ceiling: rate of the resource that binds, over its ceiling · floor: least time for what the variant declares "
        "(bw bandwidth, mm products, sp special functions, lat latency) · limit: least time for any algorithm",
        style="dim",
        highlight=False,
    )
    console.print(f"run: {folder.path}", highlight=False)
