"""The GPU clock against an independent one: the median of a copy agrees with Triton's do_bench."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.declare import Call, Plan, Tensor

MEGABYTES = 256


def test_a_copy_takes_as_long_as_do_bench_says() -> None:
    testing = pytest.importorskip("triton.testing")
    import numpy as np
    import torch

    from workbench.execute.bind import bind_plan
    from workbench.measure.clock_cuda import CudaClock

    count = MEGABYTES << 18
    tensors = (Tensor("x", (count,), "float32"), Tensor("y", (count,), "float32", "output"))

    def copy(x: Any, y: Any) -> None:
        y.copy_(x)

    plan = Plan((Call(copy, ("x", "y")),))
    bound = bind_plan(plan, tensors, [{"x": np.ones(count, np.float32)}], "float32", "cuda")
    clock = CudaClock(bound, launches=1)
    clock.warm_up(0.2)
    ours = float(np.median(clock.samples(1.0)))
    x = torch.ones(count, device="cuda")
    y = torch.empty_like(x)
    theirs = testing.do_bench(lambda: y.copy_(x), warmup=100, rep=500, return_mode="median") * 1e-3
    assert clock.timer == "cuda_event" and ours == pytest.approx(theirs, rel=0.02)
    assert clock.clock_hz() is not None


def test_a_plan_that_waits_for_the_host_is_timed_unheld() -> None:
    import numpy as np
    import torch

    from workbench.execute.bind import bind_plan
    from workbench.measure.clock_cuda import CudaClock

    tensors = (Tensor("x", (1 << 20,), "float32"), Tensor("y", (1 << 20,), "float32", "output"))

    def double_and_wait(x: Any) -> Any:
        y = 2 * x
        torch.cuda.synchronize()
        return y

    plan = Plan((Call(double_and_wait, ("x",), ("y",)),))
    bound = bind_plan(plan, tensors, [{"x": np.ones(1 << 20, np.float32)}], "float32", "cuda")
    clock = CudaClock(bound, launches=1)
    clock.warm_up(0.05)
    assert clock.samples(0.01) and clock.timer == "cuda_event_unheld"
