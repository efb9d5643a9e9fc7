"""Host buffers: the right memory, and every stray write seen."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.execute.host_memory import ALIGNMENT, GuardBroken, HostBuffer

SIZES = st.integers(1, 70_000) | st.integers((2 << 20) - 70_000, (2 << 20) + 70_000)


@given(SIZES)
def test_all_of_a_buffer_can_be_used(nbytes: int) -> None:
    buffer = HostBuffer("h", nbytes)
    assert buffer.address % ALIGNMENT == 0
    ctypes.memset(buffer.address, 7, nbytes)
    assert (buffer.view((nbytes,), np.uint8) == 7).all()
    buffer.check()


@given(SIZES, st.integers(1, 64), st.booleans())
def test_a_write_beside_it_is_seen_and_named(nbytes: int, distance: int, before: bool) -> None:
    slack = -nbytes % ALIGNMENT
    if not before and distance > slack:
        return  # that far is the unreadable page: the test below
    buffer = HostBuffer("h", nbytes)
    ctypes.memset(buffer.address + (-distance if before else nbytes + distance - 1), 0, 1)
    side = "before its first" if before else "behind its last"
    with pytest.raises(GuardBroken, match=f"wrote outside h: {distance} bytes {side}"):
        buffer.check()


def write_behind(nbytes: int) -> None:
    faulthandler.disable()
    buffer = HostBuffer("h", nbytes)
    ctypes.memset(buffer.address + nbytes, 0, 1)


@pytest.mark.parametrize("nbytes", [64, 4096, 6 << 20])
def test_the_page_behind_it_kills(nbytes: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=write_behind, args=(nbytes,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGSEGV
