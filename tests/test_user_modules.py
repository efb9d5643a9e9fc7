"""A user's file that was changed within a second, to the same length, is what is imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from workbench.user_modules import package, spec_of


def import_twice(file: Path, read: str, name: str) -> list[int]:
    found = []
    for value in (1, 2):
        file.write_text(f"VALUE = {value}\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        if read == "package":
            package(name, file.parent)
            sys.modules.pop(f"{name}.{file.stem}", None)
            found.append(importlib.import_module(f"{name}.{file.stem}").VALUE)
        else:
            spec = spec_of(name, file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found.append(module.VALUE)
    return found


@pytest.mark.parametrize("read", ["package", "file"])
def test_a_change_within_a_second_is_seen(read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert import_twice(tmp_path / "mine.py", read, f"kernels_of_{read}") == [1, 2]
    assert not (tmp_path / "__pycache__").exists()


def test_what_is_no_python_file_has_no_spec(tmp_path: Path) -> None:
    assert spec_of("mine", tmp_path / "mine.txt") is None
