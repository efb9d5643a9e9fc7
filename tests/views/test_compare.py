"""Pairing, refusals and exit statuses of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.views.build_records import SHAPE, failed, timed
from workbench.problem import Problem
from workbench.show.compare_text import as_json, as_markdown, summary
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Record, Run, Status
from workbench.views.compare import EXIT_STATUS, Comparison, compare
from workbench.views.flat import frame_of
from workbench.views.operands import parse_operand, parse_operands


def frame(run: str, *records: Record, noise_floor: float | None = 0.01) -> pd.DataFrame:
    return frame_of(records).assign(run=run, noise_floor=noise_floor)


def against(a: Record, b: Record, **options: Any) -> Comparison:
    one, other = frame("a", a), frame("b", b, noise_floor=options.pop("noise_floor_b", 0.01))
    return compare(one, other, same_variant=True, **options)


@pytest.mark.parametrize(
    ("factor", "noise", "word", "status"),
    [
        (1.2, 0.004, "slower", 1), (0.8, 0.004, "faster", 0), (1.0, 0.004, "same", 0), (1.008, 0.004, "same", 0),
        (1.015, 0.03, "undecided", 2),
    ],
)  # fmt: skip
def test_verdict_and_exit_status(factor: float, noise: float, word: str, status: int) -> None:
    result = against(timed("serial", 1.0, noise=noise), timed("serial", factor, noise=noise, seed=1))
    assert [pair.verdict for pair in result.pairs] == [word]
    assert result.exit_status == status


def test_fail_over_lets_small_slowdowns_pass_and_no_others() -> None:
    a = timed("serial", 1.0, noise=0.004)
    assert against(a, timed("serial", 1.03, noise=0.004, seed=1), fail_over=0.05).exit_status == 0
    assert against(a, timed("serial", 1.08, noise=0.004, seed=1), fail_over=0.05).exit_status == 1
    assert against(a, timed("serial", 1.05, noise=0.004, seed=1), fail_over=0.05).exit_status == 2, "may be over"
    assert against(a, timed("serial", 1.01, noise=0.004, seed=1), fail_over=0.05).exit_status == 0


def test_machines_of_a_cluster_are_compared_only_when_asked() -> None:
    """Of one kind: which of them a case was timed on was chance."""

    def on(a: str, b: str, **options: bool) -> Comparison:
        sides = [
            frame(name, timed("serial", 1.0, seed=seed, machine=id_)).assign(device="NVIDIA H100")
            for name, seed, id_ in (("a", 0, a), ("b", 1, b))
        ]
        return compare(*sides, same_variant=True, **options)

    told = on("cuda@one", "cuda@two")
    assert not told.pairs and told.exit_status == 2
    assert told.notes[0].startswith("1 pairs on different machines were not compared; compare across devices (--across")
    assert len(on("cuda@one", "cuda@two", across_devices=True).pairs) == 1
    assert len(on("cuda@one", "cuda@one").pairs) == 1
    assert len(on("cuda", "cuda@two").pairs) == 1, "of a machine that has no name nothing else is known"


@pytest.mark.parametrize(
    ("field", "value", "option"), [("machine", "another", "device"), ("timer", "cuda_graph", "timer")]
)
def test_other_devices_and_timers_are_refused_unless_told(field: str, value: str, option: str) -> None:
    pair = timed("serial", 1.0), timed("serial", 2.0, seed=1, **{field: value})  # type: ignore[arg-type]
    refused = against(*pair)
    assert refused.exit_status == 2
    assert f"compare across {option}s (--across-{option}s) to have them" in refused.notes[0], (
        "as the page's box is called"
    )
    told = against(*pair, across_devices=True, across_timers=True)
    assert [p.verdict for p in told.pairs] == ["slower"]


def test_problems_that_only_one_side_solves_are_no_pairs() -> None:
    result = against(timed("serial", 1.0), timed("serial", 2.0, shape={**SHAPE, "T": 64}))
    assert result.pairs == ()
    assert result.exit_status == 2
    assert "sweep the same shapes" in result.notes[0]


def test_a_variant_that_lost_its_time_is_not_passed_over() -> None:
    result = against(timed("serial", 1.0), failed("serial", Status.INCORRECT, "off by 0.3"))
    assert result.exit_status == 2
    assert result.pairs[0].reason == "B has no time: incorrect (off by 0.3)"


def test_without_a_noise_floor_nothing_is_decided() -> None:
    result = against(timed("serial", 1.0), timed("serial", 2.0, seed=1), noise_floor_b=None)
    assert result.pairs[0].verdict == "undecided"
    assert result.exit_status == 2


def test_two_variants_are_paired_by_shape() -> None:
    shapes = [{**SHAPE, "T": T} for T in (64, 128)]
    a = frame("a", *(timed("serial", 1.0, shape=s, key=f"a{s['T']}") for s in shapes))
    b = frame("a", *(timed("tree", 2.0, shape=s, seed=1, key=f"b{s['T']}") for s in shapes))
    result = compare(a, b, same_variant=False)
    assert [(p.variant_a, p.variant_b, p.verdict) for p in result.pairs] == [("serial", "tree", "slower")] * 2
    assert all(json.loads(p.shape)["T"] == 64 * 2**i for i, p in enumerate(result.pairs))


def test_texts() -> None:
    result = against(timed("serial", 1.0), timed("serial", 1.2, seed=1))
    markdown = as_markdown(result, "old", "new")
    assert "| scan | serial | B=4 T=4096 H=1024 float32 |" in markdown
    assert "slower |" in markdown
    assert summary(result) == "1 pair: 1 slower; noise (A/A) ±1 % (measured)"
    plain = json.loads(json.dumps(as_json(result), allow_nan=False))
    assert plain["exit_status"] == 1
    assert plain["pairs"][0]["shape"]["T"] == 4096
    assert summary(against(timed("x", 1.0), timed("y", 1.0))) == "nothing comparable"


def test_sides(tmp_path: Path) -> None:
    for name, created in (("old", "2026-01-01"), ("new", "2026-01-02")):
        folder = create_run(tmp_path, Run(name=name, created=created, command=[]))
        folder.append(timed("serial", 1.0))
        folder.finish()
    assert parse_operand("old", tmp_path).run.name == "old"
    assert parse_operand("scan/serial", tmp_path).run.name == "new"
    side = parse_operand("old:scan/serial", tmp_path)
    assert (side.run.name, side.variant, len(side.records())) == ("old", "serial", 1)
    assert parse_operand("scan/serial", tmp_path, "old").run.name == "old"
    with pytest.raises(Problem, match="did you mean scan/serial"):
        parse_operand("old:scan/seral", tmp_path)
    with pytest.raises(Problem, match="did you mean old"):
        parse_operand("odl", tmp_path)
    with pytest.raises(Problem, match="OPERATION/VARIANT"):
        parse_operand("old:serial", tmp_path)


def test_variants_without_a_run_are_of_the_newest_that_has_both(tmp_path: Path) -> None:
    for day, variants in enumerate((("serial", "blelloch"), ("serial", "ring"), ("ring",)), start=1):
        folder = create_run(tmp_path, Run(name=f"r{day}", created=f"2026-01-0{day}", command=[]))
        for variant in variants:
            folder.append(timed(variant, 1.0))
        folder.finish()

    def runs_of(a: str, b: str) -> list[str]:
        return [side.run.name for side in parse_operands(a, b, tmp_path)]

    assert runs_of("scan/serial", "scan/blelloch") == ["r1", "r1"]
    assert runs_of("scan/serial", "scan/ring") == ["r2", "r2"]
    assert runs_of("r3:scan/ring", "scan/blelloch") == ["r3", "r1"]
    assert parse_operand("scan/serial", tmp_path).run.name == "r2"
    with pytest.raises(Problem, match="did you mean scan/serial"):
        runs_of("scan/seral", "scan/ring")
    with pytest.raises(Problem, match="no finished run has both scan/blelloch and scan/ring; name the run of each"):
        runs_of("scan/blelloch", "scan/ring")


def two_runs(**of_machine: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same variant at two shapes, 10 % slower in the second run at both."""
    shapes = [{**SHAPE, "T": T} for T in (64, 128)]
    found = []
    for name, factor in (("a", 1.0), ("b", 1.1)):
        machine = Machine(id="test machine", name="a CPU", noise_floor=0.5, **of_machine)
        run = Run(name=name, created="", command=[], machines=[machine])
        records = [
            timed("serial", factor, noise=0.002, shape=s, key=f"{name}{s['T']}", seed=ord(name) + s["T"])
            for s in shapes
        ]
        found.append(frame_of(records, run).assign(run=name))
    return found[0], found[1]


def test_each_pair_is_held_against_the_noise_of_its_own_case() -> None:
    spreads = {"scan B=4 T=64 H=1024 float32": 0.004, "scan B=4 T=128 H=1024 float32": 0.52}
    result = compare(*two_runs(spreads=spreads), same_variant=True)
    assert {json.loads(p.shape)["T"]: (p.verdict, p.noise_floor) for p in result.pairs} == {
        64: ("slower", 0.004), 128: ("same", 0.52),
    }  # fmt: skip
    assert "noise (A/A) ±0.4 % to 52 % (measured)" in summary(result)


def test_two_runs_differ_by_what_a_repeated_baseline_did() -> None:
    spreads = {f"scan B=4 T={T} H=1024 float32": 0.004 for T in (64, 128)}
    alone = compare(*two_runs(spreads=spreads), same_variant=True)
    assert [p.verdict for p in alone.pairs] == ["slower", "slower"]
    assert any("of which neither timed a baseline twice" in note for note in alone.notes), "it is asked for"
    repeated = {"scan B=4 T=64 H=1024 float32": 0.2}
    held = compare(*two_runs(spreads=spreads, between_runs=repeated), same_variant=True)
    assert [p.verdict for p in held.pairs] == ["same", "same"], "a case without one has the median of the others"
    assert not any("baseline twice" in note for note in held.notes)
    one, _ = two_runs(spreads=spreads, between_runs=repeated)
    other = one.assign(variant="tree", samples_s=[[1.1 * s for s in samples] for samples in one["samples_s"]])
    within = compare(one, other, same_variant=False)
    assert [p.verdict for p in within.pairs] == ["slower", "slower"], "within a run the A/A spread is the noise"


def test_every_exit_status_has_its_meaning() -> None:
    text = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text()
    for status, meaning in EXIT_STATUS.items():
        assert f"| {status} | {meaning.replace('--fail-over', '`--fail-over`')} |" in text
