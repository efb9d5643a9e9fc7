"""Mutations that are said to be equivalent: nothing of them, nor of what their reasons call harmless, can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.equivalent import EQUIVALENT, Equivalent
from tests.campaign.mutate import FUZZ
from tests.campaign.mutations import Mutation, mutations, shows

pytestmark = pytest.mark.sliced

A_SLICE = 7
"""One of so many shapes is run, unless WORKBENCH_FUZZ asks for all."""


def found(key: tuple[str, str, str]) -> Mutation:
    return next(mutation for mutation in mutations(key[0]) if mutation.key == key)


@pytest.mark.parametrize("key", EQUIVALENT, ids=" ".join)
def test_an_equivalent_mutation_is_not_seen(key: tuple[str, str, str], tmp_path: Path) -> None:
    shapes = EQUIVALENT[key].shapes
    assert not shows(found(key), tmp_path, shapes if FUZZ > 1 else shapes[len(shapes) % A_SLICE :: A_SLICE])


def test_one_that_is_not_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that somebody reads, said to be read by nobody."""
    key = ("scan/three_phase", "bound off by one", "1:42")
    mutation = next(m for m in mutations(key[0]) if m.operator == "global index off by one")
    monkeypatch.setattr("tests.campaign.mutations.EQUIVALENT", {mutation.key: Equivalent("nobody reads it", ())})
    assert "h" in shows(mutation, tmp_path, ({"B": 1, "T": 20, "H": 3},))
