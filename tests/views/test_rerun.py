"""Rounds of two sides as one measurement: what they decide, what keeps them from it, and when they stop."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.views.build_records import met, timed
from tests.views.test_compare import frame
from workbench.cli import make_app, rerun
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Run
from workbench.views.compare import Comparison, Pair
from workbench.views.rerun import compared, open_pairs


def rounds_of(factor: float, count: int, drift: float = 0.0, noise_floor: float = 0.05) -> Comparison:
    """So many rounds of one variant at two commits; `drift`: what B's rounds are off by, in turn to either side."""
    import pandas as pd

    frames, sides = [], {}
    for number in range(1, count + 1):
        off = 1 + drift * (1 if number % 2 else -1)
        for side, median in (("A", 1.0), ("B", factor * off)):
            name = f"{side}{number}"
            record = timed("simd", median, noise=0.01, count=40, seed=number + 50 * (side == "B"))
            frames.append(frame(name, record, noise_floor=noise_floor))
            sides[name] = (side, number)
    return compared(pd.concat(frames, ignore_index=True), sides, None)


def only(result: Comparison) -> Pair:
    (pair,) = result.pairs
    return pair


@pytest.mark.thorough
def test_more_rounds_decide_what_one_cannot() -> None:
    """4 % slower with a noise of 5 %: open at first, for the noise; over sixteen rounds that is under 3 %."""
    assert only(first := rounds_of(1.04, 1)).verdict != "slower" and open_pairs(first) == 1
    slower, same = rounds_of(1.04, 16), rounds_of(1.0, 16)
    assert open_pairs(slower) == 0 == open_pairs(same)
    pair = only(slower)
    assert pair.verdict == "slower" and pair.run_a == pair.run_b == "all rounds"
    assert pair.noise_floor == pytest.approx(1.96 * 0.05 / 4, rel=0.01)
    assert only(same).verdict == "same"


def test_what_rounds_differ_by_is_noise() -> None:
    calm, drifting = (only(rounds_of(1.04, 6, drift, noise_floor=0.005)) for drift in (0.0, 0.08))
    assert calm.verdict == "slower" and drifting.verdict == "undecided"
    assert drifting.noise_floor is not None and drifting.noise_floor > 0.05


def test_two_variants_of_one_run_are_sides_and_disturbed_rounds_do_not_count() -> None:
    import pandas as pd

    frames = [
        frame(f"r{number}", timed("simd", 1.0, noise=0.004, seed=number), timed("streaming", other, noise=0.004, seed=9,
              disturbance=met(9) if other > 1 else None))
        for number, other in ((1, 0.5), (2, 3.0), (3, 0.5))
    ]  # fmt: skip
    sides = {f"r{n}:{name}": (side, n) for n in (1, 2, 3) for name, side in (("simd", "A"), ("streaming", "B"))}
    pair = only(compared(pd.concat(frames, ignore_index=True), sides, None))
    assert (pair.variant_a, pair.variant_b, pair.verdict) == ("simd", "streaming", "faster")
    assert pair.ratio == pytest.approx(0.5, rel=0.01) and not pair.disturbed


def planted(monkeypatch: pytest.MonkeyPatch, profiles: Path, factor: float) -> list[str]:
    """Sweeps that take no time: each leaves a run, the second side `factor` times as slow. Their names, in order."""
    names: list[str] = []

    def sweep(asked: rerun.Asked, checkout: Path, name: str) -> None:
        names.append(name)
        machine = Machine(id="test machine", name="a CPU", backend="cpu", noise_floor=0.004)
        folder = create_run(
            profiles, Run(name=name, created=f"2026-01-{len(names):02}", command=[], machines=[machine])
        )
        slow = factor if "-b" in name else 1.0
        folder.append(timed("simd", slow, noise=0.004, seed=len(names)))
        folder.append(timed("streaming", factor, noise=0.004, seed=50 + len(names)))

    monkeypatch.setattr(rerun, "_sweep", sweep)
    return names


def measured(profiles: Path, *words: str) -> Any:
    done = CliRunner().invoke(make_app(), ["compare", "--rerun", *words, "--json", "--profiles", str(profiles)])
    if isinstance(done.exception, Problem):
        raise done.exception
    return json.loads(done.stdout)


def test_variants_are_measured_until_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = planted(monkeypatch, tmp_path, 1.3)
    found = measured(tmp_path, "scan/simd", "scan/streaming")
    assert found["exit_status"] == 1 and found["pairs"][0]["verdict"] == "slower"
    assert [name[-2:] for name in names] == ["-1", "-2", "-3", "-4"], "four rounds at least, and no more than it takes"


def test_commits_are_measured_in_turns_in_checkouts_that_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = planted(monkeypatch, tmp_path, 0.7)
    asked: list[tuple[str, ...]] = []

    def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        return subprocess.CompletedProcess(words, int("gone" in words), "", "fatal: invalid reference: gone\n")

    monkeypatch.setattr(rerun, "_git", git)
    found = measured(tmp_path, "main", "HEAD", "--variants", "scan/simd")
    assert [pair["verdict"] for pair in found["pairs"] if pair["variant_a"] == "simd"] == ["faster"]
    assert [name[-3:] for name in names[:4]] == ["-a1", "-b1", "-b2", "-a2"], "A B, then B A"
    assert [words[:2] for words in asked] == [("worktree", "add")] * 2 + [("worktree", "remove")] * 2
    with pytest.raises(Problem, match=r"gone: cannot be checked out .*invalid reference: gone.*name a commit"):
        measured(tmp_path, "main", "gone", "--variants", "scan/simd")
    assert asked[-1][:2] == ("worktree", "remove"), "what was checked out goes in any case"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scan/simd", "gate/eager"), "name two variants of one operation"),
        (("main", "HEAD"), "say which variants"),
        (("scan/simd", "scan/eager", "--until", "decided"), "write undecided=N"),
        (("scan/simd", "scan/eager", "--seconds", "-1"), "seconds must be positive"),
        (("scan/simd", "scan/eager", "--at", "T"), "write sizes as T=1024 H=512"),
    ],
)
def test_what_cannot_be_measured_is_said(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(Problem, match=message):
        measured(tmp_path, *words)
