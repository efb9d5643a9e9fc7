"""A slice of the campaign of kills: `make campaign` does the rest."""

from __future__ import annotations

import os
from pathlib import Path

from tests.campaign.kills import campaign


def test_kills_and_resumes_lose_nothing(tmp_path: Path) -> None:
    kills = int(os.environ.get("WORKBENCH_KILLS", "3"))
    found = campaign(kills, int(os.environ.get("WORKBENCH_SEED", "7")), tmp_path)
    assert found.wrong == []
    assert sum(found.kills.values()) == kills and found.finished_runs >= 1
