"""The command as a user runs it: in a subprocess, with its exit status, its output and its errors."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import warm
from tests.known_ceilings import COMMAND

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def workbench(tmp_path: Path) -> Run:
    """Runs `workbench …` in an empty folder, as a copy where Python need not be started in another environment."""

    def run(*arguments: str, **environment: str) -> Done:
        if not any(name.startswith(("PYTHON", "LC_")) for name in environment):
            return warm.run(*arguments, folder=tmp_path, **environment)
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **environment}, timeout=300,
        )  # fmt: skip

    return run
