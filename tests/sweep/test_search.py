"""Searches over tunables: what each strategy tries, restrictions, the end of time, and that all of it is kept."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.views.build_records import timed
from workbench.catalog import load_catalog
from workbench.cli import make_app
from workbench.declare import Setting
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Run, Tried
from workbench.sweep.search import STRATEGIES, Space, check_strategy
from workbench.sweep.selection import Selection, cases_of

Settings = dict[str, Setting]
VALUES: dict[str, tuple[Setting, ...]] = {"block": (64, 128, 256, 512), "unroll": (1, 2, 4), "kind": ("a", "b")}


def refuses(settings: Settings) -> str | None:
    return "too many registers" if settings["block"] == 512 and settings["unroll"] == 4 else None


SPACE = Space(VALUES, refuses, seed=3)


def seconds(settings: Settings) -> float:
    """Quickest where two tunables are changed together: one at a time does not get there."""
    together = settings["block"] == 256 and settings["unroll"] == 4
    return 1.0 if together else 2.0 + 0.1 * int(settings["unroll"]) + (settings["block"] != 64)


def tried_by(name: str, most: int = 1000, wrong: Callable[[Settings], bool] = lambda _: False) -> list[Settings]:
    """What a strategy tries, the default first, none twice."""
    seen = [SPACE.default()]

    def attempt(settings: Settings) -> float | None:
        assert refuses(settings) is None, "never tried"
        if settings not in seen:
            seen.append(settings)
        return None if wrong(settings) else seconds(settings)

    STRATEGIES[name](SPACE, attempt, lambda: len(seen) >= most)
    return seen


def test_one_at_a_time_is_linear_and_holds_the_best_of_the_others() -> None:
    seen = tried_by("one-at-a-time")
    assert len(seen) == 1 + 3 + 2 + 1
    assert all(one["block"] == 64 for one in seen[4:]), "64 was the quickest block"


@pytest.mark.parametrize("name", ["exhaustive", "random"])
def test_every_combination_that_goes_together_is_tried(name: str) -> None:
    seen = tried_by(name)
    assert len(seen) == 4 * 3 * 2 - 2 == len({tuple(one.items()) for one in seen})
    assert min(seen, key=seconds)["block"] == 256
    assert len(tried_by(name, most=5)) == 5, "time ends it"


def test_the_random_order_is_the_seed_s() -> None:
    assert tried_by("random") == tried_by("random") != tried_by("exhaustive")


def test_settings_with_a_wrong_answer_are_no_way_on() -> None:
    assert all(one["unroll"] == 1 for one in tried_by("one-at-a-time", wrong=lambda one: one["unroll"] != 1)[-1:])


def test_the_estimator_draws_from_the_same_space() -> None:
    pytest.importorskip("optuna")
    seen = tried_by("tpe", most=20)
    every = list(itertools.product(*VALUES.values()))
    assert 10 <= len(seen) <= 20 and all(tuple(one.values()) in every for one in seen)


def test_a_strategy_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="unknown tuning strategy exhaustiv: did you mean exhaustive"):
        cases_of(Selection(tune="exhaustiv"), load_catalog())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Problem, match=r"--tune tpe: .* pip install optuna"):
        check_strategy("tpe")


def test_the_strategy_goes_on_with_the_run() -> None:
    chosen = Selection(tune="random", tune_s=4.0)
    again = Selection.from_dict(json.loads(json.dumps(chosen.as_dict())))
    assert again == chosen and again.budget().tune_s == 4.0
    older = {name: value for name, value in chosen.as_dict().items() if not name.startswith("tune")}
    assert Selection.from_dict(json.loads(json.dumps(older))).tune == "one-at-a-time"


def test_all_that_was_tried_is_kept_and_shown(tmp_path: Path) -> None:
    tried = [Tried(settings={"block": 64}, seconds=2e-3), Tried(settings={"block": 128}, seconds=1e-3),
             Tried(settings={"block": 256})]  # fmt: skip
    record = timed("simd", 1e-3).model_copy(update={"settings": {"block": 128}, "tried": tried})
    run = Run(name="r", created="2026-01-01T00:00:00Z", command=[], machines=[Machine(id=record.machine, name="cpu")])
    folder = create_run(tmp_path, run)
    folder.append(record)
    folder.finish()
    words = ["ablate", record.operation, "--tried", "--profiles", str(tmp_path)]
    shown = CliRunner().invoke(make_app(), [*words, "--json"])
    assert shown.exception is None, shown.exception
    rows = json.loads(shown.stdout)
    assert [(row["settings"]["block"], row["seconds"], row["over_best"], row["is_chosen"]) for row in rows] == [
        (128, 1e-3, 1.0, True), (64, 2e-3, 2.0, False), (256, None, None, False),
    ]  # fmt: skip
    assert "chosen" in CliRunner().invoke(make_app(), words).stdout
