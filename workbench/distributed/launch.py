"""Starts the ranks of a training on this machine by torchrun, and tells in one line what went wrong with them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from workbench.distributed.failure import Failure, told
from workbench.distributed.loop import Training
from workbench.foreign import first_words, printable
from workbench.problem import Problem
from workbench.temporary import temporary_folder

END_S = 5
"""Seconds that ranks have to end after they were asked to."""
PATIENCE_S = 2.0 * END_S
LOG = "torchrun.log"


@dataclass(frozen=True)
class Machines:
    """Where ranks run: on this machine, or on several, of which each starts its own, as many as the others."""

    count: int = 1
    number: int = 0
    """Of this one. The first has rank 0, and the others find it at the address."""
    address: str = ""
    """HOST:PORT of the first one; where it is alone it may be empty, or have no host."""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Port 0: a free one. Raises Problem for what is no address."""
        host, colon, port = self.address.rpartition(":")
        if not self.address:
            return "localhost", 0
        if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise Problem(f"--address {printable(self.address)}: HOST:PORT, with a port between 1 and 65535", 2)
        return host or "localhost", int(port)

    def require(self, ranks: int) -> None:
        """Raises Problem for machines that do not fit each other or the ranks."""
        _, port = self.host_and_port
        if self.count > 1 and port == 0:
            raise Problem("--machines over 1 need --address HOST:PORT, of the first one, on which a port is free", 2)
        if not 0 <= self.number < self.count:
            raise Problem(f"--machine {self.number}: they count from 0 to {self.count - 1}", exit_status=2)
        if ranks % self.count:
            raise Problem(f"{ranks} ranks are not divided by {self.count} machines: choose a divisor", exit_status=2)
        own, there = ranks // self.count, torch.cuda.device_count() if torch.cuda.is_available() else None
        if there is not None and own > there:
            raise Problem(
                f"{own} ranks, and {there} GPU{'s' if there > 1 else ''} on this machine: each rank has its own; start "
                "fewer, or set CUDA_VISIBLE_DEVICES= for ranks on the processor",
                exit_status=2,
            )

    def options(self, ranks: int, timeout_s: float) -> list[str]:
        """torchrun's."""
        host, port = self.host_and_port
        each = f"--nproc-per-node={ranks // self.count}"
        if port == 0:
            return ["--standalone", "--local-addr=localhost", each]
        return [
            f"--nnodes={self.count}", f"--node-rank={self.number}", f"--master-addr={host}", f"--master-port={port}",
            f"--rdzv-conf=timeout={max(1, int(timeout_s))}", each,
        ]  # fmt: skip


ALONE = Machines()


def start(training: Training, count: int, most_restarts: int, machines: Machines = ALONE, threads_for: int = 0) -> None:
    """Runs `count` ranks to their end, those of them that are this machine's; lost ones are started again with all
    others, `most_restarts` times, from the newest checkpoint. Raises Problem with the first cause; no rank stays.

    A rank that ended is noticed at once, one that hangs when another has waited for it for `training.timeout_s`; what
    does not end then is killed after END_S. What a rank computes without the others has no limit. Each has its part of
    the cores as threads, or the part of `threads_for` ranks.
    """
    folder = Path(training.folder)
    for old in folder.glob("failed-*.json"):
        old.unlink()
    log_file = folder / LOG
    begin = log_file.stat().st_size if log_file.is_file() else 0
    environment = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // (threads_for or count // machines.count))),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(END_S),
        **os.environ,
    }
    with log_file.open("ab") as log, temporary_folder() as scratch:
        command = [
            sys.executable, "-m", "workbench.distributed.agent", str(os.getpid()),
            *machines.options(count, training.timeout_s), f"--max-restarts={most_restarts}", "--monitor-interval=0.2",
            f"--log-dir={scratch}", "-m", "workbench.distributed", training.as_json(),
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
        written = log_file.read_bytes()[begin:].decode(errors="replace") if log_file.is_file() else ""
        raise Problem(_why(failures, count, written.splitlines(), machines, log_file, process.returncode))


def _end(process: subprocess.Popen[bytes]) -> None:
    """torchrun ends its ranks when it is asked to end; ranks end when torchrun is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


WATCHDOG = re.compile(r"\[rank(\d+)\]:.*Watchdog caught collective operation timeout: WorkNCCL\(.*?OpType=(\w+)")
"""What NCCL's watchdog writes before it ends the process, which then has no time to tell how it failed."""
ENDED = "failed (exitcode: "
"""torchrun's, of the rank that ended an attempt."""


def _waited(lines: list[str]) -> list[tuple[int, str]]:
    """Ranks of the last attempt that NCCL ended after they had waited for others, and the collective."""
    ends = [place for place, line in enumerate(lines) if ENDED in line]
    begin = ends[-2] if len(ends) > 1 else 0
    found = {int(m[1]): m[2].lower() for line in lines[begin:] if (m := WATCHDOG.search(line))}
    return sorted(found.items())


def _why(failures: list[Failure], count: int, lines: list[str], machines: Machines, log: Path, status: int) -> str:
    """The first cause, from what ranks wrote of themselves, or else from the lines that torchrun wrote of them."""
    waited = _waited(lines)
    lost = sorted(set(range(count)) - {rank for rank, _ in waited})
    if waited and lost:
        rank, collective = waited[0]
        names = f"rank {lost[0]}" if len(lost) == 1 else f"ranks {', '.join(map(str, lost))}"
        return f"{names} did not come: rank {rank} waited in {collective} until NCCL gave up; see {log}"
    ended = re.findall(r"exitcode: (-\d+)\) local_rank: (\d+)", "\n".join(lines))
    if ended and all(failure.waited for failure in failures):
        rank = machines.number * (count // machines.count) + int(ended[-1][1])
        return f"rank {rank} was ended by signal {-int(ended[-1][0])}; see {log}"
    if failures:
        return told(failures, count, log)
    taken = next((line for line in lines if "EADDRINUSE" in line or "address already in use" in line), None)
    if taken:
        return "the port is taken by another program: choose another one in --address, or leave it out"
    if any(sign in line for line in lines for sign in ("DistNetworkError", "DistStoreError")):
        if machines.number:
            return f"the first machine is not reached at {machines.address}: is its `--machine 0` running there?"
        return f"of {machines.count} machines not all came to {machines.address} in time: is each running its part?"
    return f"torchrun ended with status {status}; see {log}" + (
        f" ({first_words(Exception(lines[-1]))})" if lines else ""
    )
