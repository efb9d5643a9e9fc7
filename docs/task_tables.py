"""The tables of docs/tasks.md, from the committed trainings."""

from __future__ import annotations

from pathlib import Path

from workbench.quantity import quantity
from workbench.tasks.record_steps import read_steps, steps_text
from workbench.tasks.recorded import recorded, shares, source_text, table_text

ROOT = Path(__file__).resolve().parents[1]
TRAININGS = ROOT / "profiles" / "tasks-quick"
PAGE = ROOT / "docs" / "tasks.md"
BEGIN, END = "<!-- tasks: begin (python -m docs.generate) -->", "<!-- tasks: end -->"
STEPS_BEGIN, STEPS_END = "<!-- steps: begin (python -m docs.generate) -->", "<!-- steps: end -->"
BASELINE = "nn.LSTM"


def trainings(folder: Path = TRAININGS) -> str:
    """Where and when, a table per task, and the shares of a step's time."""
    runs = recorded(folder)
    first = runs[0].header
    loads = [float(epoch["load"]) for run in runs for epoch in run.epochs]
    clock = "CPU time of one thread" if first["clock"] == "cpu" else "time on the clock"
    spent = {run.task: 0.0 for run in runs}
    for run in runs:
        spent[run.task] += sum(float(epoch["seconds"]) + float(epoch["evaluation_s"]) for epoch in run.epochs)
    head = (
        f"Trainings of `{folder.relative_to(ROOT)}`: {first['device']}, {first['created'][:10]}, torch "
        f"{first['versions']['torch']}, {clock}, at a load average of {min(loads):.0f} to {max(loads):.0f}; `--quick`. "
        "Quality: the median of the seeds, then their range. All trainings of a task together took "
        + ", ".join(f"{quantity(seconds, 's')} ({task})" for task, seconds in spent.items())
        + "."
    )
    data = {run.task: "; ".join(map(source_text, run.header["data"])) for run in runs}
    sources = "\n".join(f"- `{task}`: {text}" for task, text in data.items())
    return f"{head}\n\nData:\n\n{sources}\n\n{table_text(runs)}\n\nWhere a step's time goes:\n\n{parts_table(folder)}"


def parts_table(folder: Path = TRAININGS) -> str:
    """A row per task and subject, a column per part."""
    found = shares(recorded(folder)).pivot_table("share", ["task", "subject"], "part", sort=False, fill_value=0.0)
    lines = [f"| task | cell | {' | '.join(found.columns)} |", f"|---|---|{'---:|' * len(found.columns)}"]
    for (task, subject), row in found.iterrows():
        lines.append(f"| {task} | {subject} | {' | '.join(f'{value:.0%}' for value in row)} |")
    return "\n".join(lines)


def steps(folder: Path = TRAININGS) -> str:
    return steps_text(read_steps(folder), BASELINE)
