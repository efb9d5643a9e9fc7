"""Sizes of caches as the system describes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.measure.caches import UNKNOWN_BYTES, cache_bytes, last_cache_bytes


def described(root: Path, cpu: int, *caches: tuple[str, str, str, str]) -> None:
    for index, (level, kind, size, shared) in enumerate(caches):
        folder = root / f"cpu{cpu}" / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
            (folder / name).write_text(text + "\n")


@pytest.mark.parametrize(("text", "size"), [("512K", 512 << 10), ("32768K", 32 << 20), ("96M", 96 << 20)])
def test_the_last_cache_is_the_one_of_the_highest_level(tmp_path: Path, text: str, size: int) -> None:
    described(tmp_path, 0, ("1", "Data", "32K", "0"), ("3", "Unified", text, "0-1"), ("2", "Unified", "256K", "0"))
    assert last_cache_bytes([0], tmp_path) == size


def test_caches_of_several_cores_add_up_and_shared_ones_count_once(tmp_path: Path) -> None:
    for cpu in (0, 1, 2):
        described(
            tmp_path, cpu, ("1", "Data", "32K", f"{cpu}"), ("1", "Instruction", "64K", f"{cpu}"),
            ("2", "Unified", "512K", f"{cpu}"), ("3", "Unified", "32M", "0-1" if cpu < 2 else "2-3"),
            ("4", "Unified", "1G", "0-3"),
        )  # fmt: skip
    assert cache_bytes([0, 1], tmp_path) == {"L1": 64 << 10, "L2": 1 << 20, "L3": 32 << 20}
    assert cache_bytes([0, 2], tmp_path)["L3"] == 64 << 20


def test_a_system_that_does_not_say_has_a_usual_last_cache_and_no_levels(tmp_path: Path) -> None:
    assert cache_bytes([0], tmp_path) == {} and last_cache_bytes([0], tmp_path) == UNKNOWN_BYTES
    described(tmp_path, 0, ("1", "Data", "much", "0"), ("2", "Unified", "", "0"))
    assert cache_bytes([0], tmp_path) == {}
