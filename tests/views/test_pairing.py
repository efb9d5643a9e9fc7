"""The run that a run is held against by default: the newest before it with something in common."""

from __future__ import annotations

from pathlib import Path

from tests.dashboard.synthetic import CPU, synthetic_run
from workbench.views.pairing import earlier_run
from workbench.views.runs import list_summaries


def test_the_newest_earlier_run_with_a_shape_in_common_is_found(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "oldest", CPU, lengths=(256,), created="2026-01-01T00:00:00Z")
    synthetic_run(tmp_path, "old", CPU, lengths=(256,), created="2026-01-02T00:00:00Z")
    synthetic_run(tmp_path, "other-device", lengths=(256,), created="2026-01-03T00:00:00Z")
    synthetic_run(tmp_path, "other-shapes", CPU, lengths=(1024,), created="2026-01-04T00:00:00Z")
    synthetic_run(tmp_path, "now", CPU, lengths=(256,), created="2026-01-05T00:00:00Z")
    synthetic_run(tmp_path, "later", CPU, lengths=(256,), created="2026-01-06T00:00:00Z")
    runs = list_summaries(tmp_path)
    by_name = {run.name: run for run in runs}
    found = earlier_run(by_name["now"], runs)
    assert found is not None and found.name == "old"
    assert earlier_run(by_name["oldest"], runs) is None
    assert earlier_run(by_name["other-device"], runs) is None
