"""What a training left in its folder: steps, losses, restarts, and where each rank's time went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from workbench.distributed.trace import RankTime, rank_times
from workbench.foreign import reading


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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        loss = f", loss {self.first_loss:.4g} → {self.last_loss:.4g}" if self.first_loss and self.last_loss else ""
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        step = f", {1e3 * self.step_s:.3g} ms per step" if self.step_s is not None else ""
        lines = [f"{self.steps} steps on {self.ranks} ranks{step}{loss}{restarts}; weights: {self.weights}"]
        lines += [time.text() for time in self.times]
        return "\n".join(lines)


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line that the ranks of a training wrote; a last one that is cut off is left out."""
    for file in sorted(folder.glob("rank-*.jsonl")):
        with reading(file, "corrupt, not the lines of a rank", "train into another folder"):
            for line in file.read_text().split("\n")[:-1]:
                yield dict(json.loads(line))


def summary(folder: Path) -> Summary:
    """Raises Problem for a folder whose files are not those of a training."""
    lines = list(lines_of(folder))
    # A step that was done again after a restart counts as it was done last.
    done = {(line["step"], line["rank"]): line for line in lines if "step" in line}
    steps = sorted({step for step, _ in done})
    ranks = {line["rank"] for line in lines}
    losses = [_loss([line for (at, _), line in done.items() if at == step]) for step in steps]
    slowest = [max(line["seconds"] for (at, _), line in done.items() if at == step) for step in steps[1:]]
    return Summary(
        ranks=len(ranks),
        steps=len(steps),
        restarts=max((line["attempt"] for line in lines), default=0),
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        step_s=median(slowest) if slowest else None,
        times=rank_times(folder),
        weights=str(folder / "weights.pt"),
    )


def _loss(lines: list[dict[str, Any]]) -> float | None:
    known = [line["loss"] for line in lines if line["loss"] is not None]
    return mean(known) if known else None
