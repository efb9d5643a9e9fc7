"""What docs/tasks.md concludes from the committed trainings is what they hold."""

from __future__ import annotations

from docs.task_tables import BASELINE, TRAININGS
from workbench.statistics.intervals import ratio_interval
from workbench.tasks.record_steps import read_steps
from workbench.tasks.recorded import recorded, table

LEARN = ("MinGRU", "SRU")


def test_steps_of_scans_are_faster_than_the_baseline_s_at_every_size() -> None:
    lines = read_steps(TRAININGS)
    assert len(lines) >= 4
    for line in lines:
        whole = {name: [sum(pair) for pair in pairs] for name, pairs in line["seconds"].items()}
        for name in LEARN:
            low, _ = ratio_interval(whole[name], whole[BASELINE])
            assert low > 1, (line["name"], name)


def test_every_task_is_learned_by_every_seed_of_both() -> None:
    found = table(recorded(TRAININGS)).set_index(["task", "subject"])
    tasks = set(found.index.get_level_values(0))
    assert len(tasks) == 10
    for task in tasks:
        for name in LEARN:
            row = found.loc[(task, name)]
            assert row["learned"] and row["seeds"] == 3, (task, name)


def test_a_sequence_read_in_pieces_is_the_whole() -> None:
    found = table(recorded(TRAININGS))
    found = found[found["more.difference in pieces"].notna()]
    assert "language_model" in set(found["task"])
    assert (found["more.difference in pieces"] < 1e-5).all()
