"""What machine code did where it was executed on the host, as frames: a row per variant and shape, per kernel, per
counter, per line. Counted figures are simulated, times are modelled, and nothing here was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from workbench.declare import FORWARD, variant_key
from workbench.devices import Datasheet, device, for_arch
from workbench.model.counted import CountedFloor, counted_floor
from workbench.model.floor import limits_of_device
from workbench.model.rungs import LAST, Rung
from workbench.store.record import Simulated, SimulatedKernel
from workbench.views.rows import dicts_of
from workbench.views.runs import RunSummary
from workbench.views.shapes import sizes_text

COLUMNS = (
    "simulated.at", "simulated.bytes_declared", "simulated.bytes", "simulated.over_declared",
    "simulated.sectors_per_load", "simulated.sectors_per_store", "simulated.excess", "simulated.conflicts",
    "simulated.instructions", "simulated.instructions_per_element", "simulated.lanes", "simulated.registers",
    "simulated.occupancy", "simulated.waves", "simulated.launches", "simulated.floor_s", "simulated.bound_by",
    "simulated.share_of_limit", "simulated.arch", "simulated.gpu", "simulated.finding",
    "simulated.reason",
)  # fmt: skip
"""What `simulated` adds; show/figures.py says what each is."""
COUNTED = (
    "simulated.instructions", "simulated.lanes", "simulated.bytes", "simulated.sectors_per_load",
    "simulated.sectors_per_store", "simulated.excess", "simulated.conflicts", "simulated.launches",
    "simulated.registers", "simulated.occupancy",
)  # fmt: skip
"""Those that were counted where the code was executed, or that its compiler says: no times, and nothing declared."""
_ENTRIES = TypeAdapter(list[Simulated])
KEPT = (
    "run", "key", "operation", "variant", "pass", "status", "reason", "backend", "settings", "factors", "shape.dtype",
    "error.relative_l2", "rung", "idea", "device", "machine", "sources",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A variant at a shape that was swept: the entry that stands for it, and the one in which caches were modelled."""

    entry: Simulated
    whole: Simulated | None


def entries_of(text: Any) -> list[Simulated]:
    """The simulations of a record, from the JSON that its row carries."""
    return _ENTRIES.validate_json(text) if isinstance(text, str) and text not in ("", "[]") else []


def pairs_of(entries: Iterable[Simulated]) -> list[Pair]:
    """The entries of a record, those of the same shape that was swept together."""
    groups: dict[tuple[str, str], list[Simulated]] = {}
    for entry in entries:
        groups.setdefault((entry.arch, json.dumps(entry.swept)), []).append(entry)
    return [Pair(own[0], next((e for e in own if _is_whole(e)), None)) for own in groups.values()]


def _is_whole(entry: Simulated) -> bool:
    """Whether all blocks were run and caches modelled."""
    return "dram__bytes_read.sum" in totals(entry.kernels)


def simulated(records: pd.DataFrame, known: Mapping[str, Rung], gpu: str = "") -> pd.DataFrame:
    """A row per record and shape that was swept, in the order of rungs: KEPT, the swept shape as `shape`, and COLUMNS.

    Times are modelled for `gpu` where machine code of its architecture was counted, else for the device that the
    record names. Rows in which nothing could be counted have a `simulated.reason`.
    """
    rows: list[dict[str, Any]] = []
    for record in dicts_of(records[records["simulated"].notna() & (records["simulated"] != "[]")]):
        own = {name: record.get(name) for name in KEPT}
        plain = json.loads(record["shape"])
        today = known.get(variant_key(record["operation"], record["variant"], record["pass"]), Rung(LAST, "", False))
        for name in ("rung", "idea"):
            own[name] = getattr(today, name) if pd.isna(own[name]) else own[name]
        for pair in pairs_of(entries_of(record["simulated"])):
            shape = {**pair.entry.swept, "dtype": plain.get("dtype"), "regime": plain.get("regime")}
            rows.append({**own, "shape": json.dumps(shape), **figures_of(pair, _device(pair.entry, gpu))})
    found = pd.DataFrame(rows, columns=[*KEPT, "shape", *COLUMNS])
    found["_later"] = found["pass"] != FORWARD
    order = ["operation", "_later", "pass", "shape", "rung", "variant"]
    return found.sort_values(order, kind="stable").drop(columns="_later").reset_index(drop=True)


def _device(entry: Simulated, gpu: str) -> Datasheet:
    asked = device(gpu) if gpu else None
    return asked if asked is not None and asked in for_arch(entry.arch) else device(entry.gpu)


def figures_of(pair: Pair, gpu: Datasheet) -> dict[str, Any]:
    """COLUMNS of one variant at one shape; what is not known is missing."""
    entry, whole = pair.entry, pair.whole
    counters = totals(entry.kernels)
    floor = counted_floor(entry, gpu, whole) if entry.axes == entry.swept else None
    limit = _limit(entry, gpu)
    same = whole is entry
    moved = whole.moved_bytes if whole is not None else None
    declared = whole.declared.bytes if whole is not None else None
    return {
        "simulated.at": _at(pair),
        "simulated.bytes_declared": entry.declared.bytes if entry.axes == entry.swept else None,
        "simulated.bytes": moved if same and entry.axes == entry.swept else None,
        "simulated.over_declared": moved / declared if moved is not None and declared else None,
        **_of_counters(counters),
        "simulated.instructions_per_element": _over(counters, "smsp__thread_inst_executed.sum", entry.elements),
        "simulated.lanes": _over(counters, "smsp__thread_inst_executed.sum", "smsp__inst_executed.sum"),
        "simulated.registers": max((k.registers for k in entry.kernels if k.registers is not None), default=None),
        "simulated.occupancy": min((k.occupancy for k in entry.kernels if k.occupancy is not None), default=None),
        "simulated.waves": max((k.waves for k in entry.kernels if k.waves is not None), default=None),
        "simulated.launches": sum(k.launches for k in entry.kernels) or None,
        "simulated.floor_s": floor.seconds if floor else None,
        "simulated.bound_by": floor.bound_by if floor else None,
        "simulated.share_of_limit": limit / floor.seconds if floor and limit else None,
        "simulated.reason": None if entry.kernels else entry.reason,
        "simulated.arch": entry.arch,
        "simulated.gpu": gpu.name,
        "simulated.finding": "; ".join([f for e in (entry, whole) if e is not None for f in e.findings][:1]) or None,
    }


def kernel_figures(kernel: SimulatedKernel) -> dict[str, float | None]:
    """Those of COLUMNS that need the counters of one kernel alone."""
    return _of_counters(totals([kernel]))


def _of_counters(counters: Mapping[str, float]) -> dict[str, float | None]:
    return {
        "simulated.sectors_per_load": _per(counters, "l1tex__t_{}_pipe_lsu_mem_global_op_ld.sum"),
        "simulated.sectors_per_store": _per(counters, "l1tex__t_{}_pipe_lsu_mem_global_op_st.sum"),
        "simulated.excess": _over(
            counters, "derived__memory_l2_theoretical_sectors_global_excessive", "memory_l2_theoretical_sectors_global"
        ),
        "simulated.conflicts": _conflicts(counters),
        "simulated.instructions": counters.get("smsp__inst_executed.sum"),
    }


def _limit(entry: Simulated, gpu: Datasheet) -> float | None:
    rate = limits_of_device(gpu.name, "float32").bytes_per_s
    return entry.least.bytes / rate if rate and entry.least.bytes else None


def _at(pair: Pair) -> str:
    """In words what was run, where it was not all blocks of the shape that was swept."""
    entry, whole = pair.entry, pair.whole
    if not entry.kernels:
        return "nothing"
    if entry.axes != entry.swept:
        return f"{sizes_text(entry.axes)} ({entry.reason.partition(':')[0]})"
    if whole is entry:
        return "all blocks"
    blocks = "blocks sampled" if any(kernel.sampled for kernel in entry.kernels) else "all blocks"
    return blocks + (f"; caches at {sizes_text(whole.axes)}" if whole is not None else "")


def totals(kernels: Iterable[SimulatedKernel]) -> dict[str, float]:
    """Counters of several kernels added up; rates are left out, which have no sum."""
    found: dict[str, float] = {}
    for kernel in kernels:
        for counter in kernel.counters:
            if counter.unit != "%":
                found[counter.name] = found.get(counter.name, 0.0) + counter.value
    return found


def _per(counters: Mapping[str, float], name: str) -> float | None:
    return _over(counters, name.format("sectors"), name.format("requests"))


def _over(counters: Mapping[str, float], name: str, base: str | float | None) -> float | None:
    below = counters.get(base) if isinstance(base, str) else base
    return counters[name] / below if name in counters and below else None


def _conflicts(counters: Mapping[str, float]) -> float | None:
    """Share of the wavefronts of shared memory that bank conflicts alone cause."""
    more = sum(counters.get(f"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_{op}.sum", 0) for op in ("ld", "st"))
    every = sum(counters.get(f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{op}.sum", 0) for op in ("ld", "st"))
    return more / every if every else None


def side_by_side(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Rows of `simulated` of two variants, or of one in two runs, at the shapes and for the architectures that both
    have: shape, arch, figure (of COLUMNS), a, b; a row per figure that both have."""
    joined = a.merge(b, on=["shape", "simulated.arch"], suffixes=("_a", "_b"))
    rows = [
        (row["shape"], row["simulated.arch"], name, row[f"{name}_a"], row[f"{name}_b"])
        for row in dicts_of(joined)
        for name in COLUMNS
        if f"{name}_a" in row and not pd.isna(row[f"{name}_a"]) and not pd.isna(row[f"{name}_b"])
    ]
    return pd.DataFrame(rows, columns=["shape", "arch", "figure", "a", "b"])


def counted_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """COLUMNS of a record at its own shape, of the first architecture that was counted; empty where none was."""
    sizes = {k: v for k, v in json.loads(record["shape"]).items() if k not in ("dtype", "regime")}
    found = [p for p in pairs_of(entries_of(record.get("simulated"))) if p.entry.swept == sizes and p.entry.kernels]
    return figures_of(found[0], _device(found[0].entry, "")) if found else {}


def differing(a: pd.DataFrame, b: pd.DataFrame, same_variant: bool) -> pd.DataFrame:
    """What machine code does otherwise on the two sides of a comparison: operation, pass, variant (A's, and B's where
    it is another), shape, arch, figure (of COUNTED), a, b. Empty where nothing differs; `pairs` in its attributes says
    how many variants at how many shapes both sides have, each architecture by itself."""
    one, other = simulated(a, {}), simulated(b, {})
    keys = ["operation", "pass", *(["variant"] if same_variant else [])]
    rows, pairs = [], 0
    for key, mine in one.groupby(keys, sort=False):
        theirs = other[(other[keys] == pd.Series(key, keys)).all(axis=1)]
        both = side_by_side(mine, theirs)
        pairs += len(both[["shape", "arch"]].drop_duplicates())
        names = list(dict.fromkeys([*mine["variant"], *theirs["variant"]]))
        for row in dicts_of(both[both["figure"].isin(COUNTED)]):
            if row["a"] != row["b"]:
                shown = " → ".join(names)
                rows.append((*key[:2], shown, row["shape"], row["arch"], row["figure"], row["a"], row["b"]))
    found = pd.DataFrame(rows, columns=["operation", "pass", "variant", "shape", "arch", "figure", "a", "b"])
    found.attrs["pairs"] = pairs
    return found


# ------------------------------------------------------------------------------------------------- kernel by kernel


def kernels(records: pd.DataFrame, gpu: str = "") -> pd.DataFrame:
    """A row per kernel of a simulated record: run, key, operation, variant, shape (swept), arch, kernel, launches,
    grid, block, sampled, the figures of its launches, and the resource that binds it."""
    rows = []
    for record, pair in _each(records):
        for kernel in pair.entry.kernels:
            one = Pair(pair.entry.model_copy(update={"kernels": [kernel], "findings": []}), pair.whole)
            chip = _device(pair.entry, gpu)
            own = figures_of(one, chip)
            floor = own["simulated.floor_s"]
            rows.append(
                {
                    "run": record["run"], "key": record["key"], "operation": record["operation"],
                    "variant": record["variant"], "shape": _swept(record, pair.entry), "kernel": kernel.kernel,
                    "launches": kernel.launches, "grid": "×".join(map(str, kernel.grid)),
                    "block": "×".join(map(str, kernel.block)), "sampled": kernel.sampled or "all blocks", **own,
                    "simulated.registers": kernel.registers, "shared_bytes": kernel.shared_bytes,
                    "simulated.floor_s": floor,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def resources(records: pd.DataFrame, gpu: str = "") -> pd.DataFrame:
    """What each counted resource needs alone: run, key, operation, variant, shape, simulated.arch, resource, seconds.
    Modelled."""
    rows = []
    for record, pair in _each(records):
        if pair.entry.axes != pair.entry.swept:
            continue
        floor: CountedFloor | None = counted_floor(pair.entry, _device(pair.entry, gpu), pair.whole)
        if floor is not None:
            head = (
                record["run"], record["key"], record["operation"], record["variant"], _swept(record, pair.entry),
                pair.entry.arch,
            )  # fmt: skip
            rows += [(*head, name, seconds, name == floor.bound_by) for name, seconds in floor.times.items()]
    columns = ["run", "key", "operation", "variant", "shape", "simulated.arch", "resource", "seconds", "binds"]
    return pd.DataFrame(rows, columns=columns)


def counters(records: pd.DataFrame) -> pd.DataFrame:
    """Every counter under Nsight's name: run, key, variant, shape (that was run), arch, kernel, counter, value, unit,
    standing."""
    rows = []
    for record in dicts_of(records):
        for entry in entries_of(record["simulated"]):
            for kernel in entry.kernels:
                at = sizes_text(entry.axes)
                head = (record["run"], record["key"], record["variant"], at, entry.arch, kernel.kernel)
                rows += [(*head, c.name, c.value, c.unit, c.standing) for c in kernel.counters]
    return pd.DataFrame(
        rows, columns=["run", "key", "variant", "at", "arch", "kernel", "counter", "value", "unit", "standing"]
    )  # fmt: skip


def _each(records: pd.DataFrame) -> Iterable[tuple[dict[str, Any], Pair]]:
    for record in dicts_of(records[records["simulated"].notna() & (records["simulated"] != "[]")]):
        for pair in pairs_of(entries_of(record["simulated"])):
            yield record, pair


def _swept(record: Mapping[str, Any], entry: Simulated) -> str:
    plain = json.loads(record["shape"])
    return json.dumps({**entry.swept, "dtype": plain.get("dtype"), "regime": plain.get("regime")})


# ---------------------------------------------------------------------------------------------------- line by line

BY_LINE = ("executed", "threads", "sectors", "excess", "wavefronts", "conflicts")


def executed(runs: Sequence[RunSummary], operation: str, variant: str, dtype: str) -> pd.DataFrame:
    """Instruction by instruction what a variant's kernels did in the newest of these runs that has it, for every
    architecture that was simulated: run, sources,
    arch, kernel, level (sass or ptx), address (of PTX its line), text, file, line and BY_LINE. Empty where none has."""
    from workbench.views.query import executed_of

    return executed_of(runs, operation, variant, dtype)


def by_source_line(instructions: pd.DataFrame, folder: Path | None = None) -> pd.DataFrame:
    """Its machine code summed over the lines of the source, the most threads first, with their text where `folder` has
    the files; line 0 is what comes of no line."""
    instructions = instructions[instructions["level"] == "sass"]
    found = instructions.groupby(["file", "line"], sort=False, as_index=False)[list(BY_LINE)].sum()
    found["instructions"] = instructions.groupby(["file", "line"], sort=False).size().to_numpy()
    texts: dict[str, list[str]] = {}
    for name in dict.fromkeys(found["file"]):
        path = folder / str(name) if folder is not None and name else None
        texts[str(name)] = path.read_text(errors="replace").splitlines() if path is not None and path.is_file() else []
    found["text"] = [
        texts[file][line - 1].strip() if 0 < line <= len(texts[file]) else ""
        for file, line in zip(found["file"], found["line"], strict=True)
    ]
    return found.sort_values("threads", ascending=False, kind="stable").reset_index(drop=True)
