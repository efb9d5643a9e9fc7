"""Starts the ranks of a training on this machine by torchrun, and tells in one line what went wrong with them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from workbench.distributed.failure import Failure, told
from workbench.distributed.loop import Training
from workbench.foreign import first_words
from workbench.problem import Problem
from workbench.temporary import temporary_folder

END_S = 5
"""Seconds that ranks have to end after they were asked to."""
PATIENCE_S = 2.0 * END_S
LOG = "torchrun.log"


def start(training: Training, count: int, most_restarts: int, port: int = 0, threads_for: int = 0) -> None:
    """Runs `count` ranks to their end; lost ones are started again with all others, `most_restarts` times, from the
    newest checkpoint. Raises Problem with the first cause; no rank stays.

    A rank that ended is noticed at once, one that hangs when another has waited for it for `training.timeout_s`; what
    does not end then is killed after END_S. What a rank computes without the others has no limit. Each has its part of
    the cores as threads, or the part of `threads_for` ranks.
    """
    folder = Path(training.folder)
    for old in folder.glob("failed-*.json"):
        old.unlink()
    where = ["--standalone", "--local-addr=localhost"] if port == 0 else [f"--master-port={port}"]
    environment = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // (threads_for or count))),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(END_S),
        **os.environ,
    }
    with (folder / LOG).open("ab") as log, temporary_folder() as scratch:
        command = [
            sys.executable, "-m", "workbench.distributed.agent", str(os.getpid()), *where, f"--nproc-per-node={count}",
            f"--max-restarts={most_restarts}", "--monitor-interval=0.2", f"--log-dir={scratch}",
            "-m", "workbench.distributed", training.as_json(),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.25)
                if any(failure.own for failure in Failure.all_of(training.folder)):
                    break  # what a user must mend is the same after a restart
        finally:
            _end(process)
    failures = Failure.all_of(training.folder)
    if process.returncode or any(failure.own for failure in failures):
        raise Problem(_why(failures, count, folder / LOG, process.returncode))


def _end(process: subprocess.Popen[bytes]) -> None:
    """torchrun ends its ranks when it is asked to end; ranks end when torchrun is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _why(failures: list[Failure], count: int, log: Path, status: int) -> str:
    """The first cause, from what ranks wrote of themselves, or else from what torchrun wrote of them."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    ended = re.findall(r"exitcode: (-\d+)\) local_rank: (\d+)", "\n".join(lines))
    if ended and all(failure.waited for failure in failures):
        return f"rank {ended[-1][1]} was ended by signal {-int(ended[-1][0])}; see {log}"
    if failures:
        return told(failures, count, log)
    taken = next((line for line in lines if "EADDRINUSE" in line or "address already in use" in line), None)
    if taken:
        return "the port is taken by another program: choose another by --port, or leave it out"
    return f"torchrun ended with status {status}; see {log}" + (
        f" ({first_words(Exception(lines[-1]))})" if lines else ""
    )
