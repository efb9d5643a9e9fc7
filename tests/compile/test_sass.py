"""Instruction classes and loops, read from what ptxas really makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compile.conftest import CompileText
from workbench.compile import cache, listing_of, listings_of, supported_archs
from workbench.compile.disassemble import disassemble, sass_path
from workbench.compile.sass import parse_listings
from workbench.compile.toolkit import run_tool
from workbench.problem import Problem

COPIES = """
extern "C" __global__ void copy128(const float4 *x, float4 *y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void copy64(const float2 *x, float2 *y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void copy32(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void copy16(const unsigned short *x, unsigned short *y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void copy8(const unsigned char *x, unsigned char *y) { y[threadIdx.x] = x[threadIdx.x]; }
"""

MIXED = """
extern "C" __global__ void shared_sum(const float *x, float *y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float s = tile[threadIdx.x ^ 33];
    s += __shfl_xor_sync(~0u, s, 1);
    if (__any_sync(~0u, s > 3.0f)) s = __expf(s);
    if (threadIdx.x == 0) atomicAdd(y, s);
}
extern "C" __global__ void async_copy(const float *x, float *y) {
    __shared__ float4 tile[128];
    unsigned to = (unsigned)__cvta_generic_to_shared(tile + threadIdx.x);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(x + 4 * threadIdx.x));
    asm volatile("cp.async.wait_all;");
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x ^ 1].x;
}
extern "C" __global__ void tensor(const unsigned *a, const unsigned *b, float *c) {
    float d[4] = {0, 0, 0, 0};
    const unsigned t = threadIdx.x;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};" : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[t]), "r"(a[t + 32]), "r"(a[t + 64]), "r"(a[t + 96]), "r"(b[t]), "r"(b[t + 32]));
    for (int i = 0; i < 4; ++i) c[4 * t + i] = d[i];
}
extern "C" __global__ void local_array(const int *at, float *y, int n) {
    float room[64];
    for (int i = 0; i < 64; ++i) room[i] = y[i];
    for (int i = 0; i < n; ++i) room[at[i]] += 1.0f;
    y[threadIdx.x] = room[at[threadIdx.x]];
}
"""

NESTED = """
extern "C" __global__ void nested(const float *x, float *y, int rows, int columns, float decay) {
    float s = 0;
    int i = 0;
#pragma unroll 1
    do {
        int j = 0;
#pragma unroll 1
        do {
            s = fmaf(s, decay, x[j]);
            s = fmaf(s, decay, 1.0f);
            s = fmaf(s, decay, 2.0f);
        } while (++j < columns);
        y[i] = s;
    } while (++i < rows);
}
extern "C" __global__ void straight(float *y) { y[threadIdx.x] = 1.0f; }
"""


@pytest.mark.parametrize("width", [128, 64, 32, 16, 8])
def test_loads_and_stores_are_counted_by_width(compile_text: CompileText, width: int) -> None:
    _, binary = compile_text(COPIES, name="copies")
    mix = listing_of(binary, f"copy{width}").mix()
    assert {k: v for k, v in mix.items() if k.startswith("global_")} == {
        f"global_load_{width}": 1,
        f"global_store_{width}": 1,
    }


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_120"])
def test_each_kind_of_instruction_is_found(compile_text: CompileText, arch: str) -> None:
    _, binary = compile_text(MIXED, arch=arch, name="mixed")
    mixes = {name: listing.mix() for name, listing in listings_of(binary).items()}
    summed = mixes["shared_sum"]
    for kind in ("global_load_32", "shared_store", "shared_load", "barrier", "shuffle", "vote", "mufu", "atomic"):
        assert summed.get(kind, 0) >= 1, kind
    assert mixes["async_copy"]["async_copy"] == 1
    assert "async_copy" not in summed
    assert mixes["tensor"]["hmma"] == 1 and "hmma" not in summed
    assert mixes["local_array"]["local_load"] >= 2 and mixes["local_array"]["local_store"] >= 16
    assert "local_load" not in summed
    for name, mix in mixes.items():
        assert mix["total"] == sum(count for kind, count in mix.items() if kind != "total"), name


@pytest.mark.parametrize("arch", ["sm_80", "sm_89", "sm_90", "sm_100", "sm_120"])
def test_the_inner_loop_is_the_body_of_the_innermost_backward_branch(compile_text: CompileText, arch: str) -> None:
    _, binary = compile_text(NESTED, arch=arch, name="nested")
    listing = listing_of(binary, "nested")
    loops = listing.loops()
    assert len(loops) == 2
    outer, inner = loops
    assert outer.first <= inner.first and inner.last <= outer.last
    found = listing.inner_loop()
    assert found == inner
    mix = inner.mix()
    assert mix["ffma"] == 3 and mix["global_load_32"] == 1
    assert "global_store_32" not in mix and outer.mix()["global_store_32"] == 1
    assert inner.body[-1].base == "BRA"


def test_straight_code_has_no_loop_and_no_padding(compile_text: CompileText) -> None:
    _, binary = compile_text(NESTED, name="nested")
    listing = listing_of(binary, "straight")
    assert listing.loops() == [] and listing.inner_loop() is None
    assert listing.instructions[-1].base == "EXIT"
    assert listing.code_bytes > 16 * len(listing.instructions)  # the padding is code that is fetched
    assert listing.code_bytes % 128 == 0


def test_the_text_of_a_kernel_is_its_own_alone(compile_text: CompileText) -> None:
    _, binary = compile_text(NESTED, name="nested")
    text = listing_of(binary, "nested").text
    assert text.count("FFMA") == 3 and "STG" in text and "EXIT" in text and text.count("EXIT") == 1


def test_a_kernel_that_is_not_there_names_the_nearest(compile_text: CompileText) -> None:
    _, binary = compile_text(NESTED, name="nested")
    with pytest.raises(Problem, match="unknown kernel nestd: did you mean nested"):
        listing_of(binary, "nestd")


def test_every_architecture_is_read(compile_text: CompileText) -> None:
    for arch in supported_archs():
        _, binary = compile_text(COPIES, arch=arch, name="copies")
        assert listing_of(binary, "copy128").mix()["global_load_128"] == 1, arch


def test_output_of_another_form_is_refused() -> None:
    with pytest.raises(Problem, match="holds no instructions"):
        parse_listings("something else\n")


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
def test_code_joined_for_nvdisasm_reads_as_each_cubin_alone_does(
    compile_text: CompileText, arch: str, session_folder: Path
) -> None:
    """Joined with others and cut apart again, every kernel has the instructions and branch targets that nvdisasm
    prints for its cubin alone."""
    cubins = [compile_text(text, arch=arch, name=name)[1] for text, name in ((NESTED, "nested"), (MIXED, "mixed"))]
    copies = [session_folder / f"joined-{arch}-{at}.cubin" for at in range(2)]
    for copy, binary in zip(copies, cubins, strict=True):
        copy.write_bytes(binary.path.read_bytes())
    disassemble(copies, arch)
    for copy in copies:
        alone = _as_nvdisasm_prints(run_tool("nvdisasm", "-c", "-ndf", str(copy)))
        joined = parse_listings(cache.read_text(sass_path(copy)) or "")
        assert set(joined) == set(alone)
        for name, listing in joined.items():
            own = [(i.address, i.opcode, i.target) for i in listing.instructions]
            assert own == alone[name][: len(own)] and len(own) > 5, name


def _as_nvdisasm_prints(text: str) -> dict[str, list[tuple[int, str, int | None]]]:
    """Kernel → (address, opcode, branch target) of each line of `nvdisasm -c`."""
    found: dict[str, list[tuple[int, str, int | None]]] = {}
    for section in re.split(r"^\.text\.", text, flags=re.M)[1:]:
        name, lines = section.partition(":")[0], section.splitlines()
        at = [(int(m[1], 16), m[2], m[3]) for m in map(re.compile(LINE).match, lines) if m]
        label_lines = [(n, m[1]) for n, line in enumerate(lines) if (m := re.match(r"(\.L_x_\d+):", line))]
        labels = {}
        for number, label in label_lines:
            following = next((m for line in lines[number:] if (m := re.match(LINE, line))), None)
            labels[label] = int(following[1], 16) if following else None
        found[name] = [(address, opcode, labels.get(to) if to else None) for address, opcode, to in at]
    return found


LINE = r"\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.&]*)(?:.*?`\((\.L_x_\d+)\))?.*;"
