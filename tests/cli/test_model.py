"""`workbench sweep --model` as a user runs it: floors of a device that is not here, of what was asked for alone."""

from __future__ import annotations

import json

from tests.cli.conftest import Run


def test_only_the_named_variants_and_sizes_are_modelled(workbench: Run) -> None:
    asked = "sweep layer/forward --model --device h200 --preset experiment --variants source_final,gated_look_back"
    rows = json.loads(workbench(*asked.split(), "--T", "64,65536", "--json").stdout)
    assert {row["variant"] for row in rows} == {"source_final", "gated_look_back"} and len(rows) == 4
    assert all(row["source"] == "modelled" for row in rows)
    launches = {(row["variant"], row["shape"]): row["launches"] for row in rows}
    (longest,) = [count for (name, shape), count in launches.items() if name == "source_final" and "65536" in shape]
    assert longest > 65_536
