"""A run on disk: a folder that only grows while the run is going, and never changes once it is finished.

profiles/<run>/run.json          machine, versions, ceilings (schema version first)
               records.jsonl     a line a record, while going; synced line by line: a crash loses no finished one
               journal.jsonl     blocks of samples of records not yet finished, while going
               records.parquet   all records, once finished
               counters.parquet, rules.parquet, reports/    what a profiler added
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.problem import Problem, unknown
from workbench.store.record import SCHEMA, Record, Run


class RunFolder:
    """One run, open for reading, and for appending until it is finished."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.run = run

    # ------------------------------------------------------------------------------------------------ writing

    def append(self, record: Record) -> None:
        """Adds a finished record. On return it is on disk: a crash after this loses nothing of it."""
        if self.run.finished:
            raise Problem(f"{self.path}: the run is finished and cannot grow; start a new one")
        _append_line(self.path / "records.jsonl", record.model_dump_json(by_alias=True, exclude={"counters"}))

    def journal(self, entry: dict[str, Any]) -> None:
        """Notes progress inside a record that is not yet finished (a block of samples). It survives the death of the
        process; syncing every block to the disk as well would cost a tenth of the sweep."""
        _append_line(self.path / "journal.jsonl", json.dumps(entry), sync=False)

    def update(self, **fields: Any) -> None:
        """Changes the run's own facts (ceilings, noise floor)."""
        self.run = Run.model_validate({**self.run.model_dump(by_alias=True), **fields})
        _write_run(self.path, self.run)

    def finish(self) -> None:
        """records.jsonl becomes records.parquet; nothing is lost if this is cut off at any point."""
        from workbench.store.frame import write_parquet

        temporary = self.path / ".records.parquet"
        write_parquet(self.records(), temporary)
        temporary.replace(self.path / "records.parquet")
        self.update(finished=True)
        for name in ("records.jsonl", "journal.jsonl"):
            (self.path / name).unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------ reading

    def records(self) -> list[Record]:
        """Every finished record. Problem where the run is corrupt; an unfinished last line of a run that
        was cut off is no corruption: that record was in progress."""
        if self.run.finished:
            from workbench.store.frame import read_parquet

            try:
                return read_parquet(self.path / "records.parquet")
            except Exception as error:  # pyarrow and pydantic each raise their own kinds
                raise Problem(
                    f"{self.path / 'records.parquet'}: corrupt ({_first_line(error)}); restore it or delete the run"
                ) from None
        return [
            _valid_record(line, self.path / "records.jsonl", number)
            for number, line in _lines(self.path / "records.jsonl")
        ]

    def journal_entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line in _lines(self.path / "journal.jsonl")]


def create_run(profiles: Path, run: Run) -> RunFolder:
    """A new folder for the run, named after it. Problem where profiles cannot be written to."""
    path = profiles / run.name
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise Problem(f"{path}: exists already; name another run or continue it with --resume {run.name}") from None
    except OSError as error:
        raise Problem(f"{path}: cannot be created ({error.strerror}); name a writable folder with --profiles") from None
    try:
        _write_run(path, run)
    except OSError as error:
        path.rmdir()
        raise Problem(f"{path}: cannot be written ({error.strerror}); name a writable folder with --profiles") from None
    return RunFolder(path, run)


def open_run(path: Path) -> RunFolder:
    """An existing run. Problem where it is missing, corrupt or of a newer schema."""
    file = path / "run.json"
    if not file.is_file():
        siblings = [run.path.name for run in list_runs(path.parent)] if path.parent.is_dir() else []
        if siblings:
            raise unknown("run", path.name, siblings)
        raise Problem(f"{path}: no run there (a run is a folder with run.json); see what exists in {path.parent}")
    try:
        data = json.loads(file.read_text())
        schema = int(data["schema"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise Problem(f"{file}: corrupt, not the JSON of a run; restore the file or delete the run") from None
    if schema > SCHEMA:
        raise Problem(f"{file}: schema {schema} is newer than this workbench reads ({SCHEMA}); update the workbench")
    try:
        return RunFolder(path, Run.model_validate(data))
    except ValidationError as error:
        raise Problem(f"{file}: corrupt ({_first_line(error)}); restore the file or delete the run") from None


def list_runs(profiles: Path) -> list[RunFolder]:
    """The readable runs of a folder, oldest first; folders that are no run, or a broken one, are passed over."""
    runs = []
    for file in sorted(profiles.glob("*/run.json")):
        try:
            runs.append(open_run(file.parent))
        except Problem:
            continue
    return sorted(runs, key=lambda folder: folder.run.created)


def find_run(profiles: Path, name: str) -> RunFolder:
    """A run by its folder's path or its name in profiles."""
    path = Path(name)
    return open_run(path if (path / "run.json").is_file() else profiles / path.name)


# -------------------------------------------------------------------------------------------------------- lines


def _append_line(path: Path, line: str, sync: bool = True) -> None:
    """Appends, and syncs where asked to. A last line that an earlier crash cut off is removed first, so that no line
    ever grows out of two."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            end = path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
        os.write(descriptor, line.encode() + b"\n")
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Whole lines with their numbers; what stands behind the last newline was being written when it stopped."""
    if not path.is_file():
        return
    whole, newline, _ = path.read_text(errors="replace").rpartition("\n")
    if newline:
        yield from enumerate(whole.split("\n"), start=1)


def _valid_record(line: str, file: Path, number: int) -> Record:
    try:
        return Record.model_validate_json(line)
    except ValidationError as error:
        raise Problem(
            f"{file}:{number}: corrupt ({_first_line(error)}); remove the line to go on without that record"
        ) from None


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:3])[:160]


def _write_run(path: Path, run: Run) -> None:
    temporary = path / ".run.json"
    with temporary.open("w") as file:
        file.write(run.model_dump_json(by_alias=True, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path / "run.json")
