"""kernel_variants/ reads in order: numbered sources, head comments of one form, generated tables."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from docs import rungs
from tests.kernels.executed import catalog
from workbench.catalog import BUILTIN

CATALOG = catalog()
LAYERS_ALONE = ("walk.cpp", "walk_backward.cpp")
"""What the layers to take home run, and no rung: it stands beside the ladder."""
SOURCES = sorted(
    path
    for folder in BUILTIN.iterdir()
    for end in ("*.cu", "*.cpp")
    for path in folder.glob(end)
    if path.name not in LAYERS_ALONE
)


@pytest.mark.parametrize("readme", rungs.folders(CATALOG), ids=lambda path: path.parent.name)
def test_the_table_of_rungs_is_what_the_declarations_and_sources_say(readme: Path) -> None:
    made = rungs.table(CATALOG, rungs.folders(CATALOG)[readme])
    assert rungs.readme(readme.read_text(), made) == readme.read_text(), f"{readme} is stale; make readme"
    for target in re.findall(r"\]\(([^)#]+)", readme.read_text()):
        assert (readme.parent / target).exists(), target


@functools.cache
def users() -> Mapping[Path, list[int]]:
    """The rungs that use a source."""
    found: dict[Path, list[int]] = defaultdict(list)
    for variant in CATALOG:
        for path in set(rungs.sources(variant, CATALOG.operation_of(variant))):
            found[path].append(variant.rung)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_source_is_numbered_and_its_head_says_idea_traffic_and_what_improves(source: Path) -> None:
    number = re.match(r"(\d\d)_", source.name)
    assert number, "a listing of the folder shows the ladder only where every source has its rung's number"
    used = users()[source]
    assert int(number[1]) in used, f"no rung {number[1]} uses it, but {used} do"
    head = re.match(r"(?://.*\n)+", source.read_text())
    assert head
    for word in ("Idea", "Traffic", "Improves"):
        assert re.search(rf"^// {word}(?: \([^)]*\))?: ", head[0], re.MULTILINE), word
    assert "Moves:" not in head[0] and max(map(len, source.read_text().splitlines())) <= 120
