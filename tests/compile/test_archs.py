"""Architectures: what NVRTC offers, and the nearest to what it does not."""

from __future__ import annotations

import pytest

from workbench.compile import check_arch, parse_archs, supported_archs
from workbench.problem import Problem


def test_all_are_from_ampere_on_in_order() -> None:
    archs = supported_archs()
    assert {"sm_80", "sm_89", "sm_90", "sm_100", "sm_120"} <= set(archs)
    assert "sm_75" not in archs
    assert list(archs) == sorted(archs, key=lambda arch: int(arch[3:]))
    assert parse_archs("all") == archs


def test_a_list_keeps_its_order_and_drops_repeats() -> None:
    assert parse_archs("sm_90, sm_89,sm_90") == ("sm_90", "sm_89")
    assert check_arch("sm_90a") == "sm_90a"


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("sm_91", "sm_90"),
        ("sm90", "sm_90"),
        ("90", "sm_90"),
        ("sm_80a", "sm_80"),
        ("sm_75", "sm_80"),
        ("compute_89", "sm_89"),
    ],
)
def test_an_unknown_one_names_the_nearest(word: str, nearest: str) -> None:
    with pytest.raises(Problem, match=f"unknown architecture {word}.*{nearest}") as caught:
        check_arch(word)
    assert "\n" not in str(caught.value) and caught.value.exit_status == 2


@pytest.mark.parametrize("word", ["", "hopper", "sm_"])
def test_a_word_without_a_number_lists_what_there_is(word: str) -> None:
    with pytest.raises(Problem, match="known: sm_80"):
        check_arch(word)
