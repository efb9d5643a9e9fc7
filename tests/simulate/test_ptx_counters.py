"""Counters that follow from a kernel's words alone: sectors, requests and wavefronts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulate.one_opcode import kernel
from tests.simulate.simulated_case import Case, run
from workbench.declare import Shape
from workbench.simulate.counters import DIRTY, Level, Standing, figures
from workbench.simulate.launch import Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.ptx import read_module

B, T, H = 2, 96, 64


def memory_counts(case: Case) -> dict[str, int]:
    """Requests and sectors of global loads and stores."""
    _, steps = run(case)
    found = dict.fromkeys(("loads", "stores", "load_sectors", "store_sectors"), 0)
    for counts in steps:
        if counts is None:
            continue
        for instruction, requests, sectors in zip(
            counts.program.instructions, counts["requests"], counts["sectors"], strict=True
        ):
            if ".global" in instruction.text:
                kind = "load" if "ld.global" in instruction.text else "store"
                found[f"{kind}s"] += int(requests)
                found[f"{kind}_sectors"] += int(sectors)
    return found


@pytest.mark.parametrize(("variant", "lanes_bytes"), [("serial", 4), ("vector", 16)])
def test_a_serial_scan_moves_each_element_once(variant: str, lanes_bytes: int) -> None:
    """Two loads and a store per step and channel, in whole sectors whatever the lanes' width; h0 and h_last once, a
    float at a time, so that each of a lane's floats touches the sectors of all."""
    found = memory_counts(Case(f"scan/{variant}", Shape.of("float32", B=B, T=T, H=H)))
    elements, states = B * T * H, B * H
    floats = lanes_bytes // 4
    assert found["load_sectors"] == (2 * elements + states * floats) * 4 // 32
    assert found["store_sectors"] == (elements + states * floats) * 4 // 32
    per_warp = min(32 * floats, H)
    assert found["loads"] == (2 * elements + states * floats) // per_warp
    assert found["stores"] == (elements + states * floats) // per_warp


def transpose(pitch: int) -> Counts:
    """A tile of 32 x 32 words through shared memory, rows in, columns out, by one warp, `pitch` words to a row."""
    body = f"""
    .shared .align 4 .b8 tile[{4 * 32 * pitch}];
    .reg .b32 %v; .reg .b32 %row; .reg .b32 %column; .reg .b64 %from; .reg .b64 %to; .reg .pred %more; .reg .b32 %k;
    ld.param.u64 %from, [k_in];
    mul.wide.u32 %at, %n, 4;
    add.s64 %from, %from, %at;
    mul.lo.u32 %row, %n, 4;
    mul.lo.u32 %column, %n, {4 * pitch};
    mov.u32 %k, tile;
    add.u32 %row, %row, %k;
    add.u32 %column, %column, %k;
    mov.u32 %k, 0;
IN: ld.global.u32 %v, [%from];
    st.shared.u32 [%row], %v;
    add.s64 %from, %from, 128;
    add.u32 %row, %row, {4 * pitch};
    add.u32 %k, %k, 1;
    setp.lt.u32 %more, %k, 32;
    @%more bra IN;
    bar.sync 0;
    ld.param.u64 %to, [k_out];
    add.s64 %to, %to, %at;
    mov.u32 %k, 0;
OUT: ld.shared.u32 %v, [%column];
    st.global.u32 [%to], %v;
    add.s64 %to, %to, 128;
    add.u32 %column, %column, 4;
    add.u32 %k, %k, 1;
    setp.lt.u32 %more, %k, 32;
    @%more bra OUT;
    """
    memory = Memory()
    tile = np.arange(1024, dtype=np.uint32).reshape(32, 32)
    memory.put("in", tile)
    memory.put("out", np.zeros((32, 32), np.uint32), writable=True)
    block = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    counts = simulate(read_module(kernel(body)).program("k"), (1, 1, 1), (32, 1, 1), block, memory)
    np.testing.assert_array_equal(memory.array("out"), tile.T)
    return counts


@pytest.mark.parametrize(("pitch", "reading"), [(32, 32 * 32), (33, 32)])
def test_a_transpose_conflicts_where_its_pitch_is_a_multiple_of_the_banks(pitch: int, reading: int) -> None:
    counts = transpose(pitch)
    by_text = {i.text.split()[0]: k for k, i in enumerate(counts.program.instructions)}
    assert counts["wavefronts"][by_text["st.shared.u32"]] == 32
    assert counts["wavefronts"][by_text["ld.shared.u32"]] == reading
    assert counts["wavefronts_ideal"][by_text["ld.shared.u32"]] == 32
    for name in ("ld.global.u32", "st.global.u32"):
        assert counts["requests"][by_text[name]] == 32 and counts["sectors"][by_text[name]] == 32 * 4
        assert counts["tags"][by_text[name]] == 32
    assert counts["executed"][by_text["ld.global.u32"]] == 32 and counts["divergent"].sum() == 0


@pytest.mark.parametrize(("variant", "conflicts"), [("blelloch", False), ("blelloch_unpadded", True)])
def test_padding_takes_the_conflicts_away(variant: str, conflicts: bool) -> None:
    _, steps = run(Case(f"scan/{variant}", Shape.of("float32", B=B, T=T, H=H)))
    wavefronts = sum(c.total("wavefronts") for c in steps if c)
    ideal = sum(c.total("wavefronts_ideal") for c in steps if c)
    assert ideal > 0 and (wavefronts > 1.5 * ideal if conflicts else wavefronts < 1.25 * ideal), (wavefronts, ideal)


@pytest.mark.parametrize(("partitions", "copies"), [(1, 1), (2, 1.5)])
def test_what_is_written_goes_back_when_it_must_make_way_and_the_rest_stays(partitions: int, copies: float) -> None:
    """Warp after warp reads 256 bytes and writes as many: at the end L2 holds as much of either. Where it has two
    partitions half of the lines are in both."""
    blocks, second = 8192, 256 << 10
    copy = kernel("ld.global.b64 %v, [%in]; st.global.b64 [%out], %v;", ".reg .b64 %v;")
    memory = Memory()
    memory.put("in", np.zeros(32 * blocks, np.uint64))
    memory.put("out", np.zeros(32 * blocks, np.uint64), writable=True)
    parameters = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    options = Options(
        resident=1, multiprocessors=2, first_cache_bytes=4096, second_cache_bytes=second,
        second_cache_partitions=partitions,
    )  # fmt: skip
    counts = simulate(read_module(copy).program("k"), (blocks, 1, 1), (32, 1, 1), parameters, memory, 0, options)
    cache, lines = counts.cache, second // 128
    assert cache["memory_reads"] == cache["memory_writes"] + cache["dirty"] == 8 * blocks
    assert cache["dirty"] / 4 == pytest.approx(lines / 2 / copies, rel=0.1 if partitions > 1 else 0)
    figures_ = {figure.name: figure for figure in figures(counts, Level.SASS)}
    assert figures_["dram__bytes_write.sum"].value == 32 * cache["memory_writes"]
    assert figures_[DIRTY].value == 32 * cache["dirty"] and figures_[DIRTY].standing is Standing.CACHE_MODEL
