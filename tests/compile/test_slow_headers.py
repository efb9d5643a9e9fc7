"""Headers that take the compiler as long to read as a kernel takes to compile: read once, by whoever comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.compile import Binary, Unit, build_units, compile_units
from workbench.compile.units import HOST

SOURCE = '#include "through.hpp"\nextern "C" int answer() { return int32_t{%d}; }\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a header that is quick to read in the place of the slow ones."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compile_units, "SLOW_HEADERS", ("cstdint",))
    (tmp_path / "through.hpp").write_text("#pragma once\n#include <cstdint>\n")
    return tmp_path / "cache"


def build(folder: Path, number: int) -> Binary:
    source = folder / f"answer_{number}.cpp"
    source.write_text(SOURCE % number)
    unit = Unit(source, "float32", (), HOST)
    binary = build_units([unit])[unit]
    assert isinstance(binary, Binary), binary
    return binary


def test_one_is_read_once_and_again_where_what_was_made_of_it_is_broken(cache: Path, tmp_path: Path) -> None:
    build(tmp_path, 1)
    (made,) = cache.rglob("*.gch")
    header = made.with_suffix("")
    text = header.read_text()
    header.write_text("#error read again\n")
    build(tmp_path, 2)
    made.write_bytes(made.read_bytes()[:1000])
    build(tmp_path, 3)
    assert header.read_text() == text and list(cache.rglob("*.gch")) == [made]
    header.write_text("#error read again\n")
    build(tmp_path, 4)


def test_a_source_without_them_waits_for_none(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "through.hpp").write_text("#pragma once\ntypedef int int32_t;\n")
    build(tmp_path, 1)
    assert list(cache.rglob("*.gch")) == []


def test_a_compiler_that_cannot_keep_them_reads_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\ncase "$*" in *c++-header*) exit 1;; esac\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    build(tmp_path, 1)
    assert list(cache.rglob("*.gch")) == []
