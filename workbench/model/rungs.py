"""A variant's place on its operation's ladder, as the catalogue has it."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.catalog import Catalog

LAST = 1_000_000
"""The rung of a variant that the catalogue does not know: behind all that it knows."""


@dataclass(frozen=True)
class Rung:
    """What the catalogue says of a variant that its records do not."""

    rung: int
    idea: str
    baseline: bool


def rungs(catalog: Catalog) -> dict[str, Rung]:
    """A variant's key → its place on the ladder."""
    return {
        v.key: Rung(v.rung, v.idea, catalog.operation_of(v).baseline == v.name) for v in catalog
    }  # fmt: skip
