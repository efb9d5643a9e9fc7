"""The one line for a word that names nothing."""

from __future__ import annotations

import pytest

from workbench.problem import slips, unknown


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("scna", ("scan", "gate"), "did you mean scan?"),
        ("serial2", ("serial", "vector"), "did you mean serial?"),
        ("csan", ("scan",), "did you mean scan?"),
        ("--TT", ("--T", "--H"), "did you mean --T?"),
        ("backward", ("forward",), "known: forward"),
        ("sru", ("gru", "lstm"), "known: gru, lstm"),
        ("gh200", ("h200",), "known: h200"),
        ("mine", ("ring",), "known: ring"),
        ("--O", ("--B", "--T"), "known: --B, --T"),
        ("x", (), "known: none"),
    ],
)
def test_a_word_is_suggested_only_where_it_nearly_is_the_one_written(
    word: str, known: tuple[str, ...], said: str
) -> None:
    assert str(unknown("thing", word, known)) == f"unknown thing {word}: {said}"


def test_a_long_list_is_cut_and_says_so() -> None:
    text = str(unknown("thing", "z", [f"name{number:02}" for number in range(40)]))
    assert text.endswith("name11 and 28 more")


@pytest.mark.parametrize(
    ("a", "b", "count"), [("", "", 0), ("a", "", 1), ("scan", "scna", 1), ("scan", "sacn", 1), ("abc", "xyz", 3)]
)
def test_slips(a: str, b: str, count: int) -> None:
    assert slips(a, b) == slips(b, a) == count
