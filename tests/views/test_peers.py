"""Best over peer: the fastest of either side, by one timer, with an interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.profile.build_run import make_record, make_run
from workbench.store.record import Record
from workbench.views.peers import against_peers

PEER = {"peer": "yes"}


def timed(variant: str, median_s: float, timer: str = "cuda_event", **fields: Any) -> Record:
    record = make_record(
        variant, median_s=median_s, samples_s=[median_s * (1 + i / 1000) for i in range(-10, 11)], **fields
    )
    assert record.time is not None
    return record.model_copy(update={"time": record.time.model_copy(update={"timer": timer})})


def test_the_fastest_of_either_side_are_compared() -> None:
    records = [
        timed("serial", 3e-3), timed("ring", 1e-3), timed("a", 2e-3, factors=PEER), timed("b", 5e-3, factors=PEER)
    ]  # fmt: skip
    (found,) = against_peers(records)
    assert (found.best.variant, found.peer.variant) == ("ring", "a")
    assert found.ratio == pytest.approx(2) and found.low <= 2 <= found.high and found.high - found.low < 0.1


def test_a_faster_peer_shows() -> None:
    (found,) = against_peers([timed("ring", 4e-3), timed("a", 1e-3, factors=PEER)])
    assert found.high < 1


def test_two_timers_are_never_compared() -> None:
    assert against_peers([timed("ring", 1e-3), timed("a", 2e-3, "cuda_event_unheld", factors=PEER)]) == []


def test_shapes_stay_apart_and_no_time_is_no_row() -> None:
    one = [timed("ring", 1e-3, T=64), timed("a", 2e-3, T=64, factors=PEER)]
    other = [timed("ring", 1e-3, T=128), make_record("a", T=128, median_s=None, factors=PEER)]
    assert [row.best.shape["T"] for row in against_peers(one + other)] == [64]


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli.peers_table import print_peers

    print_peers(make_run(tmp_path, timed("ring", 1e-3), timed("a", 2e-3, factors=PEER)))
    assert "2x" in capsys.readouterr().out
    print_peers(make_run(tmp_path, timed("ring", 1e-3), name="alone"))
    assert "no shape of this run" in capsys.readouterr().out
