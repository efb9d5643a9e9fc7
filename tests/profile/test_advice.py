"""The workbench's own advice: the mechanism, and the rules about gates and scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernel_variants.advice import ADVICE
from tests.profile.build_launch import launch
from workbench.catalog import Catalog, load_catalog
from workbench.declare import Shape
from workbench.problem import Problem
from workbench.profile.advice import advise, facts, rules_of
from workbench.store.launch import Launch
from workbench.store.record import Record, Status
from workbench.sweep.records import Candidate


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def record_of(catalog: Catalog, key: str, backend: str = "cuda", **axes: int) -> Record:
    operation = catalog.operation(key.partition("/")[0])
    shape = Shape(tuple((axis, axes.get(axis, size)) for axis, size in operation.axes.items()))
    return Candidate(catalog.variant(key), operation, shape, backend).record(Status.OK)


def said(catalog: Catalog, key: str, launches: list[Launch], backend: str = "cuda", **axes: int) -> list[str]:
    return advise(record_of(catalog, key, backend, **axes), launches, {}, catalog)


def test_too_few_channels_by_the_counters(catalog: Catalog) -> None:
    (text,) = said(catalog, "scan/serial", [launch(waves=0.02, blocks=8)], B=1, H=1024)
    assert text.startswith("B·H = 1,024 channels make 8 blocks, 0.02 of what the chip holds at once; split time")
    assert text.endswith("avoided by scan/three_phase")
    assert said(catalog, "scan/serial", [launch(waves=2, blocks=800)], B=1, H=1024) == []


def test_too_few_channels_without_counters(catalog: Catalog) -> None:
    assert "4,096 channels are few" in said(catalog, "scan/serial", [], B=4, H=1024)[0]
    assert said(catalog, "scan/serial", [], B=16, H=1024) == []
    assert said(catalog, "scan/look_back_fixed", [], B=1, H=64) == [], "it splits time already"
    assert said(catalog, "scan/simd", [], backend="cpu", B=1, H=64) == []


def test_a_launch_a_step(catalog: Catalog) -> None:
    (text,) = said(catalog, "projection/per_step", [], B=4, T=1024, H=1024, O=1024)
    assert text.startswith("1,024 launches for T = 1,024, 1.0 a step")
    assert text.endswith("avoided by projection/batched")
    counted = said(catalog, "projection/per_step", [launch()] * 40, T=20)
    assert counted[0].startswith("40 launches for T = 20, 2.0 a step")
    assert said(catalog, "projection/batched", [], T=1024) == []


def test_a_second_read_of_x(catalog: Catalog) -> None:
    record = record_of(catalog, "gate/unfused", B=4, T=1024, D=1024, H=1024)
    x_bytes = 4 * 1024 * 1024 * 4
    assert record.least.bytes is not None
    least_read = record.least.bytes - 2 * 4 * 4 * 1024 * 1024
    (text,) = advise(record, [launch(read=least_read + x_bytes, written=1)] * 1, {}, catalog)
    assert "(counted)" in text and "x, 16.8 MB, is read more than once: avoided by gate/fused" in text
    assert advise(record, [launch(read=least_read + 0.2 * x_bytes, written=1)], {}, catalog) == [], "L2 took it"


def test_gates_written(catalog: Catalog) -> None:
    texts = said(catalog, "gated_scan/fused_gates", [], B=16, T=1024, H=1024)
    assert len(texts) == 1
    assert "a and b, 134.2 MB, are written and read again" in texts[0]
    assert texts[0].endswith("avoided by gated_scan/serial_gated")
    assert said(catalog, "gated_scan/serial_gated", [], B=16, T=1024, H=1024) == []
    assert any("are written" in text for text in said(catalog, "layer/gates_serial", [], B=16, T=1024, D=1024))


def test_every_rung_that_is_named_exists(catalog: Catalog) -> None:
    """And every rule speaks about some variant: one that never does is no rule."""
    speaking = set()
    for variant in catalog:
        known = facts(record_of(catalog, variant.key, T=1024), [], {}, catalog)
        for rule in ADVICE:
            text = rule(known)
            if text is not None:
                speaking.add(rule)
                named = text.rpartition(": ")[2].removeprefix("avoided by ")
                if "/" in named:
                    catalog.variant(named)
    assert speaking == set(ADVICE)


def test_rules_keep_silent_about_what_they_do_not_know(catalog: Catalog) -> None:
    unnamed = Record.model_validate(
        {"key": "k", "operation": "unnamed", "variant": "k", "axes": {"blocks": 8}, "dtype": "unknown", "machine": "x",
         "backend": "cuda", "status": "ok"}
    )  # fmt: skip
    assert advise(unnamed, [launch(waves=0.01, read=5, written=5)], {}, catalog) == []


def write(folder: Path, text: str) -> Path:
    (folder / "advice.py").write_text(text)
    return folder


def test_a_users_own_rules(tmp_path: Path, catalog: Catalog) -> None:
    write(tmp_path, "def rule(facts):\n    return f\"{facts['variant']} by mine\"\nADVICE = [rule]\n")
    mine = Catalog(catalog.operations, catalog.variants, (tmp_path,))
    assert advise(record_of(catalog, "scan/serial"), [], {}, mine) == ["serial by mine"]


@pytest.mark.parametrize(("text", "words"), [("ADVICE = 1 / 0", "ZeroDivisionError"), ("", "AttributeError")])
def test_a_users_file_that_is_broken(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"{words}.*it exports ADVICE"):
        rules_of(write(tmp_path, text))


def test_a_folder_without_advice(tmp_path: Path) -> None:
    assert rules_of(tmp_path) == ()


def test_facts_hold_what_is_promised(catalog: Catalog) -> None:
    known: dict[str, Any] = facts(record_of(catalog, "scan/serial"), [launch(read=3, written=4)], {"c": 1.0}, catalog)
    assert known["bytes"]["counted"] == 7
    assert known["launches"] == {"declared": 1, "counted": 1}
    assert known["ceilings"] == {"c": 1.0}
    assert known["variants"][0]["name"] == "eager"
