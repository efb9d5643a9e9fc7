"""More ranks than there are, modelled from records: each scheme by hand, and which do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.distributed.traced import ALPHA_S, BETA_S, recorded, traced, write_facts, write_lines
from workbench.distributed.plan import RANKS, Recorded, misfits, plan
from workbench.distributed.plan import recorded as read_recorded
from workbench.distributed.scaling import scaled
from workbench.problem import Problem


@pytest.fixture
def found(tmp_path: Path) -> Recorded:
    recorded(tmp_path / "training")
    return read_recorded(tmp_path / "training")


def at(found: Recorded, scheme: str, ranks: int, **more: Any) -> dict[str, Any]:
    rows = plan(found, (ranks,), **more)
    (row,) = rows[rows["scheme"] == scheme].to_dict("records")
    return {str(name): value for name, value in row.items()}


def reduced(ranks: int, size: float) -> float:
    hops = ranks.bit_length() - 1
    return 2 * hops * ALPHA_S + 2 * (ranks - 1) / ranks * size * BETA_S


def test_records_are_per_step(found: Recorded) -> None:
    """The traces have two steps: 1 s of computing on one rank, 3 s on the other, and no host."""
    assert found.compute_s == pytest.approx(2.0) and found.host_s == pytest.approx(0.0, abs=1e-6)
    assert found.slowest(1000) == pytest.approx(1.0)


def test_each_scheme_pays_what_it_passes(found: Recorded) -> None:
    passed = found.passed
    tensor = at(found, "tensor", 8)
    assert tensor["planned_passing_s"] == pytest.approx(2 * 2 * reduced(8, passed.row_output))
    assert tensor["planned_compute_s"] == pytest.approx(2.0 / 8)
    assert tensor["planned_s"] == pytest.approx(2.0 / 8 + tensor["planned_passing_s"], rel=1e-4)
    per_step = at(found, "tensor, gates see the state", 8)["planned_passing_s"] - tensor["planned_passing_s"]
    assert per_step == pytest.approx(2 * 2 * 4096 * reduced(8, passed.state))
    gather, chain = (at(found, f"sequence, {carry}", 64)["planned_passing_s"] for carry in ("gather", "chain"))
    gathered, last = 6 * ALPHA_S + 63 * 2 * passed.state * BETA_S, reduced(64, passed.state)
    assert gather == pytest.approx(2 * (2 * gathered + last)), "gradients' sums hide behind backward"
    assert chain == pytest.approx(2 * (2 * 69 * (ALPHA_S + passed.state * BETA_S) + last))
    assert at(found, "data", 8)["planned_efficiency"] == pytest.approx(1.0, rel=1e-3)


def test_a_bubble_and_uneven_steps_cost_time(tmp_path: Path) -> None:
    recorded(tmp_path / "t", pipeline="time", parts=6)
    write_lines(tmp_path / "t", 2, [9.0] * 4 + [1.0] * 9 + [2.0])
    found = read_recorded(tmp_path / "t")
    pipe = at(found, "pipeline of layers × time", 2)
    assert pipe["planned_bubble_s"] == pytest.approx(1.0 * (1 / 7) / (6 / 7))
    assert found.slowest(1) == pytest.approx(1.1)
    assert found.slowest(2) == pytest.approx(1 + 0.19), "one of two is the slow one in 19 of 100 draws"
    assert pipe["planned_waiting_s"] == pytest.approx(0.19, rel=1e-3)


def test_what_does_not_fit_says_why(found: Recorded) -> None:
    strong = plan(found, RANKS)
    assert strong["planned_s"].isna().tolist() == strong["misfit"].notna().tolist()
    text = misfits(strong)
    for words in (
        "data on 32 ranks and more (16 sequences)",
        "tensor on 128 ranks and more (64 channels in layers split by rows)",
        "pipeline of layers × time on 8 ranks and more (2 layers)",
    ):  # fmt: skip
        assert words in text
    assert "sequence" not in text.replace("16 sequences", "")
    weak = plan(found, (1024,), "weak")
    assert weak[weak["misfit"].isna()]["scheme"].tolist() == [
        "data", "data, sharded", "sequence, gather", "sequence, chain",
    ]  # fmt: skip
    assert at(found, "data", 1024, kind="weak")["planned_compute_s"] == pytest.approx(2.0)


def test_traces_alone_are_planned_from_in_one_line(tmp_path: Path) -> None:
    traced(tmp_path / "t")
    with pytest.raises(Problem, match="t: no traced training of several ranks"):
        read_recorded(tmp_path / "t")
    write_facts(tmp_path / "t", 2, unseen="ValueError: one is not enough")
    with pytest.raises(Problem, match="what its model would pass is not known \\(ValueError: one is not enough\\)"):
        read_recorded(tmp_path / "t")


@pytest.mark.parametrize(("grown", "kind", "efficiency"), [(1, "strong", [1.0, 0.8]), (2, "weak", [1.0, 1.6])])
def test_scaling_with_intervals(grown: int, kind: str, efficiency: list[float], tmp_path: Path) -> None:
    for ranks, seconds in ((1, 1.6), (2, 1.0)):
        folder = tmp_path / f"ranks-{ranks}"
        write_lines(folder, ranks, [9.0, 9.0, *(seconds + 0.01 * (step % 3 - 1) for step in range(30))])
        write_facts(folder, ranks, grown=grown if ranks > 1 else 1)
    found, rows, shared = scaled(tmp_path)
    assert (found, shared, rows["scheme"].tolist()) == (kind, True, ["one rank", "sequence 2"])
    assert rows["efficiency"].tolist() == pytest.approx(efficiency)
    assert (rows["step_low_s"] <= rows["step_s"]).all() and (rows["step_s"] <= rows["step_high_s"]).all()
    assert rows["efficiency_low"][1] < efficiency[1] < rows["efficiency_high"][1]
    assert scaled(tmp_path / "nothing")[1].empty
