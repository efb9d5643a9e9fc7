"""Every kernel under compute-sanitizer's tools, and each tool on a fault planted for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("memcheck", "racecheck", "synccheck")
PLANTED = Path(__file__).parent / "planted"
FOUND = 9


def sanitize(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("compute-sanitizer")
    if program is None:
        pytest.skip("no compute-sanitizer on PATH")
    # Bindings newer than the driver ask it for functions that it lacks, which is no fault of a kernel.
    command = [program, "--tool", tool, "--report-api-errors", "no", "--error-exitcode", str(FOUND)]
    return subprocess.run(
        [*command, sys.executable, "-m", "tests.gpu.sanitize", *arguments],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_every_kernel_is_clean(tool: str) -> None:
    done = sanitize(tool)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "scan/ring float32: right" in done.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_sees_what_is_planted_for_it(tool: str) -> None:
    assert sanitize(tool, "--kernels", str(PLANTED), "double/clean").returncode == 0
    done = sanitize(tool, "--kernels", str(PLANTED), f"double/{tool}")
    assert done.returncode == FOUND, (done.stdout + done.stderr)[-4000:]
