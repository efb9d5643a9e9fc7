"""What runs under ncu: one evaluation a range, on a node that has little."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.catalog import load_catalog
from workbench.problem import Problem
from workbench.profile import replay

ROOT = Path(__file__).resolve().parents[2]
ITEM = {
    "key": "scan.simd.b2-t64-h33.float32.normal.forward.cpu",
    "operation": "scan",
    "variant": "simd",
    "pass": "forward",
    "settings": {"slice": 512},
    "axes": {"B": 2, "T": 64, "H": 33},
    "dtype": "float32",
}
NOT_ON_THE_NODE = (
    "pydantic", "pandas", "pyarrow", "duckdb", "typer", "rich", "streamlit", "plotly", "ncu_report", "psutil",
)  # fmt: skip


class Evaluation:
    """Notes the order of what happens."""

    def __init__(self, events: list[str], fails: bool = False) -> None:
        self.events, self.fails = events, fails

    def run(self) -> None:
        self.events.append("run")
        if self.fails:
            raise RuntimeError("no such kernel")

    def synchronize(self) -> None:
        self.events.append("synchronize")

    def close(self) -> None:
        self.events.append("close")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []

    @contextlib.contextmanager
    def range_of(item: Any) -> Iterator[None]:
        events.append(f"enter {item['key']}")
        yield
        events.append("leave")

    monkeypatch.setattr(replay, "range_of", range_of)
    monkeypatch.setattr(replay, "bind", lambda item, catalog, device: Evaluation(events, item["key"] == "broken"))
    return events


def test_a_range_holds_exactly_one_evaluation_after_a_warm_up(events: list[str]) -> None:
    assert replay.replay([{"key": "a", "pass": "forward"}], load_catalog()) == []
    assert events == ["run", "synchronize", "enter a", "run", "synchronize", "leave", "close"]


def test_one_that_fails_does_not_hold_up_the_others(events: list[str]) -> None:
    failed = replay.replay([{"key": "broken", "pass": "forward"}, {"key": "a", "pass": "forward"}], load_catalog())
    assert failed == ["broken: RuntimeError: no such kernel"]
    assert events[:2] == ["run", "close"]
    assert "enter a" in events


def test_a_real_variant_is_bound_and_run() -> None:
    assert replay.replay([ITEM], load_catalog(), "cpu") == []
    unknown = replay.replay([{**ITEM, "variant": "simt"}], load_catalog(), "cpu")
    assert "unknown variant scan/simt: did you mean scan/simd?" in unknown[0]


def test_it_runs_with_what_a_cluster_node_has(tmp_path: Path) -> None:
    """Packages of records, tables and pages cannot be imported in this process, and are not missed."""
    program = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {NOT_ON_THE_NODE!r}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)
sys.meta_path.insert(0, Absent())
from workbench.catalog import load_catalog
from workbench.profile.replay import read_selection, replay
from pathlib import Path
items, kernels = read_selection(Path(sys.argv[1]))
print(replay(items, load_catalog(kernels), "cpu"))
"""
    selection = tmp_path / "selection.json"
    selection.write_text(json.dumps({"run": "a-run", "kernels": "", "items": [ITEM]}))
    done = subprocess.run(
        [sys.executable, "-c", program, str(selection)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"items": 3}'])
def test_a_file_that_is_no_selection(text: str, tmp_path: Path) -> None:
    path = tmp_path / "selection.json"
    path.write_text(text)
    with pytest.raises(Problem, match="no selection of records"):
        replay.read_selection(path)
    assert replay.main([str(path)]) == 3
    assert replay.main([]) == 2
