"""Runs of made-up records for the tests of profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.store.new_run import create_run
from workbench.store.record import Machine, Record, Run, Status
from workbench.store.run_folder import RunFolder

MACHINE = Machine(id="cuda", name="NVIDIA H200", backend="cuda")


def make_record(
    variant: str = "serial", T: int = 4096, median_s: float | None = 1e-3, declared_launches: int = 1, **fields: Any
) -> Record:
    """A record of the scan on a GPU, with the fields that a profile looks at."""
    time = None
    if median_s is not None:
        seconds = dict.fromkeys(("median_s", "low_s", "high_s", "minimum_s"), median_s)
        time = {**seconds, "count": 10, "timer": "cuda_event", "cache": "cold", "stopped_by": "spread"}
    data = {
        "key": f"scan.{variant}.b4-t{T}-h1024.float32.normal.forward.cuda",
        "operation": "scan",
        "variant": variant,
        "settings": {"block": 128},
        "axes": {"B": 4, "T": T, "H": 1024},
        "dtype": "float32",
        "regime": "normal",
        "machine": "cuda",
        "backend": "cuda",
        "status": Status.OK,
        "time": time,
        "declared": {"bytes": 4 * T * 1024 * 12, "launches": declared_launches},
        "least": {"bytes": 4 * T * 1024 * 12},
    }
    return Record.model_validate({**data, **fields})


def make_run(profiles: Path, *records: Record, name: str = "a-run", finished: bool = True, **fields: Any) -> RunFolder:
    run = Run(name=name, created="2026-01-01T00:00:00+00:00", command=["workbench"], machines=[MACHINE], **fields)
    folder = create_run(profiles, run)
    for record in records:
        folder.append(record)
    if finished:
        folder.finish()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, to see that nothing changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
