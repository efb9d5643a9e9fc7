"""What it costs to pass bytes between ranks: α seconds per hop and β seconds per byte, fitted to what was measured.

What passes a state between blocks of time is measured as well, so that its model stands beside its measurement.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.distributed.cost import CARRIES, COLLECTIVES, STANDS_ON, Carry, cost
from workbench.durable import write_whole
from workbench.foreign import reading
from workbench.quantity import quantity

FILE = "links.json"
RESAMPLES = 500


@dataclass(frozen=True)
class Estimate:
    """A fitted figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, unit: str) -> str:
        return f"{quantity(self.value, unit)} ({quantity(self.low, unit)} – {quantity(self.high, unit)})"


@dataclass(frozen=True)
class Fit:
    """α and β of one collective."""

    alpha_s: Estimate
    beta_s: Estimate
    """Seconds per byte."""
    worst: float
    """The largest relative difference of the fit from a median that it was fitted to."""

    @property
    def bandwidth(self) -> Estimate:
        """1 / β in bytes per second; infinite where bytes cost nothing that could be measured."""
        slow, middle, fast = (
            1 / b if b > 0 else math.inf for b in (self.beta_s.high, self.beta_s.value, self.beta_s.low)
        )
        return Estimate(middle, slow, fast)


@dataclass(frozen=True)
class Links:
    """Samples of one group of ranks."""

    ranks: int
    backend: str
    samples: Mapping[str, Mapping[int, Sequence[float]]]
    """Operation → bytes → seconds of each round."""

    @cached_property
    def fits(self) -> dict[str, Fit]:
        """Of each collective."""
        return {name: _fit(name, self.ranks, self.samples[name]) for name in COLLECTIVES}

    def modelled_s(self, operation: str, ranks: int, size: float) -> float:
        """Seconds that an operation takes on so many ranks; 0 on one."""
        if ranks < 2:
            return 0.0
        hops, moved = cost(operation, ranks, size)
        fit = self.fits[STANDS_ON.get(operation, operation)]
        return hops * fit.alpha_s.value + moved * fit.beta_s.value

    def carries(self) -> list[tuple[Carry, int, float, float]]:
        """Scheme, bytes of a state, measured (median) and modelled seconds."""
        return [
            (carry, size, float(np.median(seconds)), self.modelled_s(carry, self.ranks, size))
            for carry in CARRIES
            for size, seconds in sorted(self.samples[carry].items())
        ]

    def text(self) -> str:
        lines = [
            f"links, {name} over {self.backend}: α {fit.alpha_s.text('s')} per hop, {fit.bandwidth.text('B/s')} "
            f"(fitted, 95 %; within {quantity(fit.worst, '%')} of the medians)"
            for name, fit in self.fits.items()
        ]
        for carry in CARRIES:
            each = [
                f"{quantity(size, 'B')} {quantity(measured, 's')} ({quantity(model, 's')})"
                for name, size, measured, model in self.carries() if name == carry
            ]  # fmt: skip
            lines.append(f"carry by {carry}, by bytes of a state, measured (modelled): {', '.join(each)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        found = {
            name: {
                "alpha_s": vars(fit.alpha_s), "beta_s_per_byte": vars(fit.beta_s), "worst": fit.worst,
            }
            for name, fit in self.fits.items()
        }  # fmt: skip
        names = ("carry", "bytes", "measured_s", "modelled_s")
        return {
            "ranks": self.ranks, "backend": self.backend, "fits": found,
            "carries": [dict(zip(names, row, strict=True)) for row in self.carries()],
        }  # fmt: skip


def _fit(name: str, ranks: int, samples: Mapping[int, Sequence[float]]) -> Fit:
    """By least squares of relative differences, neither figure under 0; intervals over resampled rounds."""
    rows = np.array([cost(name, ranks, size) for size in samples])
    seconds = np.array([list(values) for values in samples.values()])
    found = _solve(rows, np.median(seconds, axis=1))
    random = np.random.default_rng(0)
    drawn = np.array([
        _solve(rows, np.median(seconds[:, random.integers(0, seconds.shape[1], seconds.shape[1])], axis=1))
        for _ in range(RESAMPLES)
    ])  # fmt: skip
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    alpha, beta = (Estimate(*map(float, figures)) for figures in zip(found, low, high, strict=True))
    middle = np.median(seconds, axis=1)
    return Fit(alpha, beta, float(np.max(np.abs(rows @ found - middle) / middle)))


def _solve(rows: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = rows / seconds[:, None]
    ones = np.ones(len(seconds))
    best = np.linalg.lstsq(scaled, ones, rcond=None)[0]
    if best.min() >= 0:
        return np.asarray(best)
    alone = [float(scaled[:, i] @ ones / (scaled[:, i] @ scaled[:, i])) for i in (0, 1)]
    choices = np.array([[alone[0], 0.0], [0.0, alone[1]]])
    return np.asarray(min(choices, key=lambda choice: float(((scaled @ choice - 1) ** 2).sum())))


def write(links: Links, folder: Path) -> None:
    data = {"ranks": links.ranks, "backend": links.backend, "samples": links.samples}
    write_whole(folder / FILE, json.dumps(data).encode())


def read(folder: Path) -> Links | None:
    """What a training measured; None where it measured no links. Raises Problem for a file that holds none."""
    file = folder / FILE
    if not file.exists():
        return None
    with reading(file, "corrupt, not the links of a training", "remove it, or train again with --trace"):
        data = json.loads(file.read_bytes())
        samples = {
            str(name): {int(size): [float(s) for s in seconds] for size, seconds in data["samples"][name].items()}
            for name in (*COLLECTIVES, *CARRIES)
        }
        every = [values for sizes in samples.values() for values in sizes.values()]
        if any(len(sizes) < 2 for sizes in samples.values()) or len({len(values) for values in every}) != 1:
            raise ValueError("samples of every operation at two sizes or more are wanted, equally many")
        if not all(0 < value < math.inf for values in every for value in values):
            raise ValueError("a time that is not a positive number of seconds")
        links = Links(int(data["ranks"]), str(data["backend"]), samples)
        if not 2 <= links.ranks < 1 << 20:
            raise ValueError(f"{links.ranks} ranks")
        return links
