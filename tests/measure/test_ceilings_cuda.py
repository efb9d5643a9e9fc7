"""What the ceilings' kernels do is what their rates count: executed from machine code, without a GPU."""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import workbench.measure
from workbench.compile import Binary, Unit, build_or_raise
from workbench.measure import ceilings_cuda
from workbench.measure.ceilings import BOUNDS
from workbench.model.floor import limits_of
from workbench.simulate.launch import Counts, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.sass.lower import load_kernel

ARCHS = ("sm_80", "sm_90")
SOURCE = Path(workbench.measure.__file__).with_name("ceilings.cu")
ROUNDS = 20


def binary(arch: str) -> Binary:
    unit = Unit(SOURCE, "float32", (), arch)
    return build_or_raise([unit], "does not compile", RuntimeError)[unit]


def run(arch: str, kernel: str, blocks: int, threads: int, *values: float) -> tuple[Counts, np.ndarray]:
    memory = Memory()
    memory.put("out", np.full(blocks * threads, np.nan, np.float32), writable=True)
    arguments = struct.pack(f"<Q{'f' * len(values)}i", memory.address("out") or 0, *values, ROUNDS)
    program = load_kernel(binary(arch).path, kernel).program
    counts = simulate(program, (blocks, 1, 1), (threads, 1, 1), arguments, memory)
    return counts, memory.array("out")


def executed(counts: Counts, opcode: str) -> int:
    """Thread instructions of an opcode."""
    texts = [instruction.text for instruction in counts.program.instructions]
    return sum(int(n) for text, n in zip(texts, counts["threads"], strict=True) if re.match(rf"{opcode}\b", text))


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("kernel", "opcode", "values"), [("multiply_adds", "FFMA", (0.999, 0.001)), ("exponentials", "MUFU.EX2", ())]
)
def test_a_rate_counts_the_instructions_that_are_executed(
    arch: str, kernel: str, opcode: str, values: tuple[float, ...]
) -> None:
    counts, out = run(arch, kernel, 2, ceilings_cuda.THREADS, *values)
    steps = 2 * ceilings_cuda.THREADS * ceilings_cuda.STEPS_PER_ROUND * ROUNDS
    assert executed(counts, opcode) == steps
    assert np.isfinite(out).all()
    on_other_pipes = counts.total("threads") - steps
    assert on_other_pipes < (0.1 if opcode == "FFMA" else 1.1) * steps


@pytest.mark.parametrize("arch", ARCHS)
def test_every_dependent_step_waits_for_the_last(arch: str) -> None:
    counts, out = run(arch, "dependent_steps", 1, 32, 0.999, 0.001)
    steps = ceilings_cuda.STEPS_PER_ROUND * ROUNDS
    assert executed(counts, "FFMA") == 32 * steps
    x = np.arange(32, dtype=np.float64)
    for _ in range(steps):
        x = 0.999 * x + 0.001
    assert out == pytest.approx(x, rel=1e-4)
    chain = [text for i in counts.program.instructions if (text := i.text).startswith("FFMA")]
    pairs = [(text.split()[1].rstrip(","), [word.rstrip(",") for word in text.split()[2:]]) for text in chain]
    assert all(before in sources for (before, _), (_, sources) in pairwise(pairs))


def test_what_is_measured_on_a_gpu_bounds_something() -> None:
    """A ceiling that no resource knows would be shown and bind nothing."""
    text = Path(ceilings_cuda.__file__).read_text()
    named = set(re.findall(r'"(\w+_per_s\w*|\w+_s)":', text))
    assert named >= {"fma_flops_per_s", "exp_per_s", "step_latency_s", "launch_s"}
    assert named - {name for name in named if name.startswith("matmul")} <= set(BOUNDS)
    limits = limits_of(
        {"fma_flops_per_s": 6e13, "exp_per_s": 4e12, "step_latency_s": 2e-9, "launch_s": 1e-6}, "bfloat16"
    )
    assert (limits.flops_per_s, limits.special_per_s, limits.step_latency_s, limits.launch_s) == (
        6e13,
        4e12,
        2e-9,
        1e-6,
    )


def test_a_delay_is_what_twice_as_much_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes before and after is in neither: 7 s of it here."""
    monkeypatch.setattr(ceilings_cuda, "_best", lambda action, repeats: 7.0 + action())
    assert ceilings_cuda._longer(lambda: 3.0, lambda: 6.0, 1) == pytest.approx(3.0)
