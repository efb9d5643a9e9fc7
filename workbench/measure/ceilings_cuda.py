"""What this GPU gives at most, measured in the same run: a large device copy, a triad, matrix products, multiply-adds,
exponentials; and how long one dependent step and one launch take at least."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

from workbench.measure.ceilings import Measured
from workbench.measure.device_kernels import launch_own, own_kernels
from workbench.measure.observer import around, observers_here

COPY_BYTES = 1 << 30
"""Each of the copy's two buffers: several times any L2."""
PRODUCT_SIZE = 8192
"""M = N = K of the matrix products: enough to fill the chip, short enough to repeat."""

THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 8
"""2,048 threads: as many as a multiprocessor holds (1,536 on some: their blocks go on as others end)."""
STEPS_PER_ROUND = 128
"""CHAINS x LENGTH of ceilings.cu."""
MULTIPLY_ADD_ROUNDS, EXPONENTIAL_ROUNDS, DEPENDENT_ROUNDS = 4096, 512, 8192
"""Some milliseconds of work each on a GPU of any size."""
LAUNCHES = 200


def measure_cuda_ceilings(repeats: int = 12) -> Measured:
    """The rates of `_rates`, and whether somebody else was on the GPU or held its clock back meanwhile."""
    rates, met = around(lambda: _rates(repeats), observers_here("cuda"))
    # The host only waits: what happens on its cores is no matter.
    reasons = tuple(word for word in met.disturbances() if "GPU" in word or "clock" in word)
    return Measured(rates, tuple(rates) if reasons else (), reasons)


def _rates(repeats: int) -> dict[str, float]:
    """`copy_bytes_per_s` and `triad_bytes_per_s` (bytes read plus written), `matmul_flops_per_s` (float32, TF32 off)
    and `matmul_flops_per_s_bfloat16` (random inputs: zeros would let the chip clock higher), and those of
    `_arithmetic` and `_delays`.

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
            seconds = _best(partial(torch.matmul, x, y, out=out), repeats)
            found[name] = 2 * PRODUCT_SIZE**3 / seconds
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.cuda.empty_cache()
    kernels = own_kernels("ceilings.cu", ("multiply_adds", "exponentials", "dependent_steps", "nothing"))
    return found | _arithmetic(kernels, repeats) | _delays(kernels, repeats)


def _arithmetic(kernels: dict[str, Any], repeats: int) -> dict[str, float]:
    """`fma_flops_per_s` (float32, two operations per multiply-add) and `exp_per_s` (ex2.approx, the instruction of the
    special function unit that exponential, sigmoid and tanh come down to)."""
    import torch

    blocks = (
        BLOCKS_PER_MULTIPROCESSOR * torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count
    )
    out = torch.empty(blocks * THREADS, device="cuda")
    steps = blocks * THREADS * STEPS_PER_ROUND

    def adds() -> None:
        launch_own(kernels["multiply_adds"], blocks, THREADS, *_chain(out, MULTIPLY_ADD_ROUNDS))

    def exponentials() -> None:
        launch_own(kernels["exponentials"], blocks, THREADS, out.data_ptr(), ctypes.c_int32(EXPONENTIAL_ROUNDS))

    return {
        "fma_flops_per_s": 2 * steps * MULTIPLY_ADD_ROUNDS / _best(adds, repeats),
        "exp_per_s": steps * EXPONENTIAL_ROUNDS / _best(exponentials, repeats),
    }


def _delays(kernels: dict[str, Any], repeats: int) -> dict[str, float]:
    """`step_latency_s`: a float32 multiply-add that waits for the last. `launch_s`: a kernel that does nothing, among
    others in a CUDA graph, where launches lie closest. Each is what twice as much takes longer: what comes before and
    after is in neither."""
    import torch

    out = torch.empty(32, device="cuda")

    def chain(rounds: int) -> Callable[[], None]:
        return lambda: launch_own(kernels["dependent_steps"], 1, 32, *_chain(out, rounds))

    def graph(launches: int) -> Callable[[], None]:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            for _ in range(launches):
                launch_own(kernels["nothing"], 1, 32)

        def replay() -> None:
            captured.replay()

        return replay

    steps = DEPENDENT_ROUNDS * STEPS_PER_ROUND
    return {
        "step_latency_s": _longer(chain(DEPENDENT_ROUNDS), chain(2 * DEPENDENT_ROUNDS), repeats) / steps,
        "launch_s": _longer(graph(LAUNCHES), graph(2 * LAUNCHES), repeats) / LAUNCHES,
    }


def _chain(out: Any, rounds: int) -> tuple[Any, ...]:
    return out.data_ptr(), ctypes.c_float(0.999), ctypes.c_float(0.001), ctypes.c_int32(rounds)


def _longer(once: Callable[[], None], twice: Callable[[], None], repeats: int) -> float:
    return _best(twice, repeats) - _best(once, repeats)


def _best(action: Callable[[], object], repeats: int) -> float:
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
