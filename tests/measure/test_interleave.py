"""Variants are timed in turn, in random order and back; a failure ends only its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from workbench.execute.failures import WorkerCrashed
from workbench.measure.interleave import Series, interleave
from workbench.measure.stopping import StopRule

RULE = StopRule(min_samples=6, min_seconds=0.0, spread=0.01, cap_seconds=1.0)


@dataclass
class Scripted:
    """Returns one sample a block and notes who was asked; may fail at its n-th."""

    name: str
    log: list[str]
    value: float = 1.0
    fails_at: int | None = None
    asked: int = field(default=0)

    def samples(self, seconds: float) -> list[float]:
        self.log.append(self.name)
        self.asked += 1
        if self.asked == self.fails_at:
            raise WorkerCrashed("killed by SIGSEGV")
        return [self.value]


class Wavering(Scripted):
    """Takes a millisecond a block and never settles: 1, 10, 1, 10…"""

    def samples(self, seconds: float) -> list[float]:
        time.sleep(1e-3)
        super().samples(seconds)
        return [10.0 if self.asked % 2 else 1.0]


def test_rounds_run_there_and_back() -> None:
    log: list[str] = []
    all_series = [Series(name, Scripted(name, log)) for name in "abcd"]
    interleave(all_series, RULE)
    rounds = [log[i : i + 8] for i in range(0, len(log), 8)]
    assert len(rounds) == 3
    for one in rounds:
        assert sorted(one[:4]) == list("abcd") and one[4:] == one[3::-1]
    assert len({tuple(one) for one in rounds}) > 1, "every round had the same order"
    assert all(c.stopped_by == "spread" and len(c.samples_s) == 6 for c in all_series)


def test_the_same_seed_gives_the_same_order() -> None:
    def order(seed: int) -> list[str]:
        log: list[str] = []
        interleave([Series(name, Scripted(name, log)) for name in "abcdef"], RULE, seed=seed)
        return log

    assert order(1) == order(1) != order(2)


def test_the_reference_goes_on_as_long_as_anybody() -> None:
    log: list[str] = []
    reference = Series("reference", Scripted("reference", log), reference=True)
    slow = Series("noisy", Wavering("noisy", log))
    interleave([reference, slow], StopRule(min_samples=6, min_seconds=0.0, spread=0.01, cap_seconds=0.05))
    assert slow.stopped_by in ("plateau", "time_cap")
    assert len(reference.samples_s) == len(slow.samples_s) > 6 and reference.stopped_by == "spread"


def test_a_crash_ends_only_its_own() -> None:
    log: list[str] = []
    bad = Series("bad", Scripted("bad", log, fails_at=2))
    good = Series("good", Scripted("good", log))
    interleave([bad, good], RULE)
    assert isinstance(bad.failure, WorkerCrashed) and bad.stopped_by is None
    assert good.failure is None and good.stopped_by == "spread"


def test_earlier_samples_count_and_are_not_repeated() -> None:
    log: list[str] = []
    done = Series("done", Scripted("done", log), [1.0] * 6, spent_s=1.0)
    half = Series("half", Scripted("half", log), [1.0] * 4, spent_s=0.0)
    blocks: list[tuple[str, int]] = []
    interleave([done, half], RULE, on_block=lambda c, block, spent: blocks.append((c.name, len(block))))
    assert blocks == [("half", 1), ("half", 1)] and len(half.samples_s) == 6


def test_a_disturbed_block_is_taken_again_within_a_budget() -> None:
    log: list[str] = []
    one = Series("one", Scripted("one", log))
    disturbed = iter([True, False, True, True, *[False] * 20])
    kept: list[int] = []
    interleave(
        [one], RULE, on_block=lambda c, block, spent: kept.append(len(block)), disturbed=lambda c: next(disturbed)
    )
    assert one.kept == [False, True, False, False, *[True] * 6]
    assert len(one.samples_s) == len(kept) == 7 and len(log) == 10


def test_what_stays_disturbed_counts_once_the_budget_is_spent() -> None:
    log: list[str] = []
    one = Series("one", Wavering("one", log))
    rule = StopRule(min_samples=6, min_seconds=0.0, spread=0.01, cap_seconds=0.02)
    interleave([one], rule, disturbed=lambda c: True)
    assert not all(one.kept) and any(one.kept)
    assert one.set_aside_s <= rule.cap_seconds and one.stopped_by is not None
