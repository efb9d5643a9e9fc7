"""Effects of factors: the ones that were planted come out, from clean pairs alone, with intervals that hold."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.views.build_records import SHAPE, met, timed
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Record, Run
from workbench.views.ablation import cells, effects, factors_of, joint_effects, unpaired
from workbench.views.flat import frame_of

MEMORY = {"direct": 1.0, "shared": 0.5}
FUSION = {"none": 1.0, "all": 0.8}
RUNGS = {"scan/a": 1, "scan/b": 2, "scan/c": 3, "scan/d": 4}


def planted(lengths: tuple[int, ...] = (1024, 2048, 4096), together: float = 1.0, noise: float = 0.01) -> list[Record]:
    """Four variants of two levels of two factors at each length; `together`: what both do beyond their product."""
    records = []
    for number, T in enumerate(lengths):
        for place, ((memory, one), (fusion, other)) in enumerate(itertools.product(MEMORY.items(), FUSION.items())):
            both = together if memory == "shared" and fusion == "all" else 1.0
            name = "abcd"[place]
            records.append(
                timed(
                    name, T * one * other * both * 1e-6, noise=noise, seed=10 * number + place, shape={**SHAPE, "T": T},
                    factors={"memory": memory, "fusion": fusion}, key=f"{name}-{T}",
                )
            )  # fmt: skip
    return records


def found_in(records: list[Record], noise_floor: float | None = 0.01) -> pd.DataFrame:
    return cells(frame_of(records).assign(run="r", noise_floor=noise_floor), ["r"], RUNGS)


def one(rows: pd.DataFrame) -> dict[str, Any]:
    (row,) = rows.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_planted_effects_come_out_alone_and_together() -> None:
    found = found_in(planted(together=0.7))
    assert factors_of(found) == ["fusion", "memory"]
    memory = one(effects(found, "memory"))
    assert (memory["from"], memory["to"], memory["pairs"], memory["shapes"]) == ("direct", "shared", 6, 3)
    assert memory["effect"] == pytest.approx(0.5 * 0.7**0.5, rel=0.03) and memory["verdict"] == "faster"
    assert memory["effect_least"] == pytest.approx(0.35, rel=0.03) and memory["effect_most"] == pytest.approx(
        0.5, rel=0.03
    )
    joint = one(joint_effects(found, "fusion", "memory"))
    assert (joint["level_at"], joint["level_other"], joint["pairs"]) == ("direct", "shared", 3)
    assert joint["effect_at"] == pytest.approx(0.8, rel=0.03) and joint["effect_at_other"] == pytest.approx(
        0.56, rel=0.03
    )
    assert joint["joint"] == pytest.approx(0.7, rel=0.03) and joint["verdict"] == "faster"
    assert one(joint_effects(found_in(planted()), "fusion", "memory"))["verdict"] in ("same", "undecided")


@pytest.mark.thorough
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 40 draws 95 % are promised: 2 misses, and up to 7 by chance (3.6 standard deviations)."""
    flat = frame_of(planted((1024,))).assign(run="r", noise_floor=0.01)
    hits = 0
    for draw in range(40):
        drawn = pd.DataFrame([_drawn(draw, place) for place in range(len(flat))], flat.index)
        row = one(effects(cells(flat.assign(**drawn), ["r"], RUNGS), "memory"))
        hits += row["effect_low"] <= 0.5 <= row["effect_high"]
    assert 33 <= hits <= 40


def _drawn(draw: int, place: int) -> dict[str, float]:
    """A median off its true value by a normal error of 1 %, with the 95 % interval of that."""
    true = 1024e-6 * list(itertools.product(MEMORY.values(), FUSION.values()))[place][0] * (0.8 if place % 2 else 1.0)
    median = true * float(np.exp(0.01 * np.random.default_rng([draw, place]).standard_normal()))
    low, high = median * np.exp(-0.0196), median * np.exp(0.0196)
    return {"time.median_s": median, "time.low_s": low, "time.high_s": high}


def test_only_clean_pairs_count() -> None:
    records = planted((1024,))
    lone = timed("e", 1.0, factors={"memory": "ring", "fusion": "other"}, shape={**SHAPE, "T": 1024})
    undeclared = timed("f", 1.0, factors={"fusion": "all"}, shape={**SHAPE, "T": 1024})
    peer = timed("g", 1.0, factors={"memory": "shared", "fusion": "none", "peer": "yes"}, shape={**SHAPE, "T": 1024})
    slower_twin = timed("h", 9.0, factors={"memory": "shared", "fusion": "all"}, shape={**SHAPE, "T": 1024})
    disturbed = timed(
        "i", 1.0, factors={"memory": "odd", "fusion": "all"}, disturbance=met(9), shape={**SHAPE, "T": 1024}
    )
    found = found_in([*records, lone, undeclared, peer, slower_twin, disturbed])
    assert set(found["variant"]) == {"a", "b", "c", "d", "e", "f"}, "no peer, nothing disturbed, the faster of twins"
    assert set(effects(found, "memory")["to"]) == {"shared"}, "ring differs in fusion too; an absent level is no level"
    assert unpaired(found, factors_of(found)) == ["e", "f"]


def test_without_noise_nothing_is_decided_and_without_pairs_nothing_is_said() -> None:
    assert one(effects(found_in(planted(), None), "memory"))["verdict"] == "undecided"
    assert effects(found_in(planted()[:2]), "memory").empty
    assert found_in([]).empty and factors_of(found_in([])) == []


def run_of(profiles: Path, name: str, created: str, records: list[Record]) -> None:
    machine = Machine(id="test machine", name="a CPU", backend="cpu", noise_floor=0.01)
    folder = create_run(profiles, Run(name=name, created=created, command=[], machines=[machine]))
    for record in records:
        folder.append(record)


def test_the_command_takes_the_newest_run_of_each_shape(tmp_path: Path) -> None:
    run_of(tmp_path, "old", "2026-01-01", planted((1024, 2048), together=0.1))
    run_of(tmp_path, "new", "2026-02-01", planted((1024,)))

    def ablate(*words: str) -> str:
        done = CliRunner().invoke(make_app(), ["ablate", *words, "--profiles", str(tmp_path)])
        if isinstance(done.exception, Problem):
            raise done.exception
        return done.output

    plain = json.loads(ablate("scan", "--T", "1024", "--json"))
    effect = {f"{e['factor']} {e['from']}": e["effect"] for e in plain["effects"]}
    assert effect == {"memory direct": pytest.approx(0.5, rel=0.05), "fusion all": pytest.approx(1.25, rel=0.05)}
    text = ablate("scan")
    assert "most of all memory, direct → shared" in text and "2 factors, 8 pairs" in text
    for words, message in (
        (("scan", "--factor", "memry"), "unknown factor memry: did you mean memory"),
        (("scan", "--T", "5"), "no two variants that declare different factors were timed together"),
        ((), "name one operation"),
        (("scna",), "unknown operation scna: did you mean scan"),
        (("scan", "--device", "h100"), "unknown device h100"),
    ):
        with pytest.raises(Problem, match=message):
            ablate(*words)
