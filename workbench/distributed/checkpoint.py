"""Checkpoints of a training, by torch's distributed checkpoint: every rank writes its part, any number of ranks reads.

A checkpoint gets its name, `step-00000020`, once all ranks have written: what has no such name is no checkpoint.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from workbench.durable import PART, sync
from workbench.foreign import reading

NAME = "step-"
BY_NAME = StateDictOptions(flatten_optimizer_state_dict=True)
"""What the optimiser holds goes by the weights' names, so that ranks with different weights write no entry twice."""
KEPT = 2
"""How many stay: the newest, and the one before in case its disk is lost half way."""


def save(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, alone: bool = False) -> None:
    """Writes what a training needs to go on after `step` steps; a collective of all ranks. `alone`: each rank's weights
    are its own under the same names, and as many ranks must read them."""
    target = folder / f"{NAME}{step:08d}"
    part = folder / f"{PART}{target.name}"
    if dist.get_rank() == 0:
        for left in folder.glob(f"{PART}*"):  # half written, or half removed, when a rank was lost
            shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    dist.barrier()
    dcp.save(_held(model, optimizer, alone), checkpoint_id=part)
    if dist.get_rank() == 0:
        for file in part.iterdir():
            sync(file)
        sync(part)
        if target.exists():  # from before a checkpoint was removed by hand: the same, as training is
            _remove(target)
        part.rename(target)
        sync(folder)
        for old in sorted(folder.glob(f"{NAME}*"))[:-KEPT]:
            _remove(old)
    dist.barrier()


def _remove(checkpoint: Path) -> None:
    """Its name goes first: what has one is whole."""
    gone = checkpoint.with_name(f"{PART}gone-{checkpoint.name}")
    checkpoint.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def newest(folder: Path) -> int | None:
    """The step of the newest whole checkpoint."""
    steps = [int(path.name.removeprefix(NAME)) for path in folder.glob(f"{NAME}[0-9]*") if path.is_dir()]
    return max(steps, default=None)


def load(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, alone: bool = False) -> None:
    """Puts a checkpoint back, whatever number of ranks wrote it. Raises Problem where it cannot be read."""
    path = folder / f"{NAME}{step:08d}"
    held = _held(model, optimizer, alone)
    with reading(path, "corrupt", "remove it: the one before it is taken then"):
        dcp.load(held, checkpoint_id=path)
    (own,) = held.values()
    set_state_dict(
        model, optimizer, model_state_dict=own["weights"], optim_state_dict=own["optimizer"], options=BY_NAME
    )


def _held(model: nn.Module, optimizer: torch.optim.Optimizer, alone: bool) -> dict[str, dict[str, Any]]:
    weights, state = get_state_dict(model, optimizer, options=BY_NAME)
    return {f"rank-{dist.get_rank()}" if alone else "ranks": {"weights": weights, "optimizer": state}}
