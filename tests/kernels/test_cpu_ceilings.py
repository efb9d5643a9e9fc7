"""The CPU's ceilings: what is measured against them must be able to trust their sizes and their arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from workbench.measure import ceilings_cpu


def test_the_exponential_of_the_ceiling_is_one() -> None:
    """To about a unit in the last place, over all of float32's range: no cheaper than a user's expf."""
    library = ceilings_cpu._library()
    x = np.linspace(-86.9, 87.9, 4001).astype(np.float32)
    found = np.array([library.exponential_of(value) for value in x])
    assert np.abs(found / np.exp(x.astype(np.float64)) - 1).max() < 1.5e-7


@pytest.mark.parametrize("text, size", [("512K", 512 << 10), ("32768K", 32 << 20), ("96M", 96 << 20)])
def test_the_last_cache_is_the_one_of_the_highest_level(tmp_path: Path, text: str, size: int) -> None:
    for index, (level, words) in enumerate((("1", "32K"), ("3", text), ("2", "512K"))):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "level").write_text(level + "\n")
        (folder / "size").write_text(words + "\n")
    assert ceilings_cpu.last_cache_bytes(tmp_path) == size


def test_a_system_that_does_not_say_has_a_usual_cache(tmp_path: Path) -> None:
    assert ceilings_cpu.last_cache_bytes(tmp_path) == 32 << 20


def test_arrays_pass_the_cache_and_leave_memory() -> None:
    assert ceilings_cpu.array_bytes(32 << 20, 64 << 30) == 128 << 20
    assert ceilings_cpu.array_bytes(512 << 20, 4 << 30) == 256 << 20
    assert ceilings_cpu.array_bytes(1 << 20, 64 << 30) == ceilings_cpu.LEAST_ARRAY_BYTES


def test_every_ceiling_is_a_rate_and_has_its_median(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings_cpu, "array_bytes", lambda cache, free: 1 << 20)
    monkeypatch.setattr(ceilings_cpu, "ARITHMETIC_SECONDS", 1e-4)
    monkeypatch.setattr(ceilings_cpu, "PRODUCT_SIZE", 64)
    found = ceilings_cpu.measure_cpu_ceilings(0.0)
    memory = {f"{kind}_bytes_per_s" for kind in ("copy", "copy_nt", "triad", "triad_nt")}
    assert memory | {"exp_per_s", "fma_flops_per_s", "matmul_flops_per_s"} <= set(found)
    assert all(math.isfinite(rate) and rate > 0 for rate in found.values())
    for name in [name for name in found if not name.endswith("_median")]:
        assert found[f"{name}_median"] <= found[name]
