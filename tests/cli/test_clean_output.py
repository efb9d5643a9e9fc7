"""Standard output is the workbench's own: JSON stays JSON, and a pipe ends, whatever kernels and declarations do."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.known_ceilings import COMMAND

TALKATIVE = str(Path(__file__).parent / "talkative")
FAULTY = str(Path(__file__).parent.parent / "sweep" / "faulty")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("check", "--device", "simulated", "--variants", "kernel"),
        ("list",),
        ("build", "--arch", "sm_90"),
    ],
    ids=" ".join,
)
def test_json_stays_json_whatever_prints(workbench: Run, arguments: tuple[str, ...]) -> None:
    assert printed(workbench, *arguments)


def printed(workbench: Run, *arguments: str) -> Any:
    """What stands on standard output, where all ways of printing have led to the other one."""
    done = workbench(*arguments, "--kernels", TALKATIVE, "--json")
    assert done.returncode == 0, done.stderr
    for way in ("in Python", "to the stream", "in C", "to the descriptor"):
        assert f"variants.py {way}" in done.stderr
    return json.loads(done.stdout)


def test_records_of_what_printed_are_all_there(workbench: Run) -> None:
    records = printed(workbench, "sweep", "--device", "cpu", "--preset", "small")["records"]
    found = {r["variant"]: (r["backend"], r["status"]) for r in records}
    assert found == {"plain": ("cpu", "ok"), "kernel": ("simulated", "ok")}


@pytest.mark.thorough
def test_a_pipe_ends_with_the_sweep(tmp_path: Path) -> None:
    """Children that a variant leaves behind hold neither of the two outputs."""
    variants = "plain,leaves_children,leaves_children_and_dies"
    sweep = shlex.join([
        *COMMAND, "sweep", "--kernels", FAULTY, "--profiles", str(tmp_path), "--n", "3001",
        "--variants", variants, "--device", "cpu", "--preset", "small", "--json",
    ])  # fmt: skip
    command = ["sh", "-c", f"{sweep} 2>&1 >/dev/null | cat; {sweep} | cat"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=240)
    records = json.loads(done.stdout[done.stdout.index(b"{") :])["records"]
    assert {r["variant"]: r["status"] for r in records} == {
        "plain": "ok", "leaves_children": "ok", "leaves_children_and_dies": "crashed",
    }  # fmt: skip
