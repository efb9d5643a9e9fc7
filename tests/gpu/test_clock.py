"""The GPU clock against independent ones: medians agree with Triton's do_bench and with NVIDIA's nvbench."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.subjects import SUBJECTS, bound
from workbench.declare import Call, Plan, Tensor


@pytest.fixture(scope="module")
def ours() -> dict[str, float]:
    """Seconds of an evaluation of each subject, by the workbench's clock."""
    from workbench.measure.clock_cuda import CudaClock

    medians = {}
    for name in SUBJECTS:
        subject = bound(name, sets=3)
        clock = CudaClock(subject, launches=1)
        clock.warm_up(0.2)
        medians[name] = statistics.median(clock.samples(1.0))
        assert clock.timer == "cuda_event" and clock.clock_hz() is not None
        subject.close()
    return medians


@pytest.mark.parametrize("name", SUBJECTS)
def test_it_takes_as_long_as_do_bench_says(ours: dict[str, float], name: str) -> None:
    testing = pytest.importorskip("triton.testing")
    subject = bound(name)
    theirs = testing.do_bench(subject.run, warmup=100, rep=500, return_mode="median") * 1e-3
    subject.close()
    assert ours[name] == pytest.approx(theirs, rel=0.02)


def test_it_takes_as_long_as_nvbench_says(ours: dict[str, float], tmp_path: Path) -> None:
    results = pytest.importorskip("cuda.bench.results")
    file = tmp_path / "times.json"
    command = [sys.executable, "-m", "tests.gpu.nvbench_times", "--json", str(file), "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (states,) = results.BenchmarkResult.from_json(file).values()
    theirs = {s.point["subject"]: s.summaries["nv/cold/time/gpu/median"].value for s in states}
    assert theirs == pytest.approx(ours, rel=0.02)


def test_a_plan_that_waits_for_the_host_is_timed_unheld() -> None:
    import numpy as np
    import torch

    from workbench.execute.load import load
    from workbench.measure.clock_cuda import CudaClock

    tensors = (Tensor("x", (1 << 20,), "float32"), Tensor("y", (1 << 20,), "float32", "output"))

    def double_and_wait(x: Any) -> Any:
        y = 2 * x
        torch.cuda.synchronize()
        return y

    plan = Plan((Call(double_and_wait, ("x",), ("y",)),))
    bound = load(plan, tensors, [{"x": np.ones(1 << 20, np.float32)}], "float32", "cuda")
    clock = CudaClock(bound, launches=1)
    clock.warm_up(0.05)
    assert clock.samples(0.01) and clock.timer == "cuda_event_unheld"
