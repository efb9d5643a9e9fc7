"""Floats of eight bits, from PTX and from machine code, against ml_dtypes' tables: every code, every half, and floats
at and beside every boundary between two of them; products of matrices of them against numpy."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_dtypes import float8_e4m3fn, float8_e5m2

from workbench.compile.nvrtc import compile_cuda
from workbench.simulate.launch import simulate
from workbench.simulate.memory import Memory
from workbench.simulate.ptx import read_module
from workbench.simulate.sass.lower import load_kernel

FORMATS: dict[str, Any] = {"e4m3": float8_e4m3fn, "e5m2": float8_e5m2}
LARGEST = {"e4m3": 448.0, "e5m2": 57344.0}
ALL = np.arange(256, dtype=np.uint8)


def converting(name: str, type_: str, to: str, given: str, word: str) -> str:
    """A kernel that converts a value of `word` type per thread (two floats, two halves, two codes) to 32 bits."""
    register = {"float2": '"f"(v.x), "f"(v.y)', "unsigned": '"r"(v)', "unsigned short": '"h"(v)'}[word]
    sources = "%1, %2" if word == "float2" else "%1"
    made, letter = ("unsigned", "r") if to.endswith("f16x2") else ("unsigned short", "h")
    return f"""extern "C" __global__ void {name}(const {word} *in, unsigned *out) {{
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const {word} v = in[i];
        {made} made;
        asm("cvt.{to}.{given} %0, {sources};" : "={letter}"(made) : {register});
        out[i] = made;
    }}"""


PRODUCT = """extern "C" __global__ void {a}_{b}(const unsigned *a, const unsigned *b, float *c) {{
    const int i = threadIdx.x;
    float d[4] = {{c[4 * i], c[4 * i + 1], c[4 * i + 2], c[4 * i + 3]}};
    asm("mma.sync.aligned.m16n8k32.row.col.f32.{a}.{b}.f32 "
        "{{%0,%1,%2,%3}}, {{%4,%5,%6,%7}}, {{%8,%9}}, {{%0,%1,%2,%3}};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[4 * i]), "r"(a[4 * i + 1]), "r"(a[4 * i + 2]), "r"(a[4 * i + 3]), "r"(b[2 * i]), "r"(b[2 * i + 1]));
    for (int k = 0; k < 4; ++k) c[4 * i + k] = d[k];
}}
"""
MERGED = """extern "C" __global__ void merged(const float4 *in, unsigned *out) {
    const float4 v = in[threadIdx.x];
    unsigned short low, high;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(v.x), "f"(-v.y));
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(v.z), "f"(v.w));
    out[threadIdx.x] = low | (unsigned)high << 16;
}
"""
SOURCE = (
    "".join(
        text
        for t in FORMATS
        for text in (
            converting(f"{t}_floats", t, f"rn.satfinite.{t}x2", "f32", "float2"),
            converting(f"{t}_floats_relu", t, f"rn.satfinite.relu.{t}x2", "f32", "float2"),
            converting(f"{t}_halves", t, f"rn.satfinite.{t}x2", "f16x2", "unsigned"),
            converting(f"{t}_codes", t, "rn.f16x2", f"{t}x2", "unsigned short"),
            converting(f"{t}_codes_relu", t, "rn.relu.f16x2", f"{t}x2", "unsigned short"),
            *(PRODUCT.format(a=t, b=other) for other in FORMATS),
        )
    )
    + MERGED
)


@pytest.fixture(scope="module", params=["ptx", "sm_89", "sm_90"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A kernel by its name, as one of the two front ends reads it."""
    arch, form = (request.param, "cubin") if request.param != "ptx" else ("sm_89", "ptx")
    code = compile_cuda("eight.cu", SOURCE, [f"--gpu-architecture={arch}"], [], form).code  # type: ignore[arg-type]
    assert code is not None
    if form == "ptx":
        return read_module(code.decode().rstrip("\0")).program
    cubin: Path = tmp_path_factory.mktemp("eight") / "eight.cubin"
    cubin.write_bytes(code)
    return lambda name: load_kernel(cubin, name).program


def run(program: Any, *arrays: Any) -> Any:
    """What is in the last of the arrays afterwards; a thread per 32 bits of it where that is a multiple of a warp."""
    memory = Memory()
    for k, array in enumerate(arrays):
        memory.put(f"{k}", array, writable=k == len(arrays) - 1)
    parameters = struct.pack(f"<{len(arrays)}Q", *(memory.address(f"{k}") or 0 for k in range(len(arrays))))
    threads = 32 if len(arrays) == 3 else arrays[-1].size
    simulate(program, (threads // 32, 1, 1), (32, 1, 1), parameters, memory)
    return memory.array(f"{len(arrays) - 1}")


def converted(values: Any, t: str, relu: bool = False) -> Any:
    """The codes of values, saturated; those of what is no number are 0x7f."""
    values = np.maximum(values, 0) + 0.0 if relu else values
    with np.errstate(invalid="ignore"):
        codes = np.clip(values, -LARGEST[t], LARGEST[t]).astype(FORMATS[t]).view(np.uint8)
    return np.where(np.isnan(values), 0x7F, codes).astype(np.uint32)


def boundaries(t: str) -> Any:
    """Every value, the middle between each two, the floats beside both, what is too large or no number."""
    known = np.sort(ALL.view(FORMATS[t]).astype(np.float32))
    known = np.unique(known[np.isfinite(known)])
    middles = (known[1:] + known[:-1]) / 2
    edges = np.concatenate([known, middles, np.float32([464, 465, 61440, 61441, 1e30, np.inf, 1e-30, 0.0])])
    edges = np.concatenate([edges, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))])
    edges = np.concatenate([edges, -edges, np.float32([np.nan, -0.0])])
    return np.resize(edges, -(-edges.size // 64) * 64).astype(np.float32)


@pytest.mark.parametrize("t", FORMATS)
def test_floats_and_halves_become_the_nearest_codes(program: Callable[[str], Any], t: str) -> None:
    floats = boundaries(t).reshape(-1, 2)
    for name, relu in ((f"{t}_floats", False), (f"{t}_floats_relu", True)):
        made = run(program(name), floats, np.zeros(len(floats), np.uint32))
        want = converted(floats[:, 1], t, relu) | converted(floats[:, 0], t, relu) << 8
        np.testing.assert_array_equal(made, want)
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves = bits.view(np.float16).astype(np.float32).reshape(-1, 2)
    made = run(program(f"{t}_halves"), bits.view(np.uint32), np.zeros(len(halves), np.uint32))
    np.testing.assert_array_equal(made, converted(halves[:, 0], t) | converted(halves[:, 1], t) << 8)


@pytest.mark.parametrize("t", FORMATS)
def test_every_code_becomes_its_half(program: Callable[[str], Any], t: str) -> None:
    codes = np.stack([ALL, ALL[::-1]], axis=1)
    values = codes.view(FORMATS[t]).astype(np.float16)
    want = np.where(np.isnan(values), 0x7FFF, values.view(np.uint16)).astype(np.uint16)
    made = run(program(f"{t}_codes"), codes.view(np.uint16).reshape(-1), np.zeros(256, np.uint32))
    np.testing.assert_array_equal(made.view(np.uint16).reshape(-1, 2), want)
    made = run(program(f"{t}_codes_relu"), codes.view(np.uint16).reshape(-1), np.zeros(256, np.uint32))
    np.testing.assert_array_equal(made.view(np.uint16).reshape(-1, 2), np.where(want & 0x8000, 0, want))


def test_four_values_are_merged_into_a_word(program: Callable[[str], Any]) -> None:
    values = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
    codes = converted(values * np.float32([1, -1, 1, 1]), "e4m3")
    made = run(program("merged"), values, np.zeros(32, np.uint32))
    np.testing.assert_array_equal(made, codes[:, 1] | codes[:, 0] << 8 | codes[:, 3] << 16 | codes[:, 2] << 24)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_products_of_matrices(program: Callable[[str], Any], first: str, second: str) -> None:
    """m16n8k32: lane 4 g + t holds of A rows g and g + 8, of B column g, four values from 4 t and from 16 + 4 t on."""
    random = np.random.default_rng(1)
    a = random.standard_normal((16, 32)).astype(FORMATS[first])
    b = random.standard_normal((32, 8)).astype(FORMATS[second])
    c = random.standard_normal((16, 8)).astype(np.float32)
    lanes = [(lane // 4, lane % 4) for lane in range(32)]
    a_words = np.stack([[a[g + 8 * (r % 2), 4 * t + 16 * (r // 2) :][:4] for r in range(4)] for g, t in lanes])
    b_words = np.stack([[b[4 * t + 16 * r :, g][:4] for r in range(2)] for g, t in lanes])
    places = [[(g + 8 * (n // 2), 2 * t + n % 2) for n in range(4)] for g, t in lanes]
    c_words = np.float32([[c[place] for place in own] for own in places])
    made = run(program(f"{first}_{second}"), a_words.view(np.uint32), b_words.view(np.uint32), c_words.copy())
    want = a.astype(np.float64) @ b.astype(np.float64) + c
    np.testing.assert_allclose(made, [[want[place] for place in own] for own in places], rtol=1e-6, atol=1e-6)
