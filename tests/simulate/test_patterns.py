"""Patterns of addresses that repeat at other places: figures and bytes are those of each single access."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulate.one_opcode import kernel
from workbench.simulate.launch import Checks, Counts, Options, SimulationFault, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.ptx import read_module

LANES, WORDS = 32, 4096
HEAD = """
    .reg .b64 %from; .reg .b64 %to; .reg .b64 %off; .reg .pred %more; .reg .pred %some;
    .reg .b32 %k; .reg .b32 %m; .reg .b32 %v; .reg .b32 %w; .reg .b32 %x; .reg .b32 %y;
    ld.param.u64 %from, [k_in];
    ld.param.u64 %to, [k_out];
"""
OPTIONS = [Options(), Options(checks=Checks.ALL), Options(first_cache_bytes=4096, second_cache_bytes=65536)]


def run(body: str, source: np.ndarray, options: Options, words: int = WORDS) -> tuple[Counts, np.ndarray]:
    """One warp; %n is the lane, %from and %to the two buffers."""
    memory = Memory()
    memory.put("in", source)
    memory.put("out", np.zeros(words, np.uint32), writable=True)
    block = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    counts = simulate(
        read_module(kernel(HEAD + body)).program("k"), (1, 1, 1), (LANES, 1, 1), block, memory, 0, options
    )
    return counts, memory.array("out").copy()


def of(counts: Counts, counter: str, text: str) -> int:
    (place,) = (k for k, i in enumerate(counts.program.instructions) if i.text.startswith(text))
    return int(counts[counter][place])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("stride", [1, 2, 5, 33])
def test_the_same_distances_at_other_places_have_other_sectors(stride: int, options: Options) -> None:
    """Round k copies in[k + lane * stride] to out[40 k + lane]; rounds differ in where a line begins."""
    rounds = 40
    body = f"""
    mov.u32 %k, 0;
    AGAIN: mul.lo.u32 %m, %n, {stride}; add.u32 %m, %m, %k; mul.wide.u32 %off, %m, 4;
    add.s64 %off, %off, %from; ld.global.u32 %v, [%off];
    mul.lo.u32 %m, %k, 40; add.u32 %m, %m, %n; mul.wide.u32 %off, %m, 4;
    add.s64 %off, %off, %to; st.global.u32 [%off], %v;
    add.u32 %k, %k, 1; setp.lt.u32 %more, %k, {rounds}; @%more bra AGAIN;
    """
    source = np.random.default_rng(stride).integers(0, 2**32, WORDS, dtype=np.uint32)
    counts, out = run(body, source, options)
    lanes = np.arange(LANES)
    for k in range(rounds):
        np.testing.assert_array_equal(out[40 * k : 40 * k + LANES], source[k + lanes * stride])
    touched = [4 * (k + lanes * stride) for k in range(rounds)]
    assert of(counts, "sectors", "ld.global") == sum(len(set(a // 32)) for a in touched)
    assert of(counts, "tags", "ld.global") == sum(len(set(a // 128)) for a in touched)
    assert of(counts, "sectors_ideal", "ld.global") == 4 * rounds
    assert of(counts, "sectors", "st.global") == sum(len(set(4 * (40 * k + lanes) // 32)) for k in range(rounds))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("elements", [2, 4])
def test_lanes_that_hold_several_words_side_by_side(elements: int, options: Options) -> None:
    """Behind one another, reversed, and for a part of the lanes."""
    registers = ", ".join(("%v", "%w", "%x", "%y")[:elements])
    size = 4 * elements
    body = f"""
    mul.wide.u32 %off, %n, {size};
    add.s64 %from, %from, %off; ld.global.v{elements}.u32 {{{registers}}}, [%from];
    add.s64 %off, %off, %to; st.global.v{elements}.u32 [%off], {{{registers}}};
    xor.b32 %m, %n, 31; mul.wide.u32 %off, %m, {size};
    add.s64 %off, %off, %to; st.global.v{elements}.u32 [%off + 512], {{{registers}}};
    setp.lt.u32 %some, %n, 11;
    @!%some bra END;
    st.global.v{elements}.u32 [%off + 1024], {{{registers}}};
    END: ret;
    """
    source = np.arange(1, WORDS + 1, dtype=np.uint32)
    counts, out = run(body, source, options)
    given = source[: LANES * elements].reshape(LANES, elements)
    for at, lanes in ((0, given), (128, given[::-1])):
        np.testing.assert_array_equal(out[at : at + LANES * elements].reshape(LANES, elements)[-11:], lanes[-11:])
    np.testing.assert_array_equal(out[256 : 256 + LANES * elements].reshape(LANES, elements)[-11:], given[:11][::-1])
    assert of(counts, "sectors", "ld.global") == LANES * size // 32


def test_lanes_that_store_to_one_place_leave_the_last_ones_value() -> None:
    body = "shr.u32 %m, %n, 2; mul.wide.u32 %off, %m, 4; add.s64 %off, %off, %to; st.global.u32 [%off], %n;"
    _, out = run(body, np.zeros(1, np.uint32), Options())
    np.testing.assert_array_equal(out[:8], 4 * np.arange(8) + 3)


@pytest.mark.parametrize("wraps", [True, False])
def test_a_low_word_that_wraps_around_is_another_address(wraps: bool) -> None:
    """The buffer lies across a multiple of 4 GiB. Where the second round crosses it, lanes behind it keep the high word
    of those before: the pattern is that of the first round, the place is not."""
    body = f"""
    mov.u32 %k, 0;
    AGAIN: mul.lo.u32 %m, %k, 192; mul.wide.u32 %off, %n, 4; add.s64 %off, %off, %to;
    cvt.u64.u32 %from, %m; add.s64 %off, %off, %from;
    setp.ge.u32 %more, %n, 16; setp.eq.and.u32 %some, %k, 1, %more;
    mov.u64 %from, 0; @%some mov.u64 %from, {2**32 if wraps else 0}; sub.s64 %off, %off, %from;
    st.global.u32 [%off], %n;
    add.u32 %k, %k, 1; setp.lt.u32 %more, %k, 2; @%more bra AGAIN;
    """
    memory = Memory(guard_bytes=2**32 - 256 - 256)
    memory.put("in", np.zeros(64, np.uint32))
    memory.put("out", np.zeros(128, np.uint32), writable=True)
    address = memory.address("out")
    assert address is not None and address % 2**32 == 2**32 - 256
    block = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    text = kernel(HEAD + body)
    if wraps:
        with pytest.raises(SimulationFault, match=r"stray_write.*lane 16"):
            simulate(read_module(text).program("k"), (1, 1, 1), (LANES, 1, 1), block, memory)
    else:
        simulate(read_module(text).program("k"), (1, 1, 1), (LANES, 1, 1), block, memory)
        np.testing.assert_array_equal(memory.array("out")[48:80], np.arange(32))


@pytest.mark.parametrize("shift", [1, 4, 32])
@pytest.mark.parametrize("synced", [True, False])
def test_races_are_told_whatever_lanes_share_four_words(shift: int, synced: bool) -> None:
    """Lanes store a word each, then load the word of a lane further on: a race but for the barrier."""
    barrier = "bar.warp.sync -1;" if synced else ""
    body = f"""
    mul.wide.u32 %off, %n, 4; add.s64 %to, %to, %off; st.global.u32 [%to], %n; {barrier}
    ld.global.u32 %v, [%to + {4 * shift}]; st.global.u32 [%to + 512], %v;
    """
    counts, _ = run(body, np.zeros(1, np.uint32), Options(checks=Checks.RACES))
    shared = LANES - shift
    races = sum(finding.times for finding in counts.findings if finding.kind == "race")
    assert races == (0 if synced else shared)
