"""How a variant's tunables are searched: which settings are tried, one after the other, until time is over.

A strategy is given the space and a way to try settings; what it tries is remembered by whoever tries it. The default
settings are tried before any strategy begins.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.declare import Setting
from workbench.problem import Problem, installing, unknown

Settings = dict[str, Setting]
Try = Callable[[Settings], float | None]
"""The seconds of an evaluation with these settings; None where their answer is wrong. Tries nothing twice."""
ONE_AT_A_TIME = "one-at-a-time"
DRAWS = 20
"""Times the size of the space that a sampler may draw: it draws the same settings again and again near the best."""


@dataclass(frozen=True)
class Space:
    """The settings that may be tried."""

    values: Mapping[str, tuple[Setting, ...]]
    """Of each tunable, the default first."""
    refuses: Callable[[Settings], str | None]
    """Why values do not go together; None where they do."""
    seed: int = 0

    def default(self) -> Settings:
        return {name: values[0] for name, values in self.values.items()}

    def every(self) -> Iterator[Settings]:
        """All settings that go together, the default's neighbours first."""
        for combination in itertools.product(*self.values.values()):
            settings = dict(zip(self.values, combination, strict=True))
            if self.refuses(settings) is None:
                yield settings


def one_at_a_time(space: Space, attempt: Try, is_over: Callable[[], bool]) -> None:
    """Each tunable's values in turn, at the best of the others so far: linear in their number."""
    best = space.default()
    fastest = attempt(best)
    for name, values in space.values.items():
        for value in values[1:]:
            settings = {**best, name: value}
            if is_over():
                return
            if space.refuses(settings) is None:
                seconds = attempt(settings)
                if seconds is not None and (fastest is None or seconds < fastest):
                    best, fastest = settings, seconds


def exhaustive(space: Space, attempt: Try, is_over: Callable[[], bool]) -> None:
    """Every combination, in order."""
    for settings in space.every():
        if is_over():
            return
        attempt(settings)


def at_random(space: Space, attempt: Try, is_over: Callable[[], bool]) -> None:
    """Every combination, in random order: where time ends it, what was tried lies all over the space."""
    every = list(space.every())
    random.Random(space.seed).shuffle(every)
    for settings in every:
        if is_over():
            return
        attempt(settings)


def tree_of_parzen(space: Space, attempt: Try, is_over: Callable[[], bool]) -> None:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011): draws near what was fast."""
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    failed = optuna.trial.TrialState.FAIL
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=space.seed, multivariate=True))
    study.enqueue_trial(space.default())
    different = {tuple(settings.items()) for settings in space.every()}
    for _ in range(DRAWS * max(1, len(different))):
        if is_over() or not different:
            return
        trial = study.ask()
        settings = {name: trial.suggest_categorical(name, list(values)) for name, values in space.values.items()}
        seconds = attempt(settings) if space.refuses(settings) is None else None
        different.discard(tuple(settings.items()))
        if seconds is None:
            study.tell(trial, state=failed)
        else:
            study.tell(trial, seconds)


STRATEGIES: dict[str, Callable[[Space, Try, Callable[[], bool]], None]] = {
    ONE_AT_A_TIME: one_at_a_time,
    "exhaustive": exhaustive,
    "random": at_random,
    "tpe": tree_of_parzen,
}


def check_strategy(name: str) -> None:
    """Raises Problem for a strategy that there is not, or whose engine is not installed."""
    if name not in STRATEGIES:
        raise unknown("tuning strategy", name, STRATEGIES)
    if name == "tpe" and importlib.util.find_spec("optuna") is None:
        raise Problem(
            f"--tune tpe: searches with optuna, which is not installed: {installing('pip install optuna')}",
            exit_status=2,
        )
