"""The ranks as a mesh: data × sequence × tensor, and what must hold so that a task fits on it."""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as c10d
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from workbench.problem import Problem

TIMEOUT_S = 60.0
POLL_S = 0.05
"""Between two looks into a store for ranks of other machines."""
Joined = TypeVar("Joined")


@dataclass(frozen=True)
class Sizes:
    """Ranks along each dimension: whole batches, blocks of time, channels."""

    data: int = 1
    sequence: int = 1
    tensor: int = 1

    @property
    def ranks(self) -> int:
        return self.data * self.sequence * self.tensor

    def require_ranks(self, ranks: int) -> None:
        """Raises Problem where there are more or fewer."""
        if self.ranks != ranks:
            raise Problem(
                f"data {self.data} × sequence {self.sequence} × tensor {self.tensor} is {self.ranks} ranks, and there "
                f"are {ranks}: start as many, or change a size",
                exit_status=2,
            )

    def fit(self, ranks: int, batch: int, steps: int) -> None:
        """Raises Problem where the ranks that there are, or the batch, are not divided by these."""
        self.require_ranks(ranks)
        for name, count, size in (("sequences", batch, self.data), ("time steps", steps, self.sequence)):
            if count % size:
                raise Problem(f"{count} {name} are not divided by {size} ranks: choose a divisor", exit_status=2)


@contextmanager
def ranks(sizes: Sizes, timeout_s: float = TIMEOUT_S, pipeline: bool = False) -> Iterator[DeviceMesh]:
    """Joins the process group that torchrun's environment describes, and leaves it: a mesh of these sizes, or all ranks
    in one line for a pipeline. Joining, and each collective of any group, ends or raises within `timeout_s`. Raises
    Problem where this process was not started by torchrun, ConnectionError where the others are not reached."""
    lacking = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if lacking:
        raise Problem(f"{', '.join(lacking)} not set: ranks are started by `workbench train`, or by torchrun")
    if not pipeline:
        sizes.require_ranks(int(os.environ["WORLD_SIZE"]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    local = int(os.environ.get("LOCAL_RANK", "0"))

    def join() -> DeviceMesh:
        if device == "cuda":
            torch.cuda.set_device(local)
        _join("nccl" if device == "cuda" else "gloo", timedelta(seconds=timeout_s))
        if pipeline:
            return init_device_mesh(device, (dist.get_world_size(),))
        shape = (sizes.data, sizes.sequence, sizes.tensor)
        return init_device_mesh(device, shape, mesh_dim_names=("data", "sequence", "tensor"))

    if device == "cuda":
        torch.cuda.set_device(local)  # it is each thread's own
    try:
        mesh = _within(timeout_s, join)
    except (dist.DistError, RuntimeError, ValueError, TimeoutError) as error:  # may pass: a restart may find the others
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConnectionError(f"the others are not reached at {where}: {reason}") from error
    try:
        yield mesh
    finally:
        dist.destroy_process_group()


def _join(backend: str, timeout: timedelta) -> None:
    """Joins the ranks of this attempt. torchrun keeps one store through all restarts, and what ranks that are gone
    wrote into it, their addresses too: each attempt has a part of it to itself."""
    # Groups that are made later, a mesh's and FSDP's, take the defaults: half an hour, ten minutes.
    c10d.default_pg_timeout = c10d.default_pg_nccl_timeout = timeout
    store, rank, size = next(iter(dist.rendezvous("env://", timeout=timeout)))
    store.set_timeout(timeout)
    attempt = f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1:
        attempt = agreed(store, rank, size, attempt, timeout.total_seconds())
    own = dist.PrefixStore(attempt, store)
    _require_same(own, rank, versions())
    dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=timeout)


def agreed(store: dist.Store, rank: int, size: int, attempt: str, seconds: float) -> str:
    """The name of this attempt, the same on all its ranks. Raises TimeoutError where not all come.

    Each machine counts its own restarts, and one whose command was started anew begins again at 0. The first rank asks
    whoever says to be here by a word that it makes up, and goes on once each has answered with it: what ranks that are
    gone have left in the store answers nothing.
    """
    deadline = time.monotonic() + seconds
    own = secrets.token_hex(8)
    if rank > 0:
        while time.monotonic() < deadline:
            store.set(f"here-{rank}", own)
            if store.check([f"asked-{own}"]):
                word = store.get(f"asked-{own}").decode()
                store.set(f"answered-{own}-{word}", "")
                if store.check([f"begun-{word}"]):
                    return f"{store.get(f'begun-{word}').decode()}-{word}"
            time.sleep(POLL_S)
        raise TimeoutError("the first rank did not come")
    missing = set(range(1, size))
    while missing and time.monotonic() < deadline:
        for other in sorted(missing):
            if store.check([f"here-{other}"]):
                theirs = store.get(f"here-{other}").decode()
                store.set(f"asked-{theirs}", own)
                if store.check([f"answered-{theirs}-{own}"]):
                    missing.remove(other)
        time.sleep(POLL_S)
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        raise TimeoutError(f"rank{'s' if len(missing) > 1 else ''} {names} did not come")
    store.set(f"begun-{own}", attempt)
    return f"{attempt}-{own}"


def versions() -> dict[str, str]:
    """What must be the same on all ranks: others speak to each other in another way, or train another model."""
    return {"Python": platform.python_version(), "torch": torch.__version__, "workbench": version("scan-workbench")}


def _require_same(store: dist.Store, rank: int, own: dict[str, str]) -> None:
    """Raises Problem on a rank that differs from the first one in a version."""
    if rank == 0:
        store.set("versions", json.dumps(own))
        return
    first: dict[str, str] = json.loads(store.get("versions"))
    words = [f"{name} {own[name]}, the first {first.get(name)}" for name in own if first.get(name) != own[name]]
    if words:
        raise Problem(f"rank {rank} on {platform.node()} has {'; '.join(words)}: install the same on all machines")


def _within(seconds: float, join: Callable[[], Joined]) -> Joined:
    """What `join` returns or raises; TimeoutError after `seconds`. gloo retries a connection for five times as long as
    it is told to wait, in C++, where no signal ends it: it is left to a thread, which ends with the process."""
    found: Queue[Joined | BaseException] = Queue()

    def run() -> None:
        try:
            found.put(join())
        except BaseException as error:  # raised by whoever waits
            found.put(error)

    Thread(target=run, daemon=True).start()
    try:
        result = found.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"not within {seconds:g} s") from None
    if isinstance(result, BaseException):
        raise result
    return result
