"""The tables of docs/tasks.md, from the committed trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from examples.tasks.cells import CELLS
from examples.tasks.command import QUICK
from workbench.quantity import quantity
from workbench.tasks.record_steps import read_steps, steps_text
from workbench.tasks.recorded import Recorded, recorded, shares, source_text, table_text, where

ROOT = Path(__file__).resolve().parents[1]
TRAININGS = ROOT / "profiles" / "tasks-quick"
PAGE = ROOT / "docs" / "tasks.md"
BEGIN, END = "<!-- tasks: begin (python -m docs.generate) -->", "<!-- tasks: end -->"
STEPS_BEGIN, STEPS_END = "<!-- steps: begin (python -m docs.generate) -->", "<!-- steps: end -->"
BASELINE = "nn.LSTM"


def trainings(folder: Path = TRAININGS) -> str:
    """Where and when, what a command took, a table per task, and the shares of a step's time."""
    runs = recorded(folder)
    told = [f"{text}: {_tasks(own, runs)}." for text, own in where(runs).items()]
    if len(told) > 1:
        told.append("Seconds of one machine do not compare with those of another.")
    head = (
        f"Trainings of `{folder.relative_to(ROOT)}`, `--quick`. {' '.join(told)} "
        f"Quality: the median of the seeds, then their range.\n\n{took_table(runs)}"
    )
    data = {run.task: "; ".join(map(source_text, run.header["data"])) for run in runs}
    sources = "\n".join(f"- `{task}`: {text}" for task, text in data.items())
    return f"{head}\n\nData:\n\n{sources}\n\n{table_text(runs)}\n\nWhere a step's time goes:\n\n{parts_table(folder)}"


def _tasks(own: Sequence[Recorded], runs: Sequence[Recorded]) -> str:
    """Tasks, each with its cells where not all of them are meant."""
    names = []
    for task in dict.fromkeys(run.task for run in own):
        cells, every = (dict.fromkeys(run.subject for run in each if run.task == task) for each in (own, runs))
        names.append(f"`{task}`" if cells == every else f"`{task}` ({', '.join(cells)})")
    return ", ".join(names)


def took_table(runs: Sequence[Recorded]) -> str:
    """What the command takes for a task, with evaluation, preparation of the data and what is measured at the end."""
    lines = [f"| task | `--quick`: {len(QUICK)} cells, 3 seeds | all cells that are here |", "|---|---:|---:|"]
    for task in dict.fromkeys(run.task for run in runs):
        own = [run for run in runs if run.task == task]
        quick, every = (sum(run.whole_s for run in own if run.subject in cells) for cells in (QUICK, CELLS))
        lines.append(f"| {task} | {quantity(quick, 's')} | {quantity(every, 's')} |")
    return "\n".join(lines)


def parts_table(folder: Path = TRAININGS) -> str:
    """A row per task and subject, a column per part."""
    found = shares(recorded(folder)).pivot_table("share", ["task", "subject"], "part", sort=False, fill_value=0.0)
    lines = [f"| task | cell | {' | '.join(found.columns)} |", f"|---|---|{'---:|' * len(found.columns)}"]
    for (task, subject), row in found.iterrows():
        lines.append(f"| {task} | {subject} | {' | '.join(f'{value:.0%}' for value in row)} |")
    return "\n".join(lines)


def steps(folder: Path = TRAININGS) -> str:
    return steps_text(read_steps(folder), BASELINE)
