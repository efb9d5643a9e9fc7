"""A time without the work: no way that is known leads to one, and honest variants beside it keep theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from workbench.measure.stopping import StopRule
from workbench.store.record import Record, Status
from workbench.store.run_folder import open_run
from workbench.sweep.presets import PRESETS
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run

CHEATS = Path(__file__).parent / "cheats"
WITHOUT_EFFECT = {"slow_clock", "replaces_samples_of_the_class", "replaces_samples_of_the_object"}
"""What they replace was bound before they were imported: they work, and have the time of their work."""


BRIEF = StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.1)
"""A seventh of the preset's patience."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    selection = Selection(kernels=str(CHEATS), devices=("cpu",), axes=(("n", (200_003,)),), timeout_s=20.0)
    folder = start_run(selection, tmp_path_factory.mktemp("profiles"), "cheats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, selection.preset, replace(PRESETS[selection.preset], rule=BRIEF))
        continue_run(folder, Silent())
    return {r.variant: r for r in open_run(folder.path).records()}


@pytest.mark.parametrize("name", ["honest", "returned"])
def test_honest_variants_have_a_time_among_cheats(records: dict[str, Record], name: str) -> None:
    assert records[name].status is Status.OK, records[name].reason
    assert records[name].time is not None


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("zeros_after_ten", Status.INCORRECT, "y (normal-"),
        ("every_second_call", Status.INCORRECT, "y ("),
        ("previous_result", Status.INCORRECT, "y ("),
        ("memo_by_pointer", Status.INCORRECT, "y (normal-"),
        ("memo_by_content", Status.IMPLAUSIBLE, "results that are remembered have no time"),
        ("watches_for_poison", Status.INCORRECT, "y (normal-"),
        ("looks_at_the_stack", Status.INCORRECT, "values are not finite"),
        ("lazy", Status.CRASHED, "lazy returned a Lazy; a plan's call returns torch.Tensor"),
        ("in_a_thread", Status.INCORRECT, "values are not finite|relative L2 error"),
        ("in_a_thread_unless_poisoned", Status.INCORRECT, "y (normal-"),
        ("replaces_what_the_timer_calls", Status.IMPLAUSIBLE, "no machine moves its bytes in less than"),
        ("claims_a_twentieth", Status.IMPLAUSIBLE, "times what their samples claim"),
        ("replaces_the_comparison", Status.INCORRECT, "values are not finite"),
        ("reads_the_reference", Status.INCORRECT, "values are not finite"),
        ("overwrites_the_reference", Status.INCORRECT, "y (normal-"),
        ("replaces_references_in_memory", Status.INCORRECT, "values are not finite"),
        ("writes_to_every_descriptor", Status.INCORRECT, "values are not finite"),
        ("changes_its_input", Status.INCORRECT, "changed its input x"),
        ("rounds_up", Status.INCORRECT, "the processor rounds upward"),
    ],
)
def test_a_cheat_has_no_time(records: dict[str, Record], name: str, status: Status, reason: str) -> None:
    record = records[name]
    assert record.status is status, record.reason
    assert record.time is None and not record.samples_s
    # How far a thread has come when the output is looked at is chance.
    assert any(words in (record.reason or "") for words in reason.split("|")), record.reason


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_a_replaced_clock_has_no_effect(records: dict[str, Record], name: str) -> None:
    """Far above what it would claim, which is a twentieth or less; a busy machine only adds to it."""
    honest, cheat = records["honest"].time, records[name].time
    assert honest is not None
    assert cheat is None or cheat.median_s > 0.25 * honest.minimum_s


def test_every_cheat_is_looked_at(records: dict[str, Record]) -> None:
    ok = {name for name, record in records.items() if record.status is Status.OK}
    assert ok <= {"honest", "returned"} | WITHOUT_EFFECT
