"""What a journal gives back: samples by record, without those of attempts that were lost and of broken entries."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.sweep.events import Samples
from workbench.sweep.jobs import Begun, VariantJob
from workbench.sweep.journal import begun_in, entries_of_lost, entry_of

BLOCK = Samples("a", {"block": 2}, [1.0, 2.0], 4.0, disturbed=False)
ENTRY = entry_of(BLOCK)


def test_blocks_of_a_record_add_up() -> None:
    found = begun_in([ENTRY, {**ENTRY, "key": "b"}, {**ENTRY, "samples_s": [3.0], "disturbed": True}])
    assert found == {
        "a": Begun({"block": 2}, (1.0, 2.0, 3.0), 8.0, 2, 1),
        "b": Begun({"block": 2}, (1.0, 2.0), 4.0, 1, 0),
    }


def test_of_a_lost_attempt_what_it_began_with_is_left() -> None:
    before = Begun({"block": 8}, (9.0, 9.5), 20.0, 3, 1)
    variants = (VariantJob("a", "one", begun=before), VariantJob("b", "two"))
    told = [ENTRY, {**ENTRY, "key": "b"}, {**ENTRY, "key": "c"}]
    assert begun_in([*told, *entries_of_lost(variants)]) == {"a": before, "c": begun_in([ENTRY])["a"]}


@pytest.mark.parametrize(
    "broken",
    [
        {}, {"key": "a"}, {**ENTRY, "samples_s": ["x"]}, {**ENTRY, "samples_s": 3}, {**ENTRY, "settings": 1},
        {**ENTRY, "spent_s": None}, {**ENTRY, "blocks": []}, {"lost": 7}, {"counted": "a"},
    ],
)  # fmt: skip
def test_what_is_no_entry_is_progress_lost_and_no_more(broken: dict[str, Any]) -> None:
    assert begun_in([broken, ENTRY, broken]) == begun_in([ENTRY])


def test_samples_of_another_machine_begin_a_new_series() -> None:
    first, second = entry_of(BLOCK, "cpu@a"), entry_of(BLOCK, "cpu@b")
    found = begun_in([first, first, second])["a"]
    assert (found.machine, found.samples_s, found.blocks) == ("cpu@b", tuple(BLOCK.samples_s), 1)
    lost = entries_of_lost([VariantJob("a", "a", begun=found)])
    assert begun_in([first, *lost])["a"] == found, "what an attempt began with counts, with its machine"
