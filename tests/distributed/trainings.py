"""Trainings as `workbench train` starts them: their processes, and how far their weights are from one process's."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil
import torch

from tests.distributed.mixer import STEPS, trained_alone

ROOT = Path(__file__).parents[2]
TASK = f"{ROOT / 'tests' / 'distributed' / 'mixer.py'}:make"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(out: Path, *options: object, task: str = TASK) -> list[str]:
    words = ["train", task, "--out", out, "--steps", STEPS, "--json", *options]
    return [sys.executable, "-m", "workbench", *map(str, words)]


def difference(out: Path) -> float:
    """The largest relative difference of a weight from that of one process, which nobody disturbed."""
    alone = trained_alone()
    found = torch.load(out / "weights.pt")
    assert found.keys() == alone.keys()
    return max(float((found[name] - value).norm() / value.norm()) for name, value in alone.items())


def left_over(out: Path) -> list[psutil.Process]:
    """Every process of the training in this folder."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]


def ranks_of(out: Path) -> dict[int, psutil.Process]:
    """Those that are ranks, by their numbers."""
    found = {}
    for process in left_over(out):
        with contextlib.suppress(psutil.Error):
            if "workbench.distributed" in process.cmdline() and "RANK" in process.environ():
                found[int(process.environ()["RANK"])] = process
    return found
