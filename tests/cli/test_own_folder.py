"""A kernel folder of a user's own at the command line: what is wrong in it costs what it must, and nothing else."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.cli.conftest import Run
from tests.own_folder import KERNEL, MINE, OPERATION, STEP, VARIANTS, folder


def two_operations(tmp_path: Path, broken: str) -> Path:
    """The right one, and one called `other` whose variants.py is `broken`."""
    root = folder(tmp_path, "", "")
    shutil.copytree(root / "probe", root / "other")
    (root / "other" / "operation.py").write_text(OPERATION.replace('name="probe"', 'name="other"'))
    (root / "other" / "variants.py").write_text(broken)
    return root


def test_a_folder_of_float32_operations_builds_by_default(tmp_path: Path, workbench: Run) -> None:
    done = workbench("build", "--kernels", str(folder(tmp_path, "", "")))
    assert done.returncode == 0 and "bf16" not in done.stdout and "f32" in done.stdout, done.stderr


def test_a_folder_that_cannot_be_imported_is_left_out(tmp_path: Path, workbench: Run) -> None:
    root = two_operations(tmp_path, VARIANTS.replace("ceil_div(N, 128)", "ceil_div(N, 128").replace("probe", "other"))
    at = "other/variants.py:13: SyntaxError"
    for command in (["list"], ["build"], ["check"]):
        done = workbench(*command, "--kernels", str(root))
        assert done.returncode == 1 and at in done.stderr.splitlines()[-1], done.stderr
        assert "mine" in done.stdout and "Traceback" not in done.stderr
    named = workbench("check", "probe", "--kernels", str(root))
    assert named.returncode == 0, named.stderr
    itself = workbench("check", "other", "--kernels", str(root))
    assert itself.returncode == 1 and at in itself.stderr and itself.stderr.count("\n") == 1


def test_a_sweep_goes_on_beside_a_folder_that_cannot_be_imported(tmp_path: Path, workbench: Run) -> None:
    root = two_operations(tmp_path, "VARIANTS = (Variant,)\n")
    done = workbench("sweep", "--preset", "small", "--device", "cpu", "--kernels", str(root))
    assert done.returncode == 1 and "other/variants.py:1: NameError: name 'Variant'" in done.stderr.splitlines()[-1]
    assert "right" in done.stdout and "mine" in done.stdout


def test_an_operation_without_tensors_costs_its_own_records(tmp_path: Path, workbench: Run) -> None:
    root = two_operations(tmp_path, VARIANTS.replace('"probe"', '"other"'))
    wrong = OPERATION.replace('name="probe"', 'name="other"').replace('"float32", "output"', '"float32", "out"')
    (root / "other" / "operation.py").write_text(wrong)
    done = workbench("sweep", "--preset", "small", "--device", "cpu", "--kernels", str(root), "--json")
    rows = {(row["operation"], row["variant"]): row for row in json.loads(done.stdout)["records"]}
    assert rows["probe", "right"]["status"] == "ok" and rows["probe", "mine"]["status"] == "ok"
    assert {rows["other", name]["status"] for name in ("right", "mine")} == {"crashed"}
    assert "gives y the role 'out'" in rows["other", "right"]["reason"]


def test_a_plan_that_fails_at_one_size_costs_that_size(tmp_path: Path, workbench: Run) -> None:
    root = folder(tmp_path, f"    return Plan(({STEP},))", f"    assert N < 1000\n    return Plan(({STEP},))")
    done = workbench("check", "--N", "300,5000", "--kernels", str(root), "--json")
    rows = {(row["variant"], row["shape"]["N"]): row for row in json.loads(done.stdout)}
    assert rows["mine", 300]["status"] == "ok" and rows["right", 5000]["status"] == "ok"
    assert rows["mine", 5000]["status"] == "crashed" and "variants.py:13: " in rows["mine", 5000]["reason"]
    assert done.returncode == 1


def test_list_says_which_variant_is_broken(tmp_path: Path, workbench: Run) -> None:
    root = folder(tmp_path, MINE, MINE.replace('("cuda",)', '"cuda"'))
    done = workbench("list", "--kernels", str(root))
    assert done.returncode == 0 and "variants.py:25: variant mine: devices is 'cuda': write a tuple" in done.stdout


def test_a_missing_package_is_unsupported_with_its_line(tmp_path: Path, workbench: Run) -> None:
    plan = "Plan((Call(lambda x: __import__('no_such_package'), ('x',), ('y',)),))"
    done = workbench("check", "--kernels", str(folder(tmp_path, f"Plan(({STEP},))", plan)), "--json")
    rows = {row["variant"]: row for row in json.loads(done.stdout)}
    assert rows["mine"]["status"] == "unsupported" and "-m pip install no_such_package" in rows["mine"]["reason"]
    assert Path(sys.executable).name in rows["mine"]["reason"] and done.returncode == 0


def test_a_compilers_message_stands_once_per_source_and_keeps_its_brackets(tmp_path: Path, workbench: Run) -> None:
    """Ten errors, three variants of one source: two errors and where the rest is, not thirty lines of each."""
    more = "".join(f', Variant("v{k}", "probe", ("cuda",), "v", plan, cost)' for k in (1, 2))
    root = folder(tmp_path, MINE, MINE + more)
    wrong = "\n".join(f"    y[/* row */ i] = oops{k}[i];" for k in range(10))
    (root / "probe" / "kernel.cu").write_text(KERNEL.replace("    if (i < n)", f"{wrong}\n    if (i < n)"))
    check = workbench("check", "--kernels", str(root))
    lines = [line for line in check.stdout.splitlines() if "oops" in line]
    assert len(lines) == 1 and lines[0].startswith("probe: mine, v1, v2: "), check.stdout
    assert "oops" not in check.stderr and "(and 8 more, all in " in lines[0]
    whole = Path(lines[0].partition("all in ")[2].partition(")")[0])
    assert whole.read_text().count(" is undefined") == 10
    build = workbench("build", "--kernels", str(root))
    assert build.stdout.count("does not compile: ") == 1 and build.stdout.count("oops0[i]") == 1
    assert "y[/* row */ i] = oops0[i];" in build.stdout and str(whole) in build.stdout


def test_a_variant_is_added_to_a_builtin_operation_from_elsewhere(tmp_path: Path, workbench: Run) -> None:
    place = tmp_path / "kernels" / "scan"
    place.mkdir(parents=True)
    (place / "variants.py").write_text(
        "from dataclasses import replace\n"
        "from kernel_variants.scan.cells import SCAN\n"
        "from kernel_variants.scan.serial_in_time import serial\n"
        'VARIANTS = (replace(serial(SCAN), name="again"),)\n'
    )
    listed = workbench("list", "--kernels", str(tmp_path / "kernels"))
    names = [line.split()[0] for line in listed.stdout.splitlines() if line]
    assert listed.returncode == 0 and {"again", "serial", "eager"} <= set(names), listed.stderr
    twice = (place / "variants.py").read_text().replace('"again"', '"eager"')
    (place / "variants.py").write_text(twice)
    done = workbench("list", "--kernels", str(tmp_path / "kernels"))
    assert done.returncode == 1 and "scan/variants.py:4: variant eager is declared twice" in done.stderr, done.stderr
