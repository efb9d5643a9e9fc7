"""The digest of a variant's sources: the same for the same content, another after any edit that a measurement sees."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from workbench.catalog import load_catalog
from workbench.compile.digest import digest, digests
from workbench.declare import Call, Cost, Host, Operation, Plan, Variant


def operation() -> Operation:
    return Operation(
        name="double", title="", equation="", axes={"n": 8}, small={"n": 3}, tensors=lambda shape: (),
        make_inputs=lambda shape, regime, random: {}, reference=lambda shape, inputs: {},
        least=lambda shape: Cost(bytes=1), baseline="a", tolerance={"float32": 1e-6}, dtypes=("float32",),
    )  # fmt: skip


def variant(step: Any, name: str = "a") -> Variant:
    return Variant(
        name=name, operation="double", devices=("cpu",), idea="", plan=lambda shape, settings: Plan((step,)),
        cost=lambda shape, settings: Cost(bytes=1),
    )  # fmt: skip


def sources(folder: Path, header: str = "int x;", source: str = "void f() {}") -> Host:
    folder.mkdir(parents=True)
    (folder / "f.h").write_text(header)
    (folder / "f.cpp").write_text(f'#include "f.h"\n{source}')
    return Host(folder / "f.cpp", "f", ("y", 3))


def test_where_it_lies_and_what_it_is_called_change_nothing(tmp_path: Path) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    assert digest(variant(here), operation()) == digest(variant(there, "renamed"), operation()) != ""


@pytest.mark.parametrize("change", [{"header": "int y;"}, {"source": "void f() { }"}])
def test_an_edit_of_a_source_or_of_a_header_changes_it(tmp_path: Path, change: dict[str, str]) -> None:
    before, after = sources(tmp_path / "before"), sources(tmp_path / "after", **change)
    assert digest(variant(before), operation()) != digest(variant(after), operation())


def test_arguments_defines_and_called_functions_change_it(tmp_path: Path) -> None:
    step = sources(tmp_path / "k")

    def one(x: float, by: int = 1) -> float:
        return x + by

    def other(x: float, by: int = 1) -> float:
        return x - by

    steps = [
        step, Host(step.source, "f", ("y", 4)), Host(step.source, "f", ("y", 3), (("N", 2),)),
        Call(one, ("x",)), Call(other, ("x",)), Call(functools.partial(one, by=2), ("x",)),
    ]  # fmt: skip
    assert len({digest(variant(s), operation()) for s in steps}) == len(steps)


def test_what_cannot_be_looked_at_has_none(tmp_path: Path) -> None:
    assert digest(variant(Host(tmp_path / "gone.cpp", "f", ())), operation()) == ""


def test_every_variant_of_the_catalogue_has_one() -> None:
    catalog = load_catalog()
    found = digests(catalog)
    assert set(found) == {variant.key for variant in catalog}
    assert found == digests(catalog)
