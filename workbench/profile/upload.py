"""A report that somebody dropped: laid into profiles/ by the importer, and what was in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.problem import Problem
from workbench.profile.import_report import import_as_run, import_into_run, names_of
from workbench.profile.metrics import combined
from workbench.store.launch import Launch
from workbench.store.record import Record
from workbench.store.run_folder import find_run
from workbench.temporary import temporary_folder


@dataclass(frozen=True)
class Found:
    """What an import brought."""

    run: str
    count: int
    """Launches."""
    metrics: int
    records: list[Record]
    launches: dict[str, list[Launch]]
    outside: int
    already: bool
    """Whether this very file had been imported before; nothing was stored then."""

    @property
    def link(self) -> dict[str, str]:
        """The part of a URL that shows it."""
        return {"run": self.run, "operation": self.records[0].operation, "dtype": str(self.records[0].shape["dtype"])}


def store_upload(name: str, content: bytes, profiles: Path, run: str | None) -> Found:
    """Imports the content of a file called `name`: as a run of its own, or beside the records of `run`.

    Raises Problem, with the file's own name, for what is no report; nothing is stored then.
    """
    with temporary_folder() as folder:
        file = folder / _file_name(name)
        try:
            file.write_bytes(content)
            imported = import_into_run(file, find_run(profiles, run)) if run else import_as_run(file, profiles)
        except Problem as problem:
            raise Problem(str(problem).replace(str(file), file.name), problem.exit_status) from None
        except OSError as error:
            raise Problem(f"{file.name}: cannot be stored ({error.strerror}); free some space") from None
    return Found(
        run=imported.run.name,
        count=sum(len(launches) for launches in imported.launches.values()),
        metrics=imported.metrics,
        records=imported.records,
        launches=imported.launches,
        outside=imported.outside,
        already=imported.already,
    )


def _file_name(name: str) -> str:
    """What a browser calls a file, as a name that any disk takes; its end, which holds the extension, is kept."""
    plain = re.sub(r"[^\w. ()+-]", "_", Path(name).name, flags=re.ASCII)[-LONGEST_NAME:]
    return plain if plain.strip(". ") else "report"


LONGEST_NAME = 100
SHOWN = (
    "duration_s", "registers", "occupancy_achieved", "occupancy_theoretical", "dram_share", "memory_share", "sm_share",
    "l1_hit_share", "l2_hit_share", "dram_bytes", "dram_read_bytes", "dram_write_bytes", "ipc",
)  # fmt: skip


def figures_table(found: Found) -> tuple[pd.DataFrame, list[str]]:
    """A row a record with the figures that most reports have, and the columns."""
    rows: list[dict[str, Any]] = []
    names = names_of(found.records)
    for record in found.records:
        launches = found.launches.get(record.key, [])
        values = combined(launches)
        row: dict[str, Any] = {"kernel": names[record.key], "launches.counted": len(launches)}
        rows.append(row | {name: values[name] for name in SHOWN if name in values})
    frame = pd.DataFrame(rows)
    return frame, list(frame.columns)
