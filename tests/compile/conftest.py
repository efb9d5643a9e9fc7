"""Compiling a few lines of CUDA in a test, into a cache of the test session's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.compile import Binary, Unit, build_units

CompileText = Callable[..., tuple[Unit, Binary]]


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def compile_text(session_folder: Path, monkeypatch: pytest.MonkeyPatch) -> CompileText:
    """(text, arch="sm_90", name="kernel") → the unit and its binary; the test fails with the compiler's message."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(session_folder / "cache"))

    def compile_it(text: str, arch: str = "sm_90", name: str = "kernel") -> tuple[Unit, Binary]:
        source = session_folder / f"{name}.cu"
        source.write_text(text)
        unit = Unit(source, "float32", (), arch)
        binary = build_units([unit])[unit]
        assert isinstance(binary, Binary), binary
        return unit, binary

    return compile_it
