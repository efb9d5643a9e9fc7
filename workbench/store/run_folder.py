"""A run on disk: a folder that only grows while the run is going, and never changes once it is finished.

profiles/<run>/run.json          machines with versions and ceilings, catalogue (schema version first)
               records.jsonl     a line per record, while going; synced line by line: a crash loses no finished one
               journal.jsonl     blocks of samples of records not yet finished, while going
               records.parquet   all records, once finished
               counters.parquet, rules.parquet, reports/    what a profiler added

One process writes at a time (lock.py). Whoever gets the lock reads run.json again: what another has finished
meanwhile does not grow, and what it has added is not lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.durable import append_whole, clear_parts, part_of, publish, sync, write_whole
from workbench.foreign import first_words, is_file, printable, reading
from workbench.problem import Problem, unknown
from workbench.store.lines import whole_lines, without_torn_line
from workbench.store.lock import only_writer
from workbench.store.record import SCHEMA, Machine, Record, Run
from workbench.store.upgrade import is_old, record_of, run_of

RUN = "run.json"
LINES = "records.jsonl"
TABLE = "records.parquet"
JOURNAL = "journal.jsonl"
RESTORE = "restore the file or delete the run"


def command_on(run: Path, words: str) -> str:
    """`workbench WORDS RUN`, as one types it where `profiles` is the folder of runs."""
    elsewhere = "" if run.parent == Path("profiles") else f" --profiles {shlex.quote(str(run.parent))}"
    return f"workbench {words} {shlex.quote(run.name)}{elsewhere}"


class RunFolder:
    """One run, open for reading, and for appending until it is finished."""

    def __init__(self, path: Path, run: Run, schema: int = SCHEMA) -> None:
        self.path = path
        self.run = run
        self.schema = schema
        """That of run.json on the disk; `run` is of this workbench's, whatever that one is."""
        self._writing = False

    @property
    def resume_command(self) -> str:
        """The command that goes on with the run."""
        return self.command("sweep --resume")

    def command(self, words: str) -> str:
        """`workbench WORDS RUN`, with the folder of runs where that is not the usual one."""
        return command_on(self.path, words)

    # ------------------------------------------------------------------------------------------------ writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keeps every other writer out. Each change below does so for its own time; a sweep does for all of it.

        Raises Problem where another process writes the run, or its folder cannot be written to.
        """
        if self._writing:
            yield
            return
        with contextlib.ExitStack() as held:
            with self._complaining("locked"):
                held.enter_context(only_writer(self.path))
            self.run = open_run(self.path).run
            clear_parts((self.path, self.path / "reports"))
            self._writing = True
            try:
                yield
            finally:
                self._writing = False

    def append(self, record: Record) -> None:
        """Adds a finished record. On return it is on disk: a crash after this loses nothing of it. Raises Problem, and
        leaves the run as it was, where that fails or the run is finished."""
        line = record.model_dump_json(by_alias=True).encode() + b"\n"
        with self.writing(), self._complaining("written"):
            if self.run.finished:
                raise Problem(f"{self.path}: the run is finished and cannot grow; start a new one")
            without_torn_line(self.path / LINES)
            append_whole(self.path / LINES, line)

    def journal(self, entry: dict[str, Any]) -> None:
        """Notes progress inside a record that is not yet finished (a block of samples). It survives the death of the
        process; syncing every block to the disk as well would cost a tenth of the sweep."""
        with self.writing(), self._complaining("written"):
            without_torn_line(self.path / JOURNAL)
            append_whole(self.path / JOURNAL, json.dumps(entry).encode() + b"\n", durable=False)

    def update(self, **fields: Any) -> None:
        """Changes the run's own facts."""
        with self.writing(), self._complaining("written"):
            changed = Run.model_validate({**self.run.model_dump(by_alias=True), **fields})
            write_run(self.path, changed)
            self.run = changed

    def update_machine(self, machine: Machine) -> None:
        """Puts what was found out about a machine (ceilings, noise floor) in the place of what the run had of it."""
        others = [known for known in self.run.machines if known.id != machine.id]
        order = [known.id for known in self.run.machines]
        machines = sorted([*others, machine], key=lambda m: order.index(m.id) if m.id in order else len(order))
        self.update(machines=machines)

    def finish(self) -> None:
        """records.jsonl becomes records.parquet; nothing is lost if this is cut off at any point, by a power cut too:
        the lines go when their table is safe on the disk. A run that is finished already stays as it is."""
        from workbench.store.table import write_table

        with self.writing(), self._complaining("written"):
            if not self.run.finished:
                temporary = part_of(self.path / TABLE)
                try:
                    write_table(self.records(), temporary)
                    publish(temporary, self.path / TABLE)
                except ImportError:
                    fix = f"where it is, {self.command('finish')}"
                    raise Problem(f"{self.path}: cannot be finished, pyarrow is missing here; {fix}") from None
                finally:
                    temporary.unlink(missing_ok=True)
                self.update(finished=True)
            for name in (LINES, JOURNAL):
                (self.path / name).unlink(missing_ok=True)
            sync(self.path)

    @contextlib.contextmanager
    def _complaining(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            going = "" if self.run.finished or not self.run.selection else f", then {self.resume_command}"
            raise unwritten(self.path, done, error, f"free some space or make it writable{going}") from None

    # ------------------------------------------------------------------------------------------------ reading

    def records(self) -> list[Record]:
        """Every finished record. Problem where the run is corrupt; an unfinished last line of a run that
        was cut off is no corruption: that record was in progress."""
        if self.run.finished:
            from workbench.store.table import rows_of

            file = self.path / TABLE
            with reading(file, "corrupt", RESTORE):
                return [_record(row, self.run) for row in rows_of(file)]
        file = self.path / LINES
        with reading(file, "corrupt", RESTORE):
            found = [_valid_record(line, file, number, self.run) for number, line in whole_lines(file)]
        if not found and not self._writing:
            # None yet; or another process has finished the run since it was opened, and the lines are gone.
            again = open_run(self.path)
            return again.records() if again.run.finished else []
        return found

    def journal_entries(self) -> list[dict[str, Any]]:
        """The journal's entries; what is no whole entry is passed over: it is only progress, and is made again."""
        found = []
        with contextlib.suppress(OSError):
            for _, line in whole_lines(self.path / JOURNAL):
                with contextlib.suppress(ValueError, RecursionError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        found.append(entry)
        return found


# ---------------------------------------------------------------------------------------------- existing runs


def open_run(path: Path) -> RunFolder:
    """An existing run. Problem where it is missing, corrupt or of a newer schema."""
    file = path / RUN
    if not is_file(file):
        siblings = [run.parent.name for run in run_files(path.parent)]
        if siblings:
            raise unknown("run", printable(path.name), siblings)
        raise Problem(
            f"{printable(path)}: no run there (a run is a folder with run.json); see {printable(path.parent)}"
        )
    with reading(file, "corrupt, not the JSON of a run", RESTORE):
        data = json.loads(file.read_bytes())
        schema = int(data["schema"])
        if schema < SCHEMA:
            data = run_of(data)
    if schema > SCHEMA:
        raise Problem(f"{file}: schema {schema} is newer than this workbench reads ({SCHEMA}); update the workbench")
    try:
        run = Run.model_validate(data)
        run.model_dump_json()  # a lone surrogate would be refused when it is written or shown
    except ValidationError as error:
        raise Problem(f"{file}: corrupt ({_first_lines(error)}); {RESTORE}") from None
    except ValueError as error:
        raise Problem(f"{file}: corrupt ({first_words(error)}); {RESTORE}") from None
    return RunFolder(path, run, schema)


def run_files(profiles: Path) -> list[Path]:
    """run.json of every run in a folder, by name; hidden folders are runs in the making."""
    try:
        return sorted(f for f in profiles.glob(f"*/{RUN}") if is_file(f) and not f.parent.name.startswith("."))
    except OSError:
        return []


def list_runs(profiles: Path) -> list[RunFolder]:
    """The readable runs of a folder, oldest first; folders that are no run, or a broken one, are passed over."""
    runs = []
    for file in run_files(profiles):
        with contextlib.suppress(Problem):
            runs.append(open_run(file.parent))
    return sorted(runs, key=lambda folder: folder.run.created)


def find_run(profiles: Path, name: str) -> RunFolder:
    """A run by its folder's path, or by its name in profiles."""
    if not name.strip():
        raise Problem("the name of a run is empty; name one, as in profiles/NAME", exit_status=2)
    path = Path(name)
    is_path = path.is_absolute() or len(path.parts) > 1 or is_file(path / RUN)
    return open_run(path if is_path else profiles / name)


def unwritten(path: Path, done: str, error: OSError, fix: str) -> Problem:
    """What to raise where the system does not let a run be `done`."""
    # A library's own words may stand around the system's.
    reason = os.strerror(error.errno) if error.errno else first_words(error)
    return Problem(f"{path}: cannot be {done} ({reason}); {fix}")


def _record(data: Any, run: Run) -> Record:
    return Record.model_validate(record_of(data, run) if is_old(data) else data)


def _valid_record(line: str, file: Path, number: int, run: Run) -> Record:
    try:
        return _record(json.loads(line), run)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{file}:{number}: corrupt ({_first_lines(error)}); remove the line to go on without that record"
        ) from None


def _first_lines(error: Exception) -> str:
    return printable(" ".join(str(error).split("\n")[:3])[:160])


def write_run(path: Path, run: Run) -> None:
    write_whole(path / RUN, (run.model_dump_json(by_alias=True, indent=2) + "\n").encode())
