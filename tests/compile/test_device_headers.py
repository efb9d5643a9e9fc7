"""Device code that includes a host's headers out of habit compiles untouched."""

from __future__ import annotations

import pytest

from workbench.compile import toolkit
from workbench.compile.nvrtc import compile_cuda

HEADERS = sorted(path.name for path in toolkit.DEVICE_HEADERS.iterdir())
KERNEL = """
extern "C" __global__ void kernel(float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = BODY;
}
"""


def compiled(headers: list[str], body: str = "1.0f") -> str:
    includes = "".join(f"#include <{name}>\n" for name in headers)
    options = ["--gpu-architecture=compute_90", "--std=c++17"]
    include = [str(folder) for folder in toolkit.device_folders()]
    made = compile_cuda("kernel.cu", includes + KERNEL.replace("BODY", body), options, include, "ptx")
    return "" if made.code is not None else made.log


@pytest.mark.parametrize("header", HEADERS)
def test_each_header_compiles_by_itself(header: str) -> None:
    assert compiled([header]) == ""


def test_all_of_them_with_the_toolkits_own() -> None:
    body = "fminf(INFINITY, FLT_MAX) * (uint32_t)INT32_MAX + (float)M_PI + sizeof(uint64_t) + INT_MAX"
    assert compiled(["cuda_fp16.h", "cuda_bf16.h", "cooperative_groups.h", "cuda/std/cstdint", *HEADERS], body) == ""


@pytest.mark.parametrize("body", ["fminf(INFINITY, NAN)", "FLT_MAX", "INT_MAX", "float(uint(i))", "ushort(i) + M_PI"])
def test_what_nvcc_knows_without_an_include(body: str) -> None:
    assert compiled([], body) == ""


def test_a_name_that_nobody_knows_is_told_beside_one_that_nvcc_does() -> None:
    """The first compiler's message stands: nothing in it comes of what was tried after it."""
    log = compiled([], "INFINITY + NOT_KNOWN")
    assert 'identifier "NOT_KNOWN" is undefined' in log and 'identifier "INFINITY" is undefined' in log
