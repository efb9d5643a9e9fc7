"""Colours stay apart for everybody, on both backgrounds, and a variant keeps its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workbench.catalog import load_catalog
from workbench.model.rungs import rungs
from workbench.show.pictures.style import PALETTE, log_ticks, style_of, styles

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISIONS = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    """sRGB hexadecimal → linear RGB."""
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020: a space in which distance is difference as it is seen."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponent @ np.cbrt(cones @ np.clip(rgb, 0, 1))


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_stay_apart(vision: str) -> None:
    seen = [oklab(np.array(VISIONS[vision]) @ linear(colour)) for colour in PALETTE]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert nearest >= 0.095


def test_the_measure_tells_red_from_green_only_where_it_is_seen() -> None:
    red, green = linear("#f02020"), linear("#40a000")
    apart = {
        v: float(np.linalg.norm(oklab(np.array(m) @ red) - oklab(np.array(m) @ green))) for v, m in VISIONS.items()
    }
    assert apart["normal"] > 0.3
    assert apart["deuteranopia"] < 0.02


@pytest.mark.parametrize(("background", "least"), [("#ffffff", 2.3), ("#0e1117", 3.0), ("#191817", 2.8)])
def test_colours_stand_out_from_white_and_from_dark(background: str, least: float) -> None:
    for colour in PALETTE:
        light, dark = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least, colour


def test_every_variant_of_an_operation_looks_different() -> None:
    known = styles(rungs(load_catalog()))
    for operation in {key.partition("/")[0] for key in known}:
        own = [style for key, style in known.items() if key.startswith(f"{operation}/")]
        assert len(set(own)) == len(own), operation


def test_a_variant_keeps_its_style() -> None:
    known = styles(rungs(load_catalog()))
    assert style_of(known, "scan/serial") == style_of(dict(reversed(known.items())), "scan/serial")
    assert style_of(known, "mine/own") == style_of({}, "mine/own"), "one that the catalogue does not know, too"


@pytest.mark.parametrize("values", [[1e-6, 1.0], [3.0, 4.0], [5e-5], [1.0, 1e9], [2e-6, 9e-5]])
def test_log_ticks_are_few_and_around_the_values(values: list[float]) -> None:
    ticks = log_ticks(values)
    assert 1 <= len(ticks) <= 7
    assert all(min(values) / 2 <= tick <= max(values) * 2 for tick in ticks)


def test_no_values_make_no_ticks() -> None:
    assert log_ticks([]) == []
