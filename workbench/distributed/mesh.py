"""The ranks as a mesh: data × sequence × tensor, and what must hold so that a task fits on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from workbench.problem import Problem

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Sizes:
    """Ranks along each dimension: whole batches, blocks of time, channels."""

    data: int = 1
    sequence: int = 1
    tensor: int = 1

    @property
    def ranks(self) -> int:
        return self.data * self.sequence * self.tensor

    def fit(self, ranks: int, batch: int, steps: int) -> None:
        """Raises Problem where the ranks that there are, or the batch, are not divided by these."""
        if self.ranks != ranks:
            raise Problem(
                f"data {self.data} × sequence {self.sequence} × tensor {self.tensor} is {self.ranks} ranks, and there "
                f"are {ranks}: start as many, or change a size",
                exit_status=2,
            )
        for name, count, size in (("sequences", batch, self.data), ("time steps", steps, self.sequence)):
            if count % size:
                raise Problem(f"{count} {name} are not divided by {size} ranks: choose a divisor", exit_status=2)


@contextmanager
def ranks(sizes: Sizes, timeout_s: float = TIMEOUT_S, pipeline: bool = False) -> Iterator[DeviceMesh]:
    """Joins the process group that torchrun's environment describes, and leaves it: a mesh of these sizes, or all ranks
    in one line for a pipeline. A collective that takes longer than `timeout_s` raises. Raises Problem where this
    process was not started by torchrun, ConnectionError where the others are not reached."""
    lacking = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if lacking:
        raise Problem(f"{', '.join(lacking)} not set: ranks are started by `workbench train`, or by torchrun")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=timedelta(seconds=timeout_s))
    except (dist.DistError, RuntimeError, ValueError) as error:  # may pass: a restart often finds the others
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConnectionError(f"the others are not reached at {where}: {reason}") from error
    try:
        if pipeline:
            yield init_device_mesh(device, (dist.get_world_size(),))
            return
        sizes.fit(dist.get_world_size(), sizes.data, sizes.sequence)
        yield init_device_mesh(
            device, (sizes.data, sizes.sequence, sizes.tensor), mesh_dim_names=("data", "sequence", "tensor")
        )
    finally:
        dist.destroy_process_group()
