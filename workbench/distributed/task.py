"""What is trained: a file of the user's own, whose function returns a task."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from workbench.problem import Problem
from workbench.user_modules import spec_of


class Task(Protocol):
    """A model and its data. Every rank makes the same ones: seeded by what is given, not by time or rank.

    Schemes find what they need in the model: submodules that scan over time call `self.scan(a, b, h0)` and get
    (h, last state), so that another scan can be put there; `tensor_plan()` of the model names its linear layers that
    are split by "columns" or "rows"; `stages(count)` cuts it into modules that follow one another.
    """

    def model(self) -> nn.Module: ...

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, whole: (B, T, …) each."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """A mean over all positions, so that the mean over equal parts is the whole's."""


def load_task(text: str) -> Task:
    """`FILE.py:FUNCTION` → what the function returns. Raises Problem naming what is wrong."""
    path_text, colon, function = text.rpartition(":")
    path = Path(path_text)
    if not colon or path.suffix != ".py":
        raise Problem(f"{text}: name a task as FILE.py:FUNCTION", exit_status=2)
    if not path.is_file():
        raise Problem(f"{path}: no such file", exit_status=2)
    spec = spec_of(path.stem, path)
    if spec is None or spec.loader is None:
        raise Problem(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        task: Task = getattr(module, function)()
    except AttributeError as error:
        raise Problem(f"{path}: {error}") from error
    except Exception as error:
        raise Problem(f"{path}: {type(error).__name__}: {error}") from error
    lacking = [name for name in ("model", "batch", "loss") if not callable(getattr(task, name, None))]
    if lacking:
        raise Problem(f"{text}: what it returns has no {' and no '.join(lacking)}; see docs/distributed.md")
    return task
