"""Tests that only hardware can pass or fail: marked `gpu`, left out where there is none (asked for alone: skipped)."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.execute.this_machine import gpu_name

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if HERE in item.path.parents]
    for item in own:
        item.add_marker(pytest.mark.gpu)
    if gpu_name() is not None:
        return
    if own != items:  # a thousand that only were to say why they are skipped
        items[:] = [item for item in items if HERE not in item.path.parents]
        config.hook.pytest_deselected(items=own)
        return
    for item in own:
        item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU and its driver"))
