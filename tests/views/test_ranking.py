"""The best variant for a shape: ranked by what was measured, with ties by the rule of comparisons, and reasons."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.views.build_records import SHAPE, met, timed
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Run, Work

MACHINE = Machine(
    id="test machine", name="a CPU", backend="cpu", ceilings={"copy_bytes_per_s": 400.0}, noise_floor=0.01
)


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """Of the newest run: two that tie, a slower one that moves twice the bytes, a disturbed one. Of an older run: one
    that the newer one timed too, and one that it did not."""
    newest = [
        timed("streaming", 1.0, noise=0.05, seed=1, declared=Work(bytes=100, launches=1)),
        timed("simd", 1.04, noise=0.05, seed=2, declared=Work(bytes=100, launches=1)),
        timed("scalar", 4.0, noise=0.01, seed=3, declared=Work(bytes=200, launches=1)),
        timed("eager", 9.0, noise=0.01, seed=4, disturbance=met(9)),
        timed("scalar", 1.0, seed=5, shape={**SHAPE, "T": 64}),
    ]
    older = [timed("scalar", 0.1, seed=6), timed("tree", 30.0, seed=7, declared=Work(bytes=100, launches=40))]
    for name, created, records in (("new", "2026-02-01", newest), ("old", "2026-01-01", older)):
        folder = create_run(tmp_path, Run(name=name, created=created, command=[], machines=[MACHINE]))
        for record in records:
            folder.append(record)
        folder.finish()
    return tmp_path


def best(profiles: Path, *words: str) -> Any:
    done = CliRunner().invoke(make_app(), ["best", *words, "--profiles", str(profiles)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_variants_are_ranked_with_ties_and_reasons(profiles: Path) -> None:
    (found,) = json.loads(best(profiles, "scan", "--T", "4096", "--json"))
    ranked = {one["variant"]: one for one in found["ranking"]}
    assert list(ranked) == ["streaming", "simd", "eager", "scalar", "tree"]
    assert [one["rank"] for one in ranked.values()] == [1, 1, 1, 3, 5]
    assert ranked["streaming"]["reason"] == "the shortest median; 25 % of its own model, bound by bandwidth (modelled)"
    assert ranked["simd"]["reason"].startswith("not told apart from the first: ")
    assert "disturbed" in ranked["eager"]["reason"] and ranked["eager"]["disturbed"]
    assert ranked["scalar"]["run"] == "new" and ranked["tree"]["run"] == "old", "the newest run that timed it"
    assert ranked["scalar"]["reason"].startswith("2x the bytes of streaming (declared); 13 % of its own model")
    assert ranked["tree"]["reason"].startswith("40x the launches of streaming (declared)")


def test_the_terminal_says_what_to_take(profiles: Path) -> None:
    text = best(profiles, "scan", "--T", "4096", "--B", "4")
    assert "take streaming; not told apart from streaming yet: simd, eager" in text
    assert "kept" not in text.splitlines()[1], "a forward pass keeps nothing"
    assert "! 1 of 5 times were taken on a disturbed machine" in text
    alone = best(profiles, "scan", "--T", "64")
    assert "take scalar" in alone and "%" in alone


def test_equals_are_a_tie_and_say_within_what_and_a_backward_pass_says_what_is_kept(tmp_path: Path) -> None:
    records = [
        timed(name, 1.0, noise=0.002, count=60, seed=seed, pass_="backward", declared=Work(bytes=100, kept_bytes=kept))
        for seed, (name, kept) in enumerate((("streaming", 4_000_000), ("simd", 8_000_000)))
    ]
    folder = create_run(tmp_path, Run(name="back", created="2026-02-01", command=[], machines=[MACHINE]))
    for record in records:
        folder.append(record)
    folder.finish()
    text = best(tmp_path, "scan", "--pass", "backward", "--T", "4096")
    assert "take any of them" in text and "not told apart" not in text
    assert re.search(r": a tie: the same within [0-9.]+ %", text)
    assert "kept" in text.splitlines()[1] and "4 MB" in text and "8 MB" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scan", "--T", "5000"), "was not timed at T=5000; measured nearby: B=4 T=4096 H=1024 float32"),
        (("scan", "--T", "64", "--device", "gpuu"), "gpuu"),
        (("scan", "--T", "64,128"), "one size of each axis"),
        ((), "name one operation"),
        (("scna",), "unknown operation scna: did you mean scan"),
        (("scan", "--pass", "bakward"), "unknown pass scan/bakward"),
        (("gate",), "gate forward float32 was not timed at any shape; workbench sweep gate measures it"),
    ],
)
def test_what_is_not_there_says_what_is(profiles: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(Problem, match=message):
        best(profiles, *words)


def test_a_folder_of_ones_own_is_ranked_and_ablated(tmp_path: Path) -> None:
    """Without --kernels its operation is not known; with it only a simulation is missing."""
    folder = str(Path(__file__).parents[2] / "examples" / "softmax")
    words = ["best", "softmax", "--device", "h100", "--profiles", str(tmp_path)]
    without = CliRunner().invoke(make_app(), words)
    assert isinstance(without.exception, Problem) and "unknown operation softmax" in str(without.exception)
    with_it = CliRunner().invoke(make_app(), [*words, "--kernels", folder])
    assert isinstance(with_it.exception, Problem) and "no machine code was counted for sm_90" in str(with_it.exception)
    nowhere = CliRunner().invoke(make_app(), ["ablate", "scan", "--kernels", str(tmp_path / "none")])
    assert isinstance(nowhere.exception, Problem) and "no such folder" in str(nowhere.exception)
