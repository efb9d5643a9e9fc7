"""Runs of schema 1 and 2 as this schema has them: the one place that knows how those were laid out.

They had one device per run and one set of ceilings; their records held derived figures beside facts, and their tables
were flat: dotted columns, dictionaries as JSON texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workbench.store.record import SCHEMA, Run

STRUCTS = ("error", "time", "bytes", "launches")
TEXTS = ("settings", "factors", "build", "shape")
BOUNDS = ("floor_s", "floor_bound_by", "limit_s")
SAME = (
    "key", "operation", "variant", "factors", "settings", "pass", "backend", "status", "reason", "error", "time",
    "samples_s", "build",
)  # fmt: skip


def run_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json of an older run would be now. KeyError or TypeError where it is no run's."""
    device, environment = str(data["device"]), dict(data.get("environment") or {})
    packages = environment.pop("packages", None)
    moved = {name: environment.pop(name) for name in ("os", "python", "compiler") if name in environment}
    versions = {**moved, **(packages if isinstance(packages, dict) else {})}
    settings = environment.pop("gpu_settings", None)
    versions |= settings if isinstance(settings, dict) else {}
    backend = "cuda" if environment.get("gpu") == device or "imported_from" in environment else "cpu"
    machine = {
        "id": backend,
        "name": device,
        "backend": backend,
        "versions": {str(name): str(value) for name, value in versions.items()},
        "ceilings": data.get("ceilings") or {},
        "noise_floor": data.get("noise_floor"),
        "spreads": data.get("spreads") or {},
    }
    kept = ("name", "created", "command", "finished", "selection")
    return {
        "schema": SCHEMA,
        **{name: data[name] for name in kept if name in data},
        "environment": environment,
        "machines": [machine],
    }


def is_old(data: Mapping[str, Any]) -> bool:
    """Whether this is a record, or a row of a table, of an older schema."""
    return "machine" not in data


def record_of(data: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """What a record of an older run, or a row of its table, would be now. KeyError, TypeError or ValueError where it
    is no record.

    Figures that its facts do not give any more are kept as `bounds`; those of a device that is not the run's, whose
    ceilings were never measured, are not.
    """
    old = _nested(data)
    moved, launches = old.get("bytes") or {}, old.get("launches") or {}
    shape = dict(old["shape"])
    device, time = str(old["device"]), old.get("time")
    own = run.machines[0] if run.machines and run.machines[0].name == device else None
    bounds = {name: old.get(name) for name in BOUNDS}
    share = old.get("share_of_ceiling")
    if share is not None and time:
        bounds["busiest_s"] = share * time["median_s"]
    known = own is not None and any(value is not None for value in bounds.values())
    found = {
        **{name: old[name] for name in SAME if old.get(name) is not None},
        "dtype": shape.pop("dtype", "unknown"),
        "regime": shape.pop("regime", "unknown"),
        "axes": shape,
        "machine": own.id if own else device,
        "declared": {
            "bytes": moved.get("declared"),
            "flops": old.get("flops"),  # those of matrix products included
            "special": old.get("special"),
            "launches": launches.get("declared"),
        },
        "least": {"bytes": moved.get("least")},
        "counted": {"bytes": moved.get("counted"), "launches": launches.get("counted")},
    }
    return {**found, "bounds": bounds} if known else found


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a flat table as JSON had it; a record that was read from JSON is that already."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        outer, dot, inner = name.partition(".")
        if dot and outer in STRUCTS:
            if value is not None and value == value:  # a table may hold NaN for what is missing
                found.setdefault(outer, {})[inner] = value
        elif not dot:
            found[name] = json.loads(value) if name in TEXTS and isinstance(value, str) else _plain(value)
    return found


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
