"""A variant is simulated against its own pass: another pass has other tensors."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, workbench  # noqa: F401 - a fixture

SILU = Path(__file__).parents[2] / "examples" / "silu"


def test_a_backward_kernel_is_held_to_the_backward_pass(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "silu/backward/kernel", "--kernels", str(SILU), "--N", "300", "--json")
    assert done.returncode == 0, done.stderr
    assert [run["status"] for run in json.loads(done.stdout)["runs"]] == ["ok", "ok"]
