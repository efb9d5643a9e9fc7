"""Roles, tolerances and arguments mean the same wherever a plan is evaluated: on the CPU and simulated."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from workbench.catalog import Catalog, load_catalog
from workbench.check.case import InputSet, make_set
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.check.direct import DirectCheck
from workbench.check.examine import Examiner
from workbench.declare import Call, Plan, Shape, Tolerance
from workbench.declared import DeclarationError
from workbench.execute.load import load
from workbench.problem import Problem

OPERATION = """import numpy as np
from workbench.declare import Cost, Operation, Tensor

def tensors(s):
    N = s["N"]
    return (
        Tensor("ids", (N,), "int32"), Tensor("weight", (N,), "float32", "parameter"),
        Tensor("kept", (N,), "float32", "saved"), Tensor("sum", (N,), "float32", "in_place"),
        Tensor("odd", (N,), "float32", "output"),
    )

def make_inputs(s, regime, random):
    f = lambda: random.standard_normal(s["N"], dtype=np.float32)
    return {"ids": 2**24 + random.integers(1, 100, s["N"]), "weight": f(), "kept": f(), "sum": f()}

def reference(s, i):
    assert i["ids"].dtype.kind == "i"
    return {"sum": i["sum"] + i["weight"] * i["kept"], "odd": i["ids"] % 2}

OPERATION = Operation(
    name="probe", title="probe", equation="sum += w k", axes={"N": 8}, small={"N": 37}, tensors=tensors,
    make_inputs=make_inputs, reference=reference, least=lambda s: Cost(bytes=24 * s["N"]), baseline="host",
    tolerance={"float32": {"sum": 1e-6, "odd": 1e-7}}, dtypes=("float32",),
)
"""
BODY = """(
    const int *ids, const float *weight, const float *kept, float *sum, float *odd, const float *none, bool yes,
    signed char a, unsigned char b, short c, unsigned short d, int e, unsigned f, long long g, unsigned long long h,
    float x, double y, long long n)
{
    const bool right = !none && yes && a == -128 && b == 255 && c == -32768 && d == 65535 && e == -5
        && f == 4294967295u && g == -(1ll << 62) && h == 18446744073709551615ull && x == 0.5f && y == 0.1;
    for (long long i = 0; i < n; i++) {
        sum[i] += weight[i] * kept[i];
        odd[i] = right ? ids[i] % 2 : -1;
    }
}
"""
VARIANTS = """from pathlib import Path
from workbench.declare import F64, I8, I16, I32, U8, U16, U32, U64, Cost, Host, Kernel, Plan, Variant

HERE = Path(__file__).parent
ARGUMENTS = ("ids", "weight", "kept", "sum", "odd", None, True, I8(-128), U8(255), I16(-32768), U16(65535), I32(-5),
             U32(4294967295), -(1 << 62), U64(18446744073709551615), 0.5, F64(0.1))

def host(s, settings):
    return Plan((Host(HERE / "probe.cpp", "probe", (*ARGUMENTS, s["N"])),))

def kernel(s, settings):
    return Plan((Kernel(HERE / "probe.cu", "probe", (1, 1, 1), (1, 1, 1), (*ARGUMENTS, s["N"])),))

def cost(s, settings):
    return Cost(bytes=24 * s["N"])

VARIANTS = (Variant("host", "probe", ("cpu",), "", host, cost), Variant("kernel", "probe", ("cuda",), "", kernel, cost))
"""
SHAPE = Shape.of(N=37)
SETS = (InputSet("normal", 0), InputSet("normal", 1))


def kernels(tmp_path: Path, operation: str = OPERATION, variants: str = VARIANTS) -> Path:
    folder = tmp_path / "own" / "probe"
    folder.mkdir(parents=True)
    (folder / "operation.py").write_text(operation)
    (folder / "variants.py").write_text(variants)
    (folder / "probe.cpp").write_text('extern "C" void probe' + BODY)
    (folder / "probe.cu").write_text('extern "C" __global__ void probe' + BODY)
    return folder.parent


def plan_of(catalog: Catalog) -> Plan:
    return catalog.variant("probe/host").plan(SHAPE, {})


def test_every_role_and_every_argument_arrives_on_the_cpu(tmp_path: Path) -> None:
    found = DirectCheck(kernels(tmp_path), "probe/host", "cpu").check(SHAPE, {}, SETS)
    assert found.right, found.reason


@pytest.mark.parametrize("shape", [SHAPE, Shape.of(N=300)], ids=["small", "another"])
def test_every_role_and_every_argument_arrives_as_compiled(
    tmp_path: Path, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda _: None)
    found = Examiner(kernels(tmp_path), "probe/kernel", 0).check(shape, {}, SETS)
    assert found.right and found.comparison is not None and found.notes == (), found.reason


RETURNED = Plan(
    (Call(lambda s, w, k, ids: (s + w * k, (ids % 2).float()), ("sum", "weight", "kept", "ids"), ("sum", "odd")),)
)


@pytest.mark.parametrize("plan", [None, RETURNED], ids=["in its buffer", "returned"])
def test_what_is_worked_on_in_place_begins_anew_where_outputs_are_poisoned(tmp_path: Path, plan: Plan | None) -> None:
    catalog = load_catalog(kernels(tmp_path))
    operation = catalog.operation("probe")
    inputs, want = make_set(operation, SHAPE, SETS[0])
    bound = load(plan or plan_of(catalog), operation.tensors(SHAPE), [inputs], "float32", "cpu")
    try:
        for _ in range(3):
            bound.run()
        assert not compare_outputs(bound.outputs(), want, tolerances(operation, SHAPE)).right
        bound.poison()
        bound.run()
        assert compare_outputs(bound.outputs(), want, tolerances(operation, SHAPE)).right
    finally:
        bound.close()


def test_each_output_is_held_to_its_own_tolerance_and_the_worst_for_it_is_named() -> None:
    want = {"a": np.ones(4), "b": np.ones(4)}
    got = {"a": np.full(4, 1.01, np.float32), "b": np.full(4, 1.001, np.float32)}
    found = compare_outputs(got, want, {"a": Tolerance(0.1), "b": Tolerance(1e-4)})
    assert (found.where, found.bound, found.right) == ("b", 1e-4, False)


def test_a_denormal_that_bf16_cannot_hold_is_no_error_and_a_normal_number_off_by_as_much_is() -> None:
    """Of such outputs all digits are lost in rounding: 8.4e-44 becomes 0 in bfloat16."""
    scan = load_catalog().operation("scan")
    shape = Shape.of("bfloat16", B=1, T=1, H=1)
    allowed = tolerances(scan, shape)["h"]
    for value, right in ((8.40779e-44, True), (1e-30, False)):
        got = np.zeros((1, 1, 1), ml_dtypes.bfloat16)
        found: Comparison = compare_outputs({"h": got}, {"h": np.full((1, 1, 1), value)}, {"h": allowed})
        assert found.right is right, value


WRONG = [
    (VARIANTS, "I8(-128)", "I8(-129)", "passes I8(-129), which that type cannot hold: take a wider one"),
    (VARIANTS, "U32(4294967295)", "U32(-1)", "passes U32(-1), which that type cannot hold"),
    (VARIANTS, "I32(-5)", "I32(0.5)", "passes I32(0.5): write a number of that type"),
    (VARIANTS, "-(1 << 62)", "1 << 64", "passes int(18446744073709551616), which that type cannot hold"),
    (VARIANTS, "F64(0.1)", "b'1'", "passes an argument of type bytes: an argument is a tensor's name"),
]


@pytest.mark.parametrize(("text", "old", "new", "said"), WRONG)
def test_a_number_that_does_not_fit_is_a_line(tmp_path: Path, text: str, old: str, new: str, said: str) -> None:
    assert old in text
    catalog = load_catalog(kernels(tmp_path, variants=text.replace(old, new)))
    with pytest.raises(DeclarationError) as raised:
        plan_of(catalog)
    assert said in str(raised.value)


def test_a_wrong_declaration_of_tensors_and_tolerances_is_a_line(tmp_path: Path) -> None:
    def said(old: str, new: str, number: int) -> str:
        assert old in OPERATION
        root = kernels(tmp_path / str(number), OPERATION.replace(old, new))
        with pytest.raises(Problem) as raised:
            operation = load_catalog(root).operation("probe")
            make_set(operation, SHAPE, SETS[0])
        return str(raised.value)

    assert "declares odd, and tolerance['float32'] has no entry for it" in said(', "odd": 1e-7', "", 0)
    assert "write a dict by dtype" in said('"odd": 1e-7', '"odd": -1', 1)
    assert "gives ids of dtype float64, declared int32: give integers" in said("2**24 +", "0.5 +", 2)
    role = "role 'weights': a role is input, parameter, saved, in_place, output, scratch"
    assert role in said('"parameter"', '"weights"', 3)
