"""Ladders: rung order, best settings, speed-ups only against what is comparable."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.views.build_records import SHAPE, failed, timed
from workbench.model.rungs import Rung
from workbench.store.record import BuildFact, OperationFacts, Run, Status, VariantFacts
from workbench.views.best import best_settings
from workbench.views.flat import frame_of
from workbench.views.ladder import ladder

KNOWN = {
    "scan/eager": Rung(0, "first try", True),
    "scan/serial": Rung(20, "a register", False),
    "scan/tree": Rung(30, "a tree", False),
}


def test_rungs_stand_in_order_with_their_speedups() -> None:
    rows = ladder(frame_of([timed("serial", 0.5, seed=1), timed("strange", 2.0, seed=2), timed("eager", 1.0)]), KNOWN)
    assert list(rows["variant"]) == ["eager", "serial", "strange"]
    serial = rows.iloc[1]
    assert serial["idea"] == "a register"
    assert serial["speedup_over_baseline"] == pytest.approx(2.0, rel=0.02)
    assert serial["speedup.low"] < serial["speedup_over_baseline"] < serial["speedup.high"]
    assert rows.iloc[2]["speedup_over_baseline"] == pytest.approx(0.5, rel=0.02)


def test_best_setting_stands_for_the_variant() -> None:
    slow = timed("serial", 3.0, settings={"block": 64}, seed=1)
    fast = timed("serial", 1.0, settings={"block": 128}, seed=2)
    wrong = failed("serial", Status.INCORRECT, "off", settings={"block": 256})
    rows = best_settings(frame_of([slow, wrong, fast]))
    assert len(rows) == 1
    assert rows.iloc[0]["settings"] == '{"block": 128}'
    assert rows.iloc[0]["settings_tried"] == 3


def test_a_variant_without_a_time_shows_its_gravest_failure() -> None:
    skipped = failed("serial", Status.UNSUPPORTED, "no GPU", settings={"block": 64})
    wrong = failed("serial", Status.INCORRECT, "off by 0.3", settings={"block": 128})
    row = ladder(frame_of([skipped, wrong]), KNOWN).iloc[0]
    assert (row["status"], row["reason"]) == ("incorrect", "off by 0.3")
    assert pd.isna(row["speedup_over_baseline"])


@pytest.mark.parametrize(
    "other",
    [{"machine": "another"}, {"timer": "cuda_event"}, {"shape": {**SHAPE, "T": 64}}, {"pass": "backward"}],
)
def test_no_speedup_over_a_baseline_that_is_not_comparable(other: dict[str, object]) -> None:
    records = [timed("eager", 1.0), timed("serial", 0.5, seed=1, **other)]  # type: ignore[arg-type]
    rows = ladder(frame_of(records), KNOWN)
    assert pd.isna(rows.set_index("variant").loc["serial", "speedup_over_baseline"])


def test_speedups_are_over_the_baselines_fastest_setting() -> None:
    records = [
        timed("eager", 1.0, noise=0.0),
        timed("eager", 0.8, noise=0.0, settings={"block": 1}),
        timed("tree", 0.1, noise=0.0),
    ]
    assert list(ladder(frame_of(records), KNOWN)["speedup_over_baseline"]) == [pytest.approx(1.0), pytest.approx(8.0)]


def test_build_facts_of_the_tightest_kernel() -> None:
    def fact(kernel: str, occupancy: float | None, arch: str = "sm_90") -> BuildFact:
        return BuildFact(arch=arch, kernel=kernel, registers=32, occupancy_theoretical=occupancy)

    facts = [fact("a", 1.0), fact("b", 0.5), fact("c", None), fact("d", 0.1, "sm_89")]
    row = ladder(frame_of([timed("tree", 1.0, build=facts)]), KNOWN).iloc[0]
    assert (row["arch"], row["occupancy_theoretical"]) == ("sm_90", 0.5)


def test_a_result_of_other_sources_is_stale() -> None:
    known = {
        "scan/eager": Rung(0, "", True, "now"),
        "scan/serial": Rung(1, "", False, "now"),
        "scan/tree": KNOWN["scan/tree"],
    }
    records = [
        timed("eager", 1.0, sources="now"), timed("serial", 1.0, sources="then"), timed("tree", 1.0, sources="then"),
        timed("renamed", 1.0, sources="now"), timed("serial", 1.0, settings={"block": 1}, pass_="backward"),
    ]  # fmt: skip
    rows = ladder(frame_of(records), known)
    assert set(rows.loc[rows["stale"], "variant"]) == {"serial"} and rows["stale"].sum() == 1


def test_the_runs_own_word_stands_over_todays() -> None:
    """A variant whose rung and idea have changed since, and one that was renamed."""
    facts = [
        VariantFacts(name="serial", rung=5, idea="as it was"),
        VariantFacts(name="gone", rung=3, idea="still told"),
    ]
    run = Run(
        name="r", created="", command=[], catalogue=[OperationFacts(name="scan", baseline="gone", variants=facts)]
    )
    rows = ladder(frame_of([timed("serial", 0.5), timed("gone", 1.0)], run), KNOWN)
    assert rows[["variant", "rung", "idea"]].to_numpy().tolist() == [
        ["gone", 3, "still told"],
        ["serial", 5, "as it was"],
    ]
    assert rows.iloc[1]["speedup_over_baseline"] == pytest.approx(2.0, rel=0.02), "over the run's own baseline"


def test_no_records_make_an_empty_ladder() -> None:
    assert ladder(frame_of([]), KNOWN).empty
