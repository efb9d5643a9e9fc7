"""A plan of every kind of step, over one memory."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.check.cuda_source import ARCH, KERNELS
from tests.kernels.covering import ORDERS
from tests.kernels.executed import SCHEDULES, libraries
from workbench.compile import units_of
from workbench.declare import I32, At, Call, Clear, Host, Kernel, Plan, Tensor
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan


def halves(z):
    return z / 2


def negate_in_place(z):
    z.neg_()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_kind_of_step(order, dtype):
    n, cu, cpp = 99, KERNELS / "steps.cu", KERNELS / "double.cpp"
    steps = (
        Clear("sum"),
        Kernel(cu, "add_to", (2, 1, 1), (64, 1, 1), ("x", "sum", n, I32(3), 0.5)),
        Kernel(cu, "add_to", (1, 1, 1), (64, 1, 1), (At("x", 9), At("sum", 90), 9, I32(1), 1.0)),
        Host(cpp, "host_double", ("sum", "twice", n)),
        Kernel(cu, "to_io", (2, 1, 1), (64, 1, 1), ("twice", "z", n)),
        Call(halves, ("z",), ("half",)),
        Call(negate_in_place, ("half",)),
    )
    plan = Plan(steps, scratch=(Tensor("sum", (n,), "float32", "scratch"), Tensor("twice", (n,), "float32", "scratch")))
    compiled = libraries(units_of(plan, dtype, [ARCH]))
    io = np.dtype(np.float32) if dtype == "float32" else np.dtype(ml_dtypes.bfloat16)
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    memory = Memory()
    memory.put("x", x)
    memory.empty(Tensor("z", (n,), dtype, "output"))
    memory.empty(Tensor("half", (n,), dtype, "output"))
    assert np.isnan(memory.array("z").astype(np.float32)).all()
    counted = run_plan(plan, dtype, memory, compiled, ARCH, SCHEDULES[order])
    assert not [finding for counts in counted if counts for finding in counts.findings]
    total = (np.float32(1.5) * x).astype(np.float32)
    total[90:] += x[9:18]
    np.testing.assert_allclose(memory.array("sum"), total, rtol=1e-6)
    expected = -((2 * memory.array("sum")).astype(io) / np.float32(2)).astype(io)
    np.testing.assert_array_equal(memory.array("half"), expected)


def test_absent_tensor_is_none_for_torch_and_no_array():
    seen = []
    memory = Memory()
    memory.put("h0", None)
    run_plan(Plan((Call(seen.append, ("h0",)),)), "float32", memory, {}, ARCH)
    with pytest.raises(KeyError, match="absent"):
        memory.array("h0")
    assert seen == [None]
