"""A machine whose NVRTC is not installed, or does not load, is told so in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cuda.bindings import nvrtc

from workbench.compile.archs import supported_archs
from workbench.problem import Problem


def test_a_library_that_does_not_load_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails() -> None:
        raise RuntimeError('Failure finding "libnvrtc.so.13":\n  searched here\n  and there')

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(nvrtc, "nvrtcVersion", fails)
    monkeypatch.setattr(nvrtc, "nvrtcGetSupportedArchs", fails)
    supported_archs.cache_clear()
    with pytest.raises(Problem, match=r"CUDA sources cannot be compiled .*libnvrtc.* pip install") as found:
        supported_archs()
    supported_archs.cache_clear()
    assert "\n" not in str(found.value)
