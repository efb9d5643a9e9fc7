"""A variant's place on its operation's ladder, as the catalogue has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from workbench.build.digest import digests
from workbench.catalog import Catalog
from workbench.declare import variant_key

LAST = 1_000_000
"""The rung of a variant that the catalogue does not know: behind all that it knows."""


@dataclass(frozen=True)
class Rung:
    """What the catalogue says of a variant that its records do not."""

    rung: int
    idea: str
    baseline: bool
    sources: str = ""
    """Digest of what it is made from now; empty where it is not known."""


def rungs(catalog: Catalog) -> dict[str, Rung]:
    """A variant's key → its place on the ladder."""
    sources = digests(catalog)
    return {
        v.key: Rung(v.rung, v.idea, catalog.operation_of(v).baseline == v.name, sources.get(v.key, "")) for v in catalog
    }


def stale(records: pd.DataFrame, known: Mapping[str, Rung]) -> list[bool]:
    """Of each record whether its variant is made from something else now: what was measured is not what is there.
    Records without a digest, and variants that the catalogue does not know any more, are not."""
    keys = map(variant_key, records["operation"], records["variant"], records["pass"])
    now = [known[key].sources if key in known else "" for key in keys]
    return [bool(then and today and then != today) for then, today in zip(records["sources"], now, strict=True)]
