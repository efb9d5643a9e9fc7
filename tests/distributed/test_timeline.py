"""Ranks' traces beside each other: shares, stretches, and who came last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.distributed.traced import traced
from workbench.distributed.timeline import arrivals, shares, stretches, trainings
from workbench.distributed.trace import traces, without


def test_shares_stretches_and_arrivals_of_two_ranks(tmp_path: Path) -> None:
    traced(tmp_path / "training")
    ranks = traces(tmp_path / "training")
    expected = {"rank": [0, 1], "traced_s": [4, 4], "computing": [0.25, 0.75], "exposed": [0.75, 0.25]}
    found = shares(ranks)
    assert found["bubble"].isna().all(), "no pipeline"
    for name, values in {**expected, "host_share": [0, 0], "overlap": [0, 0]}.items():
        assert found[name].tolist() == pytest.approx(values, abs=1e-6), name
    late = arrivals(ranks)
    assert late["last"].tolist() == [0, 2] and late["collectives"].tolist() == [2, 2]
    assert late["late_s"].isna().tolist() == [True, False] and late["late_s"][1] == pytest.approx(1.0)
    drawn = stretches(ranks)
    assert drawn[drawn["rank"] == 1]["begin_s"].tolist() == pytest.approx([0.0, 2.0, 1.5, 3.5], abs=1e-6)
    assert set(drawn["what"]) == {"computing", "exposed communication"}


def test_without() -> None:
    a = np.array([[0.0, 2.0], [3.0, 5.0]])
    assert without(a, np.array([[1.0, 4.0]])).tolist() == [[0.0, 1.0], [4.0, 5.0]]
    assert without(a, np.empty((0, 2))).tolist() == a.tolist()
    assert without(a, np.array([[-1.0, 9.0]])).tolist() == []
    assert without(np.empty((0, 2)), a).tolist() == []


def test_trainings_are_found_beside_runs(tmp_path: Path) -> None:
    assert trainings(tmp_path) == ()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    traced(tmp_path / "training")
    assert [folder.name for folder in trainings(tmp_path)] == ["training"]
