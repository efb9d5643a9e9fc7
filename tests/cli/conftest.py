"""The command as a user runs it: in a subprocess, with its exit status, its output and its errors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.known_ceilings import COMMAND

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def workbench(tmp_path: Path) -> Run:
    """Runs `workbench …` in an empty folder."""

    def run(*arguments: str, **environment: str) -> Done:
        import os

        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **environment}, timeout=300,
        )  # fmt: skip

    return run
