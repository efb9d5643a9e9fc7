"""wmma, whose fragments' layout is the simulator's own: products against numpy, and from the machine code alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from workbench.compile import toolkit, unit_of
from workbench.compile.nvrtc import compile_cuda
from workbench.declare import Kernel, Plan
from workbench.simulate.launch import Checks, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

SOURCE = """
#include <mma.h>
#include <cuda_bf16.h>
using namespace nvcuda::wmma;
extern "C" __global__ void product(const T *a, const T *b, const S *c, S *d) {
    __shared__ __align__(32) T staged[16 * 24];
    for (int k = threadIdx.x; k < 16 * 24; k += 32) staged[k] = a[k];
    __syncwarp();
    fragment<matrix_a, 16, 16, 16, T, A_LAYOUT> x;
    fragment<matrix_b, 16, 16, 16, T, B_LAYOUT> y;
    fragment<accumulator, 16, 16, 16, S> sum;
    load_matrix_sync(x, staged, 24);
    load_matrix_sync(y, b, 16);
    load_matrix_sync(sum, c, 16, mem_C_LAYOUT);
    for (int k = 0; k < sum.num_elements; ++k) sum.x[k] = sum.x[k] + sum.x[k];
    mma_sync(sum, x, y, sum);
    store_matrix_sync(d, sum, 16, mem_C_LAYOUT);
}
"""


@pytest.mark.parametrize("layouts", ["row row row", "row col row", "row col col", "col row row", "col col col"])
@pytest.mark.parametrize(("kind", "sums"), [("half", "float"), ("half", "half"), ("__nv_bfloat16", "float")])
def test_a_product_of_fragments(kind: str, sums: str, layouts: str, tmp_path: Path) -> None:
    at, bt, ct = layouts.split()
    text = (
        SOURCE.replace("A_LAYOUT", f"{at}_major").replace("B_LAYOUT", f"{bt}_major").replace("C_LAYOUT", f"{ct}_major")
    )
    options = ["--std=c++17", f"--define-macro=T={kind}", f"--define-macro=S={sums}"]
    include = [str(folder) for folder in toolkit.device_folders()]
    made = compile_cuda("product.cu", text, ["--gpu-architecture=sm_90", *options], include, "cubin")
    assert made.code is not None, made.log
    dtype, sum_dtype = (np.float16 if kind == "half" else bfloat16), (np.float32 if sums == "float" else np.float16)
    random = np.random.default_rng(len(layouts))
    # Small integers: every order of summing gives them.
    a = random.integers(-3, 4, (16, 24)).astype(dtype)
    b = random.integers(-3, 4, (16, 16)).astype(dtype)
    c = random.integers(-9, 9, (16, 16)).astype(sum_dtype)
    left = (a[:, :16] if at == "row" else a.reshape(-1)[: 24 * 16].reshape(16, 24)[:, :16].T).astype(np.float64)
    right = b.astype(np.float64) if bt == "row" else b.T.astype(np.float64)
    plus = 2 * (c if ct == "row" else c.T).astype(np.float64)
    want = left @ right + plus
    files = [("ptx", made.ptx)]
    # Where halves have to be turned, machine code has MOVM, which is refused.
    if (at, bt) == ("row", "col") and (ct == "row" or sums == "float"):
        files.append(("cubin", made.code))
    for suffix, code in files:
        path = tmp_path / f"{kind}{sums}{layouts}.{suffix}".replace(" ", "_")
        path.write_bytes(code)
        memory = Memory()
        for name, array in (("a", a), ("b", b), ("c", c)):
            memory.put(name, array.view(np.uint16) if dtype is bfloat16 and name != "c" else array)
        memory.put("d", np.zeros((16, 16), sum_dtype), writable=True)
        kernel = Kernel(path, "product", (1, 1, 1), (32, 1, 1), ("a", "b", "c", "d"))
        (counts,) = run_plan(
            Plan((kernel,)), "float32", memory, {unit_of(kernel, "float32", "sm_90"): path}, "sm_90",
            Options(checks=Checks.ALL) if suffix == "ptx" else Options(),  # ptxas leaves warp barriers out
        )  # fmt: skip
        assert counts is not None and not counts.findings
        d = np.asarray(memory.array("d")).reshape(16, 16)
        np.testing.assert_array_equal((d if ct == "row" else d.T).astype(np.float64), want, err_msg=suffix)
