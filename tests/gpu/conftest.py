"""Tests that only hardware can pass or fail: marked `gpu`, skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.execute.this_machine import gpu_name

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if gpu_name() is None:
                item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU and its driver"))
