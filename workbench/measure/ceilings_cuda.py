"""What this GPU gives at most, measured in the same run: a large device copy, a triad, matrix products."""

from __future__ import annotations

from typing import Any

from workbench.measure.ceilings import Measured
from workbench.measure.observer import around, observers_here

COPY_BYTES = 1 << 30
"""Each of the copy's two buffers: several times any L2."""
PRODUCT_SIZE = 8192
"""M = N = K of the matrix products: enough to fill the chip, short enough to repeat."""


def measure_cuda_ceilings(repeats: int = 12) -> Measured:
    """The rates of `_rates`, and whether somebody else was on the GPU or held its clock back meanwhile."""
    rates, met = around(lambda: _rates(repeats), observers_here("cuda"))
    # The host only waits: what happens on its cores is no matter.
    reasons = tuple(word for word in met.disturbances() if "GPU" in word or "clock" in word)
    return Measured(rates, tuple(rates) if reasons else (), reasons)


def _rates(repeats: int) -> dict[str, float]:
    """`copy_bytes_per_s` and `triad_bytes_per_s` (bytes read plus written), `matmul_flops_per_s` (float32, TF32 off)
    and `matmul_flops_per_s_bfloat16` (random inputs: zeros would let the chip clock higher).

    The shortest of `repeats` single times: a ceiling is what the machine can do, not what it does on average.
    """
    import torch

    free = int(torch.cuda.mem_get_info()[0])
    count = min(COPY_BYTES, free // 8) // 4
    a = torch.randn(count, device="cuda")
    b = torch.empty_like(a)
    c = torch.randn(count, device="cuda")
    found = {
        "copy_bytes_per_s": 2 * 4 * count / _best(lambda: b.copy_(a), repeats),
        "triad_bytes_per_s": 3 * 4 * count / _best(lambda: torch.add(a, c, alpha=3.0, out=b), repeats),
    }
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        for name, dtype in (("matmul_flops_per_s", torch.float32), ("matmul_flops_per_s_bfloat16", torch.bfloat16)):
            x = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device="cuda", dtype=dtype)
            y = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device="cuda", dtype=dtype)
            out = torch.empty_like(x)
            seconds = _best(lambda x=x, y=y, out=out: torch.matmul(x, y, out=out), repeats)
            found[name] = 2 * PRODUCT_SIZE**3 / seconds
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.cuda.empty_cache()
    return found


def _best(action: Any, repeats: int) -> float:
    """The least time of an action in seconds, by events, after two runs of warm-up."""
    import torch

    times = []
    for turn in range(repeats + 2):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        action()
        end.record()
        torch.cuda.synchronize()
        if turn >= 2:
            times.append(begin.elapsed_time(end) * 1e-3)
    return float(min(times))
