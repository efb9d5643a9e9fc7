"""Steps as an open protocol: loops, what is compiled and counted of them, and a kind that nobody knew."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workbench.catalog import BUILTIN
from workbench.check.examine import ARCH, simulated_binaries
from workbench.check.simulated import Request, SimulatedVariant
from workbench.compile import HOST, units_of
from workbench.declare import (
    F64,
    U8,
    At,
    Call,
    Clear,
    Concurrent,
    Host,
    Kernel,
    Plan,
    Repeat,
    Shape,
    Step,
    Struct,
    Tensor,
    Turn,
)
from workbench.dispatch.run import TensorPlace
from workbench.execute.load import load
from workbench.host_steps import bound_steps
from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import Kind, Place, kind_of, launches_of, leaves_of, unrolled
from workbench.steps import kind as registry
from workbench.steps.arguments import names_in

ROOT = Path(__file__).parents[1]
SIZE, TURNS = 8, 5
TENSORS = (
    Tensor("x", (SIZE,), "float32"),
    Tensor("y", (TURNS, SIZE), "float32", "output"),
    Tensor("turn", (TURNS,), "int64", "output"),
)
CPP = """
extern "C" void row(const float *x, float *y, long long *turn, long long t, long long n) {
    for (long long i = 0; i < n; i++) y[i] = x[i] * (float)t;
    *turn = t;
}
"""
ONES = np.ones(SIZE, np.float32)
CUDA = 'extern "C" __global__ ' + CPP.removeprefix('\nextern "C" ')


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "row.cpp").write_text(CPP)
    (tmp_path / "row.cu").write_text(CUDA)
    return tmp_path


def looped(folder: Path, kind: str, rows: int = TURNS) -> Plan:
    arguments = ("x", At("y", 0, per_turn=SIZE), At("turn", 0, per_turn=1), Turn(10, 3), SIZE)
    step: Step = Host(folder / "row.cpp", "row", arguments)
    if kind == "cuda":
        step = Kernel(folder / "row.cu", "row", (1, 1, 1), (1, 1, 1), arguments)
    return Plan((Clear("y"), Repeat((step,), rows)))


def assert_turned(x: Any, found: Any) -> None:
    turns = 10 + 3 * np.arange(TURNS)
    assert np.array_equal(found["turn"], turns)
    assert np.array_equal(found["y"], turns[:, None].astype(np.float32) * x)


def test_addresses_and_numbers_move_on_with_each_turn(source: Path) -> None:
    x = np.arange(1, SIZE + 1, dtype=np.float32)
    bound = load(looped(source, "host"), TENSORS, [{"x": x}], "float32", "cpu")
    for _ in range(2):  # the second evaluation begins at the first turn again
        bound.poison()
        bound.run()
        assert_turned(x, bound.outputs())
    bound.close()


@pytest.mark.parametrize("kind", ["host", "cuda"])
def test_they_do_in_the_simulator_too(source: Path, kind: str) -> None:
    x, plan, memory = np.arange(1, SIZE + 1, dtype=np.float32), looped(source, kind), Memory()
    memory.put("x", x)
    for tensor in TENSORS[1:]:
        memory.empty(tensor)
    run_plan(plan, "float32", memory, simulated_binaries(plan, "float32"), ARCH)
    assert_turned(x, {name: memory.array(name) for name in ("y", "turn")})


def test_a_loop_is_what_its_steps_are_one_by_one(source: Path) -> None:
    plan = looped(source, "cuda")
    steps = list(unrolled(plan.steps))
    assert launches_of(plan) == len(steps) == 1 + TURNS
    assert steps[-1] == Kernel(source / "row.cu", "row", (1, 1, 1), (1, 1, 1), ("x", At("y", 32), At("turn", 4), 22, 8))
    assert list(unrolled(steps)) == steps and len(list(leaves_of(plan.steps))) == 2


def test_what_a_loop_does_is_compiled_once(source: Path) -> None:
    (unit,) = units_of(looped(source, "cuda", 524_288), "float32", [ARCH])
    assert (unit.source, unit.arch) == (source / "row.cu", ARCH)
    (unit,) = units_of(looped(source, "host"), "float32", [ARCH])
    assert (unit.source, unit.arch) == (source / "row.cpp", HOST)


def test_a_functions_output_that_the_next_turn_takes_by_address_is_copied_to_its_buffer(source: Path) -> None:
    """The step before a kernel in its text comes after it in the next turn."""
    row = Host(source / "row.cpp", "row", (At("y", 0), At("y", SIZE), At("turn", 0, 1), Turn(2, 0), SIZE))
    plan = Plan((Clear("y"), Repeat((row, Call(lambda y: y + 1, ("y",), ("y",))), 3)))
    bound = load(plan, TENSORS, [{"x": np.zeros(SIZE, np.float32)}], "float32", "cpu")
    bound.poison()
    bound.run()
    assert np.array_equal(bound.outputs()["y"][0], np.full(SIZE, 3.0))
    assert np.array_equal(bound.outputs()["y"][1], np.full(SIZE, 5.0)), "twice the 2 that two turns have left, plus 1"


def test_a_loop_runs_over_whatever_tensors_are_handed_over(source: Path) -> None:
    place = TensorPlace("float32", {"x": 4, "y": 4, "turn": 8}, "cpu")
    steps = list(bound_steps(looped(source, "host"), place))
    for factor in (1.0, 2.0):
        x, y = torch.full((SIZE,), factor), torch.full((TURNS, SIZE), torch.nan)
        place.tensors = {"x": x, "y": y, "turn": torch.zeros(TURNS, dtype=torch.int64)}
        for step in steps:
            step()
        assert torch.equal(y, (10.0 + 3 * torch.arange(TURNS))[:, None] * x)


STRUCT = """
struct Inner { const float *x; unsigned char times; double scale; };
struct Outer { long long turn; Inner inner; bool negative; };
extern "C" void row(Outer outer, float *y, long long n) {
    const Inner &in = outer.inner;
    for (long long i = 0; i < n; i++) y[i] = (outer.negative ? -1 : 1) * in.x[i] * in.times * in.scale + outer.turn;
    #ifdef __FAST_MATH__
    y[0] = -1;
    #endif
}
"""


def test_a_structure_is_laid_out_as_c_does_and_moves_on_with_each_turn(tmp_path: Path) -> None:
    (tmp_path / "row.cpp").write_text(STRUCT)
    outer = Struct((Turn(100, 10), Struct(("x", U8(3), F64(0.25))), True))
    row = Host(tmp_path / "row.cpp", "row", (outer, At("y", 0, per_turn=SIZE), SIZE))
    x = np.arange(SIZE, dtype=np.float32)
    want = 100 + 10 * np.arange(TURNS)[:, None] - 0.75 * x
    for step in (row, replace(row, options=("-ffast-math",))):
        bound = load(Plan((Repeat((step,), TURNS), Clear("turn"))), TENSORS, [{"x": x}], "float32", "cpu")
        bound.run()
        found = bound.outputs()["y"]
        bound.close()
        assert np.array_equal(found[:, 1:], want[:, 1:])
        assert np.array_equal(found[:, 0], want[:, 0] if step is row else np.full(TURNS, -1.0)), "its own options"
        assert np.float32(1e-38) * np.float32(0.1) > 0, "opening it leaves this process's arithmetic as it was"
    assert list(names_in("row", (outer,))) == ["x"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arguments": (Struct(()),)}, "passes row a Struct without members"),
        ({"arguments": (Struct((1.5, U8(300))),)}, "U8"),
        ({"options": "-O1"}, "gives row the options '-O1': write texts, such as"),
        ({"options": ("-arch=sm_80",)}, "the architecture is chosen by whoever compiles"),
        ({"constants": (("w", [1.0]),)}, r'write pairs, such as \(\("weights", array.tobytes\(\)\),\)'),
        ({"constants": (("w", b"1"), ("w", b"2"))}, "gives row a constant twice"),
    ],
)
def test_what_is_declared_wrong_is_said_with_the_word_to_change(
    source: Path, changed: dict[str, Any], words: str
) -> None:
    step = replace(Kernel(source / "row.cu", "row", (1, 1, 1), (1, 1, 1), ("x",)), **changed)
    with pytest.raises((TypeError, ValueError), match=words):
        list(kind_of(step).names(step))
        kind_of(step).check(step)


def test_a_loop_is_simulated_and_what_it_launches_is_counted_as_often_as_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    shape = Shape.of("float32", B=1, T=4, D=3, H=5, O=2)
    simulated = SimulatedVariant(BUILTIN, "layer/per_step_fused", 0)
    found = simulated.run(Request(shape, {"block": 64}, "sm_90", "h100", ("sass", "ptx")))
    for run in found["runs"]:
        assert run["status"] == "ok", run
        assert [kernel["launches"] for kernel in run["kernels"]] == [4, 4]
        assert [kernel["grid"] for kernel in run["kernels"]] == [(3, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("turn", [Turn(0.5), Turn(0, 1 << 63)])  # type: ignore[arg-type]
def test_a_counter_that_is_no_64_bit_number_is_a_line(turn: Turn) -> None:
    with pytest.raises(TypeError, match="write two whole numbers of 64 bits"):
        list(names_in("row", (turn,)))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Repeat((), 3), "write a tuple, as in Repeat"),
        (Repeat((Clear("y"),), 0), "count 0: write a whole number from 1"),
        (Repeat((Repeat((Clear("y"),), 2),), 2), "a Repeat in a Repeat"),
        (Repeat((7,), 2), "has the step 7: a step is a Call, Clear,"),  # type: ignore[arg-type]
    ],
)
def test_a_loop_that_is_none_is_a_line(step: Repeat, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        list(kind_of(step).names(step))


def meeting(number: int, together: threading.Barrier) -> Call:
    """A call that waits until as many others are being done as the barrier is for."""

    def meet(y: Any) -> None:
        together.wait(timeout=20)
        y[number] = number

    return Call(meet, ("y",))


def test_branches_are_done_at_the_same_time_on_a_cpu() -> None:
    """All of what stands before them is there, and all of them are done for what stands after."""
    first, both = threading.Barrier(2), threading.Barrier(2)
    branches = ((meeting(0, first), meeting(1, both)), (meeting(2, first), meeting(3, both)))

    def double(y: Any) -> None:
        y.mul_(2)

    after = Call(double, ("y",))
    bound = load(Plan((Clear("y"), Concurrent(branches), after)), TENSORS, [{"x": ONES}], "float32", "cpu")
    bound.run()
    assert bound.outputs()["y"][:, 0].tolist() == [0, 2, 4, 6, 0]
    bound.close()
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == torch.get_num_threads()


def test_what_a_branch_raises_is_raised_when_all_are_done() -> None:
    def fails(y: Any) -> None:
        raise ValueError("no such row")

    def works(y: Any) -> None:
        y[1] = 7

    branches = Concurrent(((Call(fails, ("y",)),), (Call(works, ("y",)),)))
    bound = load(Plan((branches,)), TENSORS, [{"x": ONES}], "float32", "cpu")
    with pytest.raises(ValueError, match="no such row"):
        bound.run()
    assert bound.outputs()["y"][1].tolist() == [7] * SIZE
    bound.close()


def test_branches_are_counted_and_simulated_one_after_the_other(source: Path) -> None:
    plan = looped(source, "cuda")
    loop = plan.steps[1]
    rows = unrolled((loop,))
    branches = replace(plan, steps=(plan.steps[0], Concurrent(tuple((row,) for row in rows))))
    assert launches_of(branches) == launches_of(plan) == 1 + TURNS
    memory = Memory()
    memory.fill(TENSORS, {"x": ONES})
    run_plan(branches, "float32", memory, simulated_binaries(branches, "float32"), ARCH)
    assert_turned(ONES, {name: memory.array(name) for name in ("y", "turn")})


def test_a_branch_that_waits_for_another_is_wrong_in_some_schedule() -> None:
    def first(y: Any) -> None:
        y[:] = 3

    def second(y: Any) -> None:
        y[:] += 4

    plan = Plan((Clear("y"), Concurrent(((Call(first, ("y",)),), (Call(second, ("y",)),)))))
    found = []
    for seed in (0, 1):
        memory = Memory()
        memory.fill(TENSORS, {"x": ONES})
        run_plan(plan, "float32", memory, {}, ARCH, Options(seed=seed))
        found.append(memory.array("y")[0].tolist())
    assert found == [[7] * SIZE, [3] * SIZE]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Concurrent(()), "write a tuple of tuples of steps"),
        (Concurrent((Clear("y"),)), "write a tuple of tuples of steps"),  # type: ignore[arg-type]
        (Concurrent(((Repeat((Clear("y"),), 2),),)), "a Repeat in a Concurrent: write its steps"),
        (Repeat((Concurrent(((Clear("y"),),)),), 2), "a Concurrent in a Repeat: write one"),
    ],
)
def test_branches_that_are_none_are_a_line(step: Step, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        list(kind_of(step).names(step))


@dataclass(frozen=True)
class Double:
    tensor: str


class DoubleKind(Kind[Double]):
    step = Double

    def names(self, step: Double) -> Iterable[str]:
        return (step.tensor,)

    def check(self, step: Double) -> None:
        """Nothing can be wrong with it."""

    def bind(self, step: Double, place: Place) -> Callable[[], Any]:
        def double(x: Any) -> None:
            x.mul_(2)

        return place.python(double, (step.tensor,), ())


def test_a_kind_is_one_class_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that no room has heard of is loaded, run, counted and looped wherever it can run."""
    monkeypatch.setattr(registry, "_kinds", lambda: {**KNOWN, Double: DoubleKind()})
    copy = Call(lambda x: x.clone(), ("x",), ("z",))
    tensors = (TENSORS[0], Tensor("z", (SIZE,), "float32", "output"))
    plan = Plan((copy, Repeat((Double("z"),), 3)))  # type: ignore[arg-type]
    assert launches_of(plan) == 4
    bound = load(plan, tensors, [{"x": np.ones(SIZE, np.float32)}], "float32", "cpu")
    bound.poison()
    bound.run()
    assert np.array_equal(bound.outputs()["z"], np.full(SIZE, 8.0))
    bound.close()
    memory = Memory()
    memory.put("x", np.ones(SIZE, np.float32))
    memory.empty(tensors[1])
    run_plan(plan, "float32", memory, {}, ARCH)
    assert np.array_equal(memory.array("z"), np.full(SIZE, 8.0))


KNOWN = registry._kinds()
CLASSES = {kind.__name__ for kind in KNOWN}


def test_nobody_asks_what_kind_a_step_is() -> None:
    """No isinstance over the classes of steps, outside of the modules that say what each kind is."""
    found = []
    for file in sorted((ROOT / "workbench").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                names = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                if names & CLASSES:
                    found.append(f"{file.relative_to(ROOT)}:{node.lineno}: isinstance of {', '.join(names & CLASSES)}")
    assert not found, "\n".join(found)
