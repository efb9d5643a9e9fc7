"""Runs ncu over a selection and lays what it saw beside the records. A failure leaves the run as it was."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench.problem import Problem
from workbench.profile.command import Collection, ncu_command
from workbench.profile.failures import explain, last_warning, notes
from workbench.profile.import_report import Imported, import_into_run
from workbench.store.record import Record
from workbench.store.run_folder import RunFolder
from workbench.temporary import temporary_folder

PROFILED = re.compile(r'==PROF== Profiling "([^"]*)"')
END_S = 10.0
"""How long a process group may take to end after SIGTERM before it is killed."""


@dataclass(frozen=True)
class Collected:
    imported: Imported
    notes: tuple[str, ...]
    """Records that could not be replayed, and records that ncu saw no launch of."""


def collect(
    folder: RunFolder,
    records: Sequence[Record],
    selection: Path,
    ncu: str,
    collection: Collection,
    timeout_s: float,
    on_kernel: Callable[[str], None] = lambda kernel: None,
) -> Collected:
    """Profiles the records and imports the report into their run.

    Raises Problem with one line for whatever went wrong; the run is then as it was.
    """
    with temporary_folder() as temporary:
        report = temporary / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.ncu-rep"
        keys = [(record.key, record.pass_) for record in records]
        status, output = _run(ncu_command(ncu, selection, keys, report, collection), timeout_s, on_kernel)
        failure = explain(output, status, report)
        if failure is not None:
            raise failure
        try:
            imported = import_into_run(report, folder)
        except Problem as problem:
            raise Problem(str(problem).replace(str(report), "the report that ncu left")) from None
    unseen = [f"{record.key}: ncu saw no launch of it" for record in records if record.key not in imported.launches]
    return Collected(imported, (*notes(output), *unseen))


def _run(command: Sequence[str], timeout_s: float, on_kernel: Callable[[str], None]) -> tuple[int, str]:
    """Exit status and everything printed. The profiled program runs in ncu's process group, and ends with it."""
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    ) as process:

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                kernel = PROFILED.match(line)
                if kernel:
                    on_kernel(kernel[1])

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            warned = last_warning("".join(lines))
            raise Problem(
                f"ncu did not finish in {timeout_s:g} s, after {sum('Profiling' in line for line in lines)} launches"
                + (f" (it warned: {warned})" if warned else "")
                + "; select less, take fewer sections (--set basic), or raise --timeout"
            ) from None
        except BaseException:
            _end(process)
            raise
        listener.join(END_S)
    return status, "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends ncu and what it profiles, politely first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
