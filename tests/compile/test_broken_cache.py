"""Cache entries that a power cut, a full disk or another program has broken are made again, whatever is in them."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.campaign.mutate import FUZZ, broken_bytes
from workbench.compile import cache
from workbench.compile.archs import supported_archs
from workbench.compile.compile_units import build_unit
from workbench.compile.facts import kernels_of, listings_of
from workbench.compile.units import Binary, Unit
from workbench.problem import Problem

pytestmark = pytest.mark.sliced

KERNEL = 'extern "C" __global__ void one(float *y) { y[threadIdx.x] = 1.0f; }\n'
HOST = 'extern "C" void two(float *y) { *y = 2.0f; }\n'


def units(folder: Path) -> list[Unit]:
    folder.mkdir(exist_ok=True)
    (folder / "one.cu").write_text(KERNEL)
    (folder / "two.cpp").write_text(HOST)
    cuda = folder / "one.cu"
    return [Unit(cuda, "float32", (), "sm_90"), Unit(cuda, "float32", (), "sm_89"),
            Unit(folder / "two.cpp", "float32", (), "host")]  # fmt: skip


def use(wanted: list[Unit]) -> list[bool]:
    """Builds all and reads everything that is kept of them; whether each came from the cache."""
    supported_archs.cache_clear()
    assert "sm_90" in supported_archs()
    built = [build_unit(unit) for unit in wanted]
    assert all(isinstance(b, Binary) and cache.is_sound(b.path) for b in built)
    cubin = built[0]
    assert isinstance(cubin, Binary)
    assert set(kernels_of(cubin)) == {"one"} and listings_of(cubin)["one"].code_bytes > 0
    return [isinstance(b, Binary) and b.cached for b in built]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_broken_entries_are_made_again(own_cache: Path, tmp_path: Path) -> None:
    wanted = units(tmp_path / "sources")
    assert use(wanted) == [False] * 3 and use(wanted) == [True] * 3
    chance = random.Random(1)
    entries = sorted(path for path in own_cache.rglob("*") if path.is_file())
    assert {path.suffix for path in entries} >= {".cubin", ".so", ".log", ".sass", ".json", ".archs", ".sha256"}
    for _ in range(2 * FUZZ):
        for entry in entries:
            before = entry.read_bytes()
            entry.write_bytes(broken_bytes(before, chance))
            use(wanted)
            assert use(wanted) == [True] * 3, f"{entry.name} was not mended"
    assert sorted(path for path in own_cache.rglob("*") if path.is_file()) == entries


def test_a_half_library_never_reaches_the_loader(own_cache: Path, tmp_path: Path) -> None:
    unit = units(tmp_path / "sources")[2]
    built = build_unit(unit)
    assert isinstance(built, Binary)
    whole = built.path.read_bytes()
    for kept in (b"", whole[: len(whole) // 2], whole[:-1]):
        built.path.write_bytes(kept)
        again = build_unit(unit)
        assert isinstance(again, Binary) and not again.cached and again.path.read_bytes()[:4] == b"\x7fELF"


def test_builds_of_one_entry_at_once_leave_it_sound(own_cache: Path) -> None:
    """Two compilers need not make the same bytes: a binary and its digest must come from the same one."""
    target = cache.entry("ab" * 32, ".so")

    def build(number: int) -> None:
        for turn in range(20):
            scratch = cache.scratch_path(target)
            scratch.write_bytes(bytes([number]) * (1000 + turn))
            cache.publish(scratch, target)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(build, range(4)))
    assert cache.is_sound(target)
    assert [path.name for path in sorted(target.parent.iterdir())] == [target.name, f"{target.name}.sha256"]


def test_a_digest_and_its_binary_are_published_together(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another build comes just after this one wrote its digest: it waits until the binary is there too."""
    target = cache.entry("cd" * 32, ".so")
    mine, other = cache.scratch_path(target), cache.scratch_path(target)
    mine.write_bytes(b"mine")
    other.write_bytes(b"another")
    write = cache._write
    with ThreadPoolExecutor(1) as thread:

        def interrupted(path: Path, data: bytes) -> None:
            write(path, data)
            monkeypatch.setattr(cache, "_write", write)
            future = thread.submit(cache.publish, other, target)
            wait([future], timeout=0.2)  # without the lock it is through by then

        monkeypatch.setattr(cache, "_write", interrupted)
        cache.publish(mine, target)
    assert cache.is_sound(target) and target.read_bytes() == b"another"


def test_an_unwritable_cache_is_one_line(own_cache: Path, tmp_path: Path) -> None:
    own_cache.write_text("a file stands there")
    with pytest.raises(Problem, match=r"cannot write the build cache .* set WORKBENCH_CACHE"):
        build_unit(units(tmp_path / "sources")[2])


def test_what_killed_builds_began_to_write_goes_after_a_day(tmp_path: Path) -> None:
    target = tmp_path / "ab" / "abc.cubin"
    old, young = cache.scratch_path(target), cache.scratch_path(target)
    os.utime(old, (0, time.time() - cache.LEFT_OVER_S - 1))
    cache.scratch_path(target)
    assert not old.exists() and young.exists()
