"""The same training on several numbers of ranks: step times with intervals, and how well it scales.

Strong: the batch stays as it is, efficiency is T_1 / (P T_P). Weak: each rank has as much as one rank had alone,
efficiency is T_1 / T_P. Where one rank was not run, the fewest that were stand for it. Intervals are over the steps of
each training, not over trainings: whether another day would give the same they do not tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.distributed import facts
from workbench.distributed.plan import Kind
from workbench.distributed.summary import last_lines
from workbench.problem import Problem
from workbench.statistics.intervals import median_interval, ratio_interval

if TYPE_CHECKING:
    from workbench.distributed.loop import Training

ALONG = ("data", "sequence", "tensor", "pipeline")
GROWS = ("data", "sequence")
WARM_UP = 2
"""Steps that are not counted: memory is taken and connections are made."""
COLUMNS = [
    "scheme", "ranks", "step_s", "step_low_s", "step_high_s", "efficiency", "efficiency_low", "efficiency_high",
]  # fmt: skip


def folder_of(out: Path, ranks: int) -> Path:
    """Where one training of a scaling lies."""
    return out / f"ranks-{ranks}"


def members(training: Training, counts: Sequence[int], along: str, weak: bool) -> list[tuple[Training, int]]:
    """The training on each number of ranks, with folders of their own. Raises Problem for what cannot be scaled so."""
    if along not in ALONG:
        raise Problem(f"--along {along}: {', '.join(ALONG)}", exit_status=2)
    if weak and along not in GROWS:
        raise Problem(f"--weak --along {along}: a batch grows along {' or '.join(GROWS)}", exit_status=2)
    if (training.pipeline is not None) != (along == "pipeline"):
        raise Problem("--scaling of a pipeline is --pipeline batch or time with --along pipeline", exit_status=2)
    if training.sizes.ranks > 1:
        raise Problem("--scaling sets the numbers of ranks: leave --data, --sequence and --tensor out", exit_status=2)
    if training.checkpoint_every:
        raise Problem("--scaling goes on from no checkpoint: leave --checkpoint-every out", exit_status=2)
    found = []
    for count in counts:
        sizes = training.sizes if along == "pipeline" else replace(training.sizes, **{along: count})
        folder = str(folder_of(Path(training.folder), count))
        found.append((replace(training, folder=folder, sizes=sizes, grown=count if weak else 1), count))
    return found


def scaled(out: Path) -> tuple[Kind, pd.DataFrame, bool]:
    """`strong` or `weak`; a row per number of ranks, fewest first: COLUMNS; and whether ranks shared cores. No rows
    where `out` is no scaling. Raises Problem for files that are not those of trainings."""
    found = []
    kinds = set()
    shared = False
    for folder in out.glob("ranks-*"):
        known = facts.read(folder)
        if known is None:
            continue
        taken = [max(line["seconds"] for line in lines) for lines in last_lines(folder).values()][WARM_UP:]
        if taken and min(taken) > 0:
            shared |= known.shares_cores
            kinds.add("weak" if known.training.get("grown", 1) > 1 else "strong")
            found.append((known.ranks, known.scheme, np.array(taken)))
    found.sort(key=lambda one: one[0])
    kind: Kind = "weak" if "weak" in kinds else "strong"
    rows = []
    for ranks, scheme, seconds in found:
        fewest, _, base = found[0]
        ideal = 1.0 if kind == "weak" else fewest / ranks
        low, high = ratio_interval(seconds, base)
        middle = float(np.median(base) / np.median(seconds))
        efficiency = (ideal * value for value in (middle, low, high))
        rows.append((scheme, ranks, float(np.median(seconds)), *median_interval(seconds), *efficiency))
    return kind, pd.DataFrame(rows, columns=COLUMNS), shared
