"""Published experiments as data: what was published, on which device, and the sweeps that repeat it here.

Each is a file `experiments/NAME.toml` of a folder of kernels, the project's own or a user's.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.catalog import BUILTIN
from workbench.foreign import reading
from workbench.problem import Problem, unknown

FOLDER = "experiments"
Quantity = Literal["time", "error", "kept"]
"""`kept`: bytes that a forward pass keeps for the backward pass, as declared."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sweep(Part):
    """One ordinary run: of every combination of sizes."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    operations: tuple[str, ...] = Field(min_length=1)
    passes: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    axes: dict[str, tuple[int, ...]] = {}
    quick: dict[str, tuple[int, ...]] = {}
    """Sizes in place of those where the experiment is to take minutes."""
    full_only: bool = False
    """Left out there: its sizes take longer than that."""
    dtypes: tuple[str, ...] = ("float32",)
    is_growth: bool = False
    """Errors over the sizes that the operation declares for it, `axes` in their place, and no times."""


class Point(Part):
    """One published figure."""

    at: dict[str, int]
    """Size by axis; axes that it leaves open may have any."""
    value: float
    """Seconds, an error, bytes, or of a comparison a ratio."""
    note: str = ""
    """Where it comes from, where it is not the experiment's own source."""


class Series(Part):
    """A line of a figure: the fastest of `variants` stands for it here."""

    name: str
    variants: tuple[str, ...] = Field(min_length=1)
    """Keys, such as `scan/backward/serial`."""
    at: dict[str, int] = {}
    """Sizes that records must have to be of this series."""
    quantity: Quantity = "time"
    backend: Literal["", "cpu", "cuda"] = ""
    """Empty: wherever it was timed."""
    points: tuple[Point, ...] = ()


class Ratio(Part):
    """One series over another. Where no points are given they follow from those of the two series."""

    name: str
    over: str
    under: str
    points: tuple[Point, ...] = ()


class Crossing(Part):
    """Where along an axis one series becomes faster than another."""

    first: str
    second: str
    axis: str
    published: str = ""


class Experiment(Part):
    """What somebody published, and how it is repeated."""

    name: str
    title: str
    source: str
    """Where the figures stand: an arXiv number and figure."""
    device: str = ""
    """That they were measured on; empty where nothing is published."""
    date: str = ""
    read: str = ""
    """How the figures were read, and how far they can be trusted."""
    differs: tuple[str, ...] = ()
    """What is done otherwise here, a sentence each."""
    sweeps: tuple[Sweep, ...] = Field(min_length=1)
    series: tuple[Series, ...] = Field(min_length=1)
    ratios: tuple[Ratio, ...] = ()
    crossings: tuple[Crossing, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> Experiment:
        for kind, names in (("series", [s.name for s in self.series]), ("sweeps", [s.name for s in self.sweeps])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind} have one name")
        known = {series.name for series in self.series}
        used = [n for r in self.ratios for n in (r.over, r.under)] + [
            n for c in self.crossings for n in (c.first, c.second)
        ]
        if lacking := sorted(set(used) - known):
            raise ValueError(f"no series is called {lacking[0]}")
        return self


def experiment_files(kernels: Path | None = None) -> dict[str, Path]:
    """Name → file, of a folder of kernels."""
    return {file.stem: file for file in sorted(((kernels or BUILTIN) / FOLDER).glob("*.toml"))}


def load_experiment(name: str, kernels: Path | None = None) -> Experiment:
    """Problem for a name that is not there and for a file that is no experiment."""
    files = experiment_files(kernels)
    if name not in files:
        raise unknown("experiment", name, files)
    return _read(files[name])


def load_experiments(kernels: Path | None = None) -> tuple[list[Experiment], list[Problem]]:
    """Every experiment of a folder, and what is wrong with the files that hold none."""
    found, broken = [], []
    for file in experiment_files(kernels).values():
        try:
            found.append(_read(file))
        except Problem as problem:
            broken.append(problem)
    return found, broken


def _read(file: Path) -> Experiment:
    fix = "mend it after kernel_variants/experiments"
    with reading(file, "no experiment", fix):
        data = tomllib.loads(file.read_text())
        try:
            return Experiment.model_validate({"name": file.stem, **data})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(": ".join(filter(None, (where, first["msg"])))) from None
