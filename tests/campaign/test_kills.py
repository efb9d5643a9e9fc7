"""A slice of the campaign of kills, for `make fuzz`: `make campaign` does the rest."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.campaign.sweeps import ROOT


@pytest.mark.thorough
def test_kills_and_resumes_lose_nothing() -> None:
    """In a process of its own: it forks, which one with pytest's threads had better not do."""
    words = [os.environ.get("WORKBENCH_KILLS", "3"), os.environ.get("WORKBENCH_SEED", "7")]
    command = [sys.executable, "-m", "tests.campaign.kills", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[2]) >= int(words[0]) and "wrong: 0" in done.stdout, done.stdout
