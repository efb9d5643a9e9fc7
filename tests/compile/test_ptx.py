"""PTX from NVRTC: whole on disk, taken from the cache the second time, made again where the cache entry is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.compile import build_units
from workbench.compile.ptx import ptx_of_units
from workbench.compile.units import Binary, NoSource, Unit


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier run of the tests has stored would be found."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


def built(source: Path) -> Binary:
    unit = Unit(source, "float32", (), "sm_90")
    made = ptx_of_units([unit])[unit]
    assert isinstance(made, Binary)
    return made


def test_what_is_stored_is_the_compilers_text_and_is_found_again(tmp_path: Path) -> None:
    source = tmp_path / "double.cu"
    source.write_text('extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.f; }')
    first = built(source)
    text = first.path.read_text()
    assert text.startswith("//") and ".version" in text and ".entry twice" in text
    again = built(source)
    assert (first.cached, again.cached, again.path) == (False, True, first.path)
    first.path.write_text(text[:100])
    assert built(source).cached is False
    assert first.path.read_text() == text


def test_a_missing_source_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoSource, match=r"absent\.cu: no such source"):
        built(tmp_path / "absent.cu")


def test_what_a_cubin_was_made_from_is_kept_and_is_the_same_as_ptx_alone(tmp_path: Path) -> None:
    source = tmp_path / "thrice.cu"
    source.write_text('extern "C" __global__ void thrice(float* x) { x[threadIdx.x] *= 3.f; }')
    units = [Unit(source, dtype, (), "sm_90") for dtype in ("float32", "bfloat16")]
    assert all(isinstance(cubin, Binary) for cubin in build_units(units, jobs=2).values())
    for unit in units:
        beside = ptx_of_units([unit])[unit]
        assert isinstance(beside, Binary) and beside.cached
        text = beside.path.read_text()
        beside.path.unlink()
        alone = ptx_of_units([unit])[unit]
        assert isinstance(alone, Binary) and not alone.cached and alone.path.read_text() == text
