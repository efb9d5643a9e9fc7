"""Shared memory that nobody can pull away, and once sealed nobody can change."""

from __future__ import annotations

import mmap
import os

import pytest

from workbench.execute.sealed import Block, write_view
from workbench.problem import Problem


@pytest.fixture
def block() -> Block:
    made = Block(10_000)
    write_view(made.descriptor)[:3] = (1, 2, 3)
    return made


def test_what_is_written_is_read(block: Block) -> None:
    view = block.view()
    block.close()
    assert view.size == 10_000 and view[:4].tolist() == [1, 2, 3, 0]
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_its_size_stays(block: Block, size: int) -> None:
    with pytest.raises(OSError):
        os.ftruncate(block.descriptor, size)


def test_a_sealed_one_cannot_be_written_by_anybody(block: Block) -> None:
    block.seal()
    path = f"/proc/{os.getpid()}/fd/{block.descriptor}"
    for action in (
        lambda: os.pwrite(block.descriptor, b"x", 0),
        lambda: mmap.mmap(block.descriptor, 0),
        lambda: os.pwrite(os.open(path, os.O_RDWR), b"x", 0),
    ):
        with pytest.raises(OSError):
            action()
    assert block.view()[:3].tolist() == [1, 2, 3]


def test_one_that_somebody_writes_to_cannot_be_sealed() -> None:
    block = Block(100)
    held = write_view(block.descriptor)
    with pytest.raises(Problem, match="cannot be protected"):
        block.seal()
    assert held.size == 100


def test_cleared_memory_is_zero_and_can_be_used_again(block: Block) -> None:
    view = block.view()
    block.clear()
    assert not view.any()
    write_view(block.descriptor)[5] = 7
    assert view[5] == 7
