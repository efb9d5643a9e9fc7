"""A small kernel folder of a user's own, right as it stands, in which tests put one thing wrong."""

from __future__ import annotations

from pathlib import Path

KERNEL = """extern "C" __global__ void kernel(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + 1.0f;
}
"""
OPERATION = """import numpy as np
from workbench.declare import Cost, Operation, Tensor


def tensors(s):
    return (Tensor("x", (s["N"],), "float32"), Tensor("y", (s["N"],), "float32", "output"))


def make_inputs(s, regime, random):
    return {"x": random.standard_normal(s["N"], dtype=np.float32)}


def reference(s, i):
    return {"y": i["x"] + 1}


OPERATION = Operation(
    name="probe", title="probe", equation="y = x + 1", axes={"N": 1024}, small={"N": 300}, tensors=tensors,
    make_inputs=make_inputs, reference=reference, least=lambda s: Cost(bytes=8 * s["N"]), baseline="right",
    tolerance={"float32": 2e-6}, dtypes=("float32",),
)
"""
STEP = """Kernel(SOURCE, "kernel", (ceil_div(N, 128), 1, 1), (128, 1, 1), ("x", "y", I32(N)))"""
VARIANTS = f"""from pathlib import Path
from workbench.declare import I32, Call, Clear, Cost, Kernel, Plan, Tensor, Variant, ceil_div

SOURCE = Path(__file__).parent / "kernel.cu"


def right(s, settings):
    return Plan((Call(lambda x: x + 1, ("x",), ("y",)),))


def plan(s, settings):
    N = s["N"]
    return Plan(({STEP},))


def cost(s, settings):
    return Cost(bytes=8 * s["N"], launches=1)


def own_cost(s, settings):
    return Cost(bytes=8 * s["N"], launches=1)


RIGHT = Variant("right", "probe", ("cpu",), "right", right, own_cost)
VARIANTS = (RIGHT, Variant("mine", "probe", ("cuda",), "mine", plan, cost))
"""
MINE = 'Variant("mine", "probe", ("cuda",), "mine", plan, cost)'


def folder(tmp_path: Path, old: str, new: str) -> Path:
    """A kernel folder in which one piece of text stands in another's place."""
    root = tmp_path / "kernels"
    (root / "probe").mkdir(parents=True)
    found = 0
    for name, text in (("kernel.cu", KERNEL), ("operation.py", OPERATION), ("variants.py", VARIANTS)):
        found += old in text
        (root / "probe" / name).write_text(text.replace(old, new))
    assert found or not old
    return root
