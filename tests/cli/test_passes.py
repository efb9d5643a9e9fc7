"""An operation with a forward and a backward pass goes through list, build, check, sweep and the ladder as one."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.own_folder import OPERATION, folder
from workbench.catalog import load_catalog
from workbench.check.case import InputSet, make_set
from workbench.declare import Shape
from workbench.problem import Problem

SILU = Path(__file__).parents[2] / "examples" / "silu"
BOTH = [("forward", "eager"), ("forward", "kernel"), ("backward", "eager"), ("backward", "kernel")]


def test_list_shows_both_passes_and_pass_chooses_one(workbench: Run) -> None:
    rows = json.loads(workbench("list", "--kernels", str(SILU), "--json").stdout)
    assert [(r["pass"], r["variant"]) for r in rows] == BOTH
    table = workbench("list", "--kernels", str(SILU), "--pass", "backward").stdout
    assert "silu/backward" in table and "silu: " not in table


def test_check_holds_each_pass_to_its_own_reference_and_tolerance(workbench: Run) -> None:
    done = workbench("check", "--kernels", str(SILU), "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(r["pass"], r["variant"]) for r in rows] == BOTH
    assert {(r["pass"], r["bound"], r["worst_at"].split()[0]) for r in rows} == {
        ("forward", 1e-6, "y"), ("backward", 2e-6, "gx")
    }  # fmt: skip
    only = json.loads(workbench("check", "silu/forward", "--kernels", str(SILU), "--json").stdout)
    assert {r["pass"] for r in only} == {"forward"}


def test_sweep_records_both_with_keys_of_their_own_and_a_ladder_each(workbench: Run, tmp_path: Path) -> None:
    done = workbench("sweep", "--kernels", str(SILU), "--N", "4096", "--device", "cpu", "--preset", "small", "--json")
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    assert len({r["key"] for r in records}) == 4
    assert all(f".{r['pass']}." in r["key"] and r["status"] == "ok" for r in records)
    timed = [r for r in records if r["backend"] == "cpu"]
    assert [r["speedup_over_baseline"] for r in timed] == [1.0, 1.0]  # each against its own pass's baseline
    assert [r["least"]["bytes"] for r in timed] == [8 * 4096, 12 * 4096]
    (run,) = (tmp_path / "profiles").iterdir()
    table = workbench("sweep", "--resume", run.name).stdout
    assert "silu  N=4096" in table and "silu/backward  N=4096" in table


def test_an_unknown_pass_is_a_line(workbench: Run) -> None:
    for command in ("check", "sweep", "list"):
        done = workbench(command, "--kernels", str(SILU), "--pass", "backwards")
        assert done.returncode != 0 and "unknown pass backwards: did you mean backward?" in done.stderr.replace("'", "")


def test_the_backward_reference_is_autograd_of_the_forward() -> None:
    torch = pytest.importorskip("torch")
    operation = load_catalog(SILU).operation("silu/backward")
    inputs, want = make_set(operation, Shape.of(N=1001), InputSet("saturated", 0))
    x = torch.tensor(inputs["x"], dtype=torch.float64, requires_grad=True)
    (gx,) = torch.autograd.grad(torch.nn.functional.silu(x), x, torch.tensor(inputs["gy"], dtype=torch.float64))
    np.testing.assert_allclose(want["gx"], gx.numpy(), rtol=1e-12, atol=1e-15)


PASS = """Pass("backward", "gx = gy", tensors, make_inputs, reference, lambda s: Cost(bytes=1), "right")"""
WRONG = [
    ('passes="backward"', "operation.py:17: operation probe: passes is 'backward': write a tuple with a comma behind it"),
    (f"passes=({PASS})", "write a tuple with a comma behind it"),
    (f"passes=({PASS}, {PASS})", "passes declares backward twice: give each a name of its own"),
    (f"passes=({PASS.replace('backward', 'forward')},)", "passes declares forward again: forward is the operation itself"),
    (f"passes=({PASS.replace('backward', 'back ward')},)", "the name 'back ward': write a word in a-z"),
    (f"passes=({PASS},)", "pass backward: baseline right is not among its variants: it has none"),
    (f"passes=({PASS.replace('reference', '3')},)", "operation probe, pass backward: reference is 3: write a function's name"),
    ('pass_="backward"', "operation probe gives pass_: write passes=(Pass('backward', ...),)"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_a_wrong_pass_is_a_line_that_names_the_file(tmp_path: Path, words: str, said: str) -> None:
    assert "import Cost, Operation," in OPERATION
    root = folder(tmp_path, 'dtypes=("float32",),\n', f'dtypes=("float32",), {words},\n')
    file = root / "probe" / "operation.py"
    file.write_text(file.read_text().replace("import Cost, Operation,", "import Cost, Operation, Pass,"))
    with pytest.raises(Problem) as raised:
        load_catalog(root)
    assert said in str(raised.value)


def test_a_variant_of_a_pass_that_is_none_is_a_line(tmp_path: Path) -> None:
    root = folder(tmp_path, '"mine", plan, cost)', '"mine", plan, cost, pass_="backward")')
    with pytest.raises(Problem, match=r"variants.py:\d+: variant mine names the pass 'backward': operation probe"):
        load_catalog(root)
