"""What a training left in its folder: steps, losses, restarts, and where each rank's time went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from workbench.distributed import facts, links
from workbench.distributed.cost import bubble
from workbench.distributed.facts import Facts
from workbench.distributed.links import Links
from workbench.distributed.trace import RankTime, rank_times
from workbench.foreign import reading
from workbench.quantity import quantity

SHARED = "These ranks share one machine's cores: this shows that a scheme is right, not how it scales."


@dataclass(frozen=True)
class Summary:
    """Of a whole training, over all its ranks and attempts."""

    ranks: int
    steps: int
    restarts: int
    """How often ranks were started again."""
    first_loss: float | None
    last_loss: float | None
    step_s: float | None
    """Median seconds of a step, of the slowest rank in each; the first step is not counted."""
    times: tuple[RankTime, ...]
    """Where each rank's time went, where steps were traced."""
    weights: str
    facts: Facts | None
    links: Links | None

    @property
    def bubbles(self) -> tuple[float, float] | None:
        """Of a traced pipeline: the measured share of its steps, mean over ranks, and the modelled one."""
        shares = [time.bubble_s / time.pipeline_s for time in self.times if time.pipeline_s]
        cut = self.facts.pipeline if self.facts else None
        return (mean(shares), bubble(*cut)) if shares and cut else None

    def as_dict(self) -> dict[str, Any]:
        measured, modelled = self.bubbles or (None, None)
        return {
            **asdict(replace(self, links=None)), "links": self.links.as_dict() if self.links else None,
            "bubble": {"measured": measured, "modelled": modelled},
        }  # fmt: skip

    def text(self) -> str:
        loss = f", loss {self.first_loss:.4g} → {self.last_loss:.4g}" if self.first_loss and self.last_loss else ""
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        step = f", {quantity(self.step_s, 's')} per step" if self.step_s is not None else ""
        lines = [f"{self.steps} steps on {self.ranks} ranks{step}{loss}{restarts}; weights: {self.weights}"]
        lines += [time.text() for time in self.times]
        if self.bubbles:
            measured, modelled = (quantity(share, "%") for share in self.bubbles)
            lines.append(f"bubble: {measured} of the pipeline's steps measured, {modelled} by (P - 1) / (K + P - 1)")
        if self.links:
            lines.append(self.links.text())
        if self.times and self.facts and self.facts.shares_cores:
            lines.append(SHARED)
        return "\n".join(lines)


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line that the ranks of a training wrote; a last one that is cut off is left out."""
    for file in sorted(folder.glob("rank-*.jsonl")):
        with reading(file, "corrupt, not the lines of a rank", "train into another folder"):
            found = [_line(json.loads(text)) for text in file.read_text().split("\n")[:-1]]
        yield from found


def _line(given: dict[str, Any]) -> dict[str, Any]:
    """One line with the types that it is read by. Raises for another."""
    line = {**given, "rank": int(given["rank"]), "attempt": int(given["attempt"])}
    if "step" in given:
        loss = given["loss"]
        line |= {
            "step": int(given["step"]),
            "seconds": float(given["seconds"]),
            "loss": None if loss is None else float(loss),
        }
    return line


def last_lines(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """Step → its line of each rank; of a step that was done again after a restart, those of the last time."""
    done = {(line["step"], line["rank"]): line for line in lines_of(folder) if "step" in line}
    found: dict[int, list[dict[str, Any]]] = {}
    for step, rank in sorted(done):
        found.setdefault(step, []).append(done[step, rank])
    return found


def summary(folder: Path) -> Summary:
    """Raises Problem for a folder whose files are not those of a training."""
    lines = list(lines_of(folder))
    steps = last_lines(folder)
    ranks = {line["rank"] for line in lines}
    losses = [_loss(found) for found in steps.values()]
    slowest = [max(line["seconds"] for line in found) for found in steps.values()][1:]
    return Summary(
        ranks=len(ranks),
        steps=len(steps),
        restarts=max((line["attempt"] for line in lines), default=0),
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        step_s=median(slowest) if slowest else None,
        times=rank_times(folder),
        weights=str(folder / "weights.pt"),
        facts=facts.read(folder),
        links=links.read(folder),
    )


def _loss(lines: list[dict[str, Any]]) -> float | None:
    known = [line["loss"] for line in lines if line["loss"] is not None]
    return mean(known) if known else None
