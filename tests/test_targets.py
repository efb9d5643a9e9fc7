"""Nothing falls between `make test` and `make fuzz`: what one leaves out is marked, and the other runs what is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLICES = re.compile(r"\b(FUZZ|WORKBENCH_FUZZ|sliced\(|covering\(|other_settings\(|other_values\(|scan_cases\b)")
"""How a test has fewer cases where it is not `make fuzz` that runs it."""


def command_of(target: str) -> str:
    found = re.search(rf"^{target}: setup\n\t(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("target", ["test", "simulate"])
def test_a_target_leaves_out_what_is_thorough_alone(target: str) -> None:
    assert re.findall(r'-m "([^"]*)"|( -k )', command_of(target)) == [("not thorough", "")]


def test_the_larger_target_runs_all_that_is_marked_wherever_it_is() -> None:
    command = command_of("fuzz")
    assert re.findall(r'-m "([^"]*)"|( -k )|(tests/)', command) == [("thorough or sliced", "", "")]
    assert "WORKBENCH_FUZZ=$(TIMES) " in command and " $(ROOM) " in command
    defaults = dict(re.findall(r"^(ROOM|TIMES) \?= (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert defaults["ROOM"] == "tests" and int(defaults["TIMES"]) > 1


def test_whoever_takes_a_slice_is_marked() -> None:
    """Else some of its cases are run nowhere."""
    taking = [file for file in (ROOT / "tests").rglob("test_*.py") if SLICES.search(file.read_text())]
    assert len(taking) > 10
    assert [file.name for file in taking if "pytest.mark.sliced" not in file.read_text()] == []
