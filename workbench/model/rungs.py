"""A variant's place on its operation's ladder, as the catalogue has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench.declare import variant_key
from workbench.model.figures import of_each

if TYPE_CHECKING:
    from workbench.catalog import Catalog

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


def rungs(catalog: Catalog, only: Collection[str] | None = None) -> dict[str, Rung]:
    """A variant's key → its place on the ladder; of `only` these variants, where given: a digest takes milliseconds."""
    from workbench.compile.digest import digests  # many who look at rungs ask for no digest

    wanted = [v for v in catalog if only is None or v.key in only]
    sources = digests(catalog, wanted)
    return {
        v.key: Rung(v.rung, v.idea, catalog.operation_of(v).baseline == v.name, sources.get(v.key, "")) for v in wanted
    }


def stale(records: pd.DataFrame, known: Mapping[str, Rung]) -> list[bool]:
    """Of each record whether its variant is made from something else now: what was measured is not what is there.
    Records without a digest, and variants that the catalogue does not know any more, are not."""

    def differs(operation: str, variant: str, pass_: str, then: object) -> bool:
        key = variant_key(operation, variant, pass_)
        today = known[key].sources if key in known else ""
        return bool(isinstance(then, str) and then and today and then != today)

    places, found = of_each(records, ("operation", "variant", "pass", "sources"), differs)
    return [found[place] for place in places]
