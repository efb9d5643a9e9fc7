"""Checkpoints of a training, by torch's distributed checkpoint: every rank writes its part, any number of ranks reads.

A checkpoint gets its name, `step-00000020`, once all ranks have written: what has no such name is no checkpoint.
"""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

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


class Writer:
    """Writes checkpoints beside the training: what is held is copied at once, and written by a thread while steps go
    on, over a group of its own so that its collectives do not meet those of a step. A collective of all ranks.

    `alone`: each rank's weights are its own under the same names, and as many ranks must read them.
    """

    def __init__(self, folder: Path, alone: bool, timeout_s: float) -> None:
        self._folder = folder
        self._alone = alone
        self._group = dist.new_group(backend="gloo", timeout=timedelta(seconds=timeout_s))
        self._written: Future[None] | None = None
        self._step = 0

    def begin(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Begins to write what a training needs to go on after `step` steps, once the one before is written."""
        self.wait()
        self._step = step
        part = self._folder / f"{PART}{NAME}{step:08d}"
        if dist.get_rank() == 0:
            for left in self._folder.glob(f"{PART}*"):  # half written, or half removed, when a rank was lost
                shutil.rmtree(left, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
        dist.barrier(self._group)
        held = _held(model, optimizer, self._alone)
        saved = cast("Future[Any]", dcp.async_save(held, checkpoint_id=part, process_group=self._group))
        self._written = Future()
        saved.add_done_callback(partial(self._publish, part, self._written))

    def wait(self) -> None:
        """Waits until the last one is written. Raises what a rank raises that others are lost to."""
        written, self._written = self._written, None
        if written is None:
            return
        try:
            written.result()
        except Exception as error:
            error.add_note(f"the checkpoint of step {self._step}")
            raise

    def _publish(self, part: Path, written: Future[None], saved: Future[Any]) -> None:
        """The first rank has written when all have: it gives the checkpoint its name."""
        try:
            saved.result()
            if dist.get_rank() == 0:
                _name(part)
        except BaseException as error:  # raised by whoever waits
            written.set_exception(error)
        else:
            written.set_result(None)


def _name(part: Path) -> None:
    target = part.with_name(part.name.removeprefix(PART))
    for file in part.iterdir():
        sync(file)
    sync(part)
    if target.exists():  # from before a checkpoint was removed by hand: the same, as training is
        _remove(target)
    part.rename(target)
    sync(target.parent)
    for old in sorted(target.parent.glob(f"{NAME}*"))[:-KEPT]:
        _remove(old)


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
