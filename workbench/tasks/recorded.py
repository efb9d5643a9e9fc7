"""What trainings have left: a row per task and subject, curves of quality against seconds, where a step's time goes,
and what a faster studied part could gain at most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import pandas as pd

from workbench.foreign import reading
from workbench.quantity import quantity
from workbench.statistics.intervals import median_interval
from workbench.tasks import BACKWARD, FORWARD

TORCHS = ("aten", "torch", "prim", "prims", "profiler", "c10d", "mkldnn")
"""Libraries of operators that come with torch."""

HEADER = {
    "task": str, "subject": str, "studied": str, "metric": dict, "goal": dict, "data": list, "parameters": int,
    "clock": str, "device": str, "created": str, "versions": dict,
}  # fmt: skip
"""What is shown of a training, by its name in the first line."""


@dataclass(frozen=True)
class Recorded:
    """One training, finished or not."""

    header: dict[str, Any]
    epochs: tuple[dict[str, Any], ...]
    end: dict[str, Any] | None

    @property
    def task(self) -> str:
        return str(self.header["task"])

    @property
    def subject(self) -> str:
        return str(self.header["subject"])

    @property
    def quality(self) -> float:
        """Behind the last epoch: no epoch is chosen by what is measured."""
        return float(self.epochs[-1]["quality"])

    @property
    def epoch_s(self) -> float:
        """Median seconds of an epoch's steps, without the evaluation; the first epoch is not counted where another
        follows."""
        return float(median(epoch["seconds"] for epoch in self._timed))

    @property
    def whole_s(self) -> float:
        """Seconds of everything: the data's preparation, all epochs with their evaluation, what is measured at the
        end. Trainings of an earlier version have neither the first nor the last."""
        ends = (self.header.get("prepared_s", 0.0), 0.0 if self.end is None else self.end.get("end_s", 0.0))
        return float(sum(ends) + sum(epoch["seconds"] + epoch["evaluation_s"] for epoch in self.epochs))

    def part_s(self, name: str) -> float:
        """The same of one part, forwards and backwards together."""
        names = (name, name + FORWARD, name + BACKWARD)
        return float(median(sum(epoch["parts"].get(n, 0.0) for n in names) for epoch in self._timed))

    def parts(self) -> dict[str, float]:
        """Part → its share of all timed steps."""
        total = sum(epoch["seconds"] for epoch in self._timed)
        names = dict.fromkeys(name for epoch in self._timed for name in epoch["parts"])
        return {name: sum(epoch["parts"].get(name, 0.0) for epoch in self._timed) / total for name in names}

    def own_kernels(self) -> float | None:
        """Share of the operators' time that is in those which are not torch's; None where there are none, or where the
        training has not ended."""
        operators = {} if self.end is None else self.end["operators"]
        return sum(share for library, share in operators.items() if library not in TORCHS) or None

    @property
    def _timed(self) -> tuple[dict[str, Any], ...]:
        return self.epochs[1:] or self.epochs


def folders(profiles: Path) -> tuple[Path, ...]:
    """Folders of the profiles folder in which trainings of tasks lie, the newest first."""
    found = {file.parent for file in profiles.glob("*/task-*.jsonl")}
    return tuple(sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True))


def recorded(folder: Path) -> tuple[Recorded, ...]:
    """Every training of a folder that has ended an epoch. Raises Problem for a file that is none."""
    found = [_read(file) for file in sorted(folder.glob("task-*.jsonl"))]
    return tuple(run for run in found if run.epochs)


def _read(file: Path) -> Recorded:
    with reading(file, "corrupt, not the lines of a training", "remove it, and train again"):
        header, *lines = [dict(json.loads(line)) for line in file.read_text().splitlines()]
        epochs = tuple(line for line in lines if "epoch" in line)
        run = Recorded(header, epochs, next((line for line in lines if "ended" in line), None))
        for name, field in HEADER.items():
            if not isinstance(header[name], field):
                raise ValueError(f"{name} is no {field.__name__}")
        if epochs:
            table([run]), curves([run]), shares([run])
        return run


def table(runs: Sequence[Recorded]) -> pd.DataFrame:
    """A row per task and subject: quality (median over seeds, with its interval), what is trivial and what is wanted,
    whether every seed has it, seconds per epoch (whole, in what is studied, of one more layer), parameters, and by how
    much a step would be faster at most if the studied part, or the kernels of one's own in it, took no time (Amdahl).
    Those kernels' share is of the operators' time of a forward and a backward pass."""
    rows = []
    for (task, subject), own in _grouped(runs).items():
        header = own[0].header
        metric, goal = header["metric"], header["goal"]
        qualities = [run.quality for run in own]
        low, high = median_interval(qualities)
        lower = metric["lower_is_better"]
        epoch_s, studied_s = median(run.epoch_s for run in own), median(run.part_s(header["studied"]) for run in own)
        kernels = [share for run in own if (share := run.own_kernels()) is not None]
        own_share = median(kernels) if kernels else None
        deeper = [run.end["one_more_layer_s"] for run in own if run.end]
        rows.append({
            "task": task, "subject": subject, "studied": header["studied"], "seeds": len(own),
            "metric": metric["name"], "unit": metric["unit"], "quality": median(qualities), "low": low, "high": high,
            "trivial": goal["trivial"], "meaning": goal["meaning"], "wanted": goal["wanted"],
            "learned": all((q <= goal["wanted"]) if lower else (q >= goal["wanted"]) for q in qualities),
            "epochs": len(own[0].epochs), "epoch_s": epoch_s, "studied_s": studied_s,
            "one_more_layer_s": median(deeper) if deeper else None,
            "parameters": header["parameters"], "parameters_studied": header["parameters_studied"],
            "studied_share": studied_s / epoch_s, "most_gain": epoch_s / (epoch_s - studied_s),
            "own_share": own_share, "own_gain": 1 / (1 - own_share) if own_share else None,
            **{f"more.{name}": mean(run.end["more"][name] for run in own if run.end)
               for name in (own[0].end or {"more": {}})["more"]},
            "load": max(epoch["load"] for run in own for epoch in run.epochs),
        })  # fmt: skip
    return pd.DataFrame(rows)


def curves(runs: Sequence[Recorded]) -> pd.DataFrame:
    """A row per task, subject and epoch: seconds of training up to its end (median over seeds) and the quality then
    (median, low, high)."""
    rows = []
    for (task, subject), own in _grouped(runs).items():
        for place in range(min(len(run.epochs) for run in own)):
            qualities = [float(run.epochs[place]["quality"]) for run in own]
            low, high = median_interval(qualities)
            spent = median(sum(epoch["seconds"] for epoch in run.epochs[: place + 1]) for run in own)
            rows.append((task, subject, place + 1, spent, median(qualities), low, high))
    return pd.DataFrame(rows, columns=["task", "subject", "epoch", "seconds", "quality", "low", "high"])


def shares(runs: Sequence[Recorded]) -> pd.DataFrame:
    """A row per task, subject and part: its share of the steps' time (mean over seeds)."""
    rows = [
        (task, subject, part, mean(run.parts().get(part, 0.0) for run in own))
        for (task, subject), own in _grouped(runs).items()
        for part in dict.fromkeys(name for run in own for name in run.parts())
    ]
    return pd.DataFrame(rows, columns=["task", "subject", "part", "share"])


def where(runs: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    """Device, torch and what tells the time, with when that was and how busy the machine was → the trainings of which
    that is so."""
    found: dict[tuple[str, str, str], list[Recorded]] = {}
    for run in runs:
        clock = "CPU time of one thread" if run.header["clock"] == "cpu" else "time on the clock"
        key = (run.header["device"], f"torch {run.header['versions']['torch']}", clock)
        found.setdefault(key, []).append(run)
    told = {}
    for (device, torch, clock), own in found.items():
        days = sorted({run.header["created"][:10] for run in own})
        loads = [float(epoch["load"]) for run in own for epoch in run.epochs]
        when = " to ".join(dict.fromkeys((days[0], days[-1])))
        busy = f"at a load average of {min(loads):.0f} to {max(loads):.0f}"
        told[f"{device}, {when}, {torch}, {clock}, {busy}"] = own
    return told


def source_text(source: Mapping[str, Any]) -> str:
    """Where a training's data come from: name, version, licence, and what was counted in them."""
    known = [str(source[name]) for name in ("name", "version", "licence") if name in source]
    return ", ".join([*known, *(f"{value:,} {name}" for name, value in source.items() if isinstance(value, int))])


def _grouped(runs: Sequence[Recorded]) -> dict[tuple[str, str], list[Recorded]]:
    found: dict[tuple[str, str], list[Recorded]] = {}
    for run in runs:
        found.setdefault((run.task, run.subject), []).append(run)
    # What has learned less than others is not compared with them.
    return {key: [run for run in own if run.end is not None] or own for key, own in found.items()}


def table_text(runs: Sequence[Recorded]) -> str:
    """The table in Markdown, which a terminal shows as well."""
    frame = table(runs)
    if frame.empty:
        return "nothing was trained"
    blocks = []
    for task, rows in frame.groupby("task", sort=False):
        first = rows.iloc[0]
        more = [name for name in rows.columns if name.startswith("more.") and rows[name].notna().any()]
        head = [
            str(first["metric"]), f"{first['seeds']} seeds", f"{first['studied']} per epoch", "whole epoch",
            "one more layer", "parameters", "gain at most", "by own kernels", *(m.removeprefix("more.") for m in more),
        ]  # fmt: skip
        lines = [
            f"{task}: {first['metric']}, trivial {quantity(first['trivial'], first['unit'])} ({first['meaning']}), "
            f"wanted {quantity(first['wanted'], first['unit'])}; {first['epochs']} epochs",
            "",
            f"| cell | {' | '.join(head)} |",
            f"|---|{'---:|' * len(head)}",
        ]
        for row in rows.to_dict("records"):
            cells = [
                quantity(row["quality"], row["unit"]) + ("" if row["learned"] else " (not learned)"),
                f"{quantity(row['low'], row['unit'])} – {quantity(row['high'], row['unit'])}",
                quantity(row["studied_s"], "s"), quantity(row["epoch_s"], "s"), quantity(row["one_more_layer_s"], "s"),
                quantity(row["parameters"]), quantity(row["most_gain"], "x"), quantity(row["own_gain"], "x"),
                *(quantity(row[name]) for name in more),
            ]  # fmt: skip
            lines.append(f"| {row['subject']} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
