"""`workbench build` and `workbench occupancy` as a user types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench import cli
from workbench.compile import toolkit

Run = Callable[..., tuple[int, str, str]]

OPERATION = """
from workbench.declare import Cost, Operation, Tensor

OPERATION = Operation(
    name="scale", title="doubles", equation="y = 2 x", axes={"N": 4096}, small={"N": 33},
    tensors=lambda s: (Tensor("x", (s["N"],), "float32"), Tensor("y", (s["N"],), "float32", "output")),
    make_inputs=lambda s, regime, random: {"x": random.standard_normal(s["N"], dtype="float32")},
    reference=lambda s, inputs: {"y": 2 * inputs["x"]},
    least=lambda s: Cost(bytes=8 * s["N"], launches=1),
    baseline="plain", tolerance={"float32": 1e-6, "bfloat16": 3e-3},
)
"""

VARIANTS = """
from pathlib import Path
from workbench.declare import Call, Cost, Kernel, Plan, Variant, ceil_div

HERE = Path(__file__).parent

def kernel(name, function, per_thread=1, count=1):
    def plan(s, settings):
        grid = (ceil_div(s["N"], 128 * per_thread), 1, 1)
        return Plan(tuple(Kernel(HERE / name, function, grid, (128, 1, 1), ("x", "y", s["N"])) for _ in range(count)))
    return plan

def cost(launches=1):
    return lambda s, settings: Cost(bytes=8 * s["N"], launches=launches)

VARIANTS = (
    Variant("plain", "scale", ("cuda",), "one each", kernel("plain.cu", "plain"), cost(), rung=0),
    Variant("vector", "scale", ("cuda",), "four each", kernel("vector.cu", "vector", 4), cost(), rung=1),
    Variant("library", "scale", ("cpu",), "torch", lambda s, t: Plan((Call(lambda x: 2 * x, ("x",), ("y",)),)), cost()),
    Variant("per_step", "scale", ("cuda",), "a launch each",
            lambda s, t: kernel("plain.cu", "plain", count=s["N"])(s, t), lambda s, t: Cost(bytes=8, launches=s["N"])),
    Variant("even", "scale", ("cuda",), "even only", kernel("plain.cu", "plain"), cost(),
            supports=lambda s: "bf16 cannot be doubled" if s.dtype == "bfloat16" else None),
)
"""

PLAIN = """extern "C" __global__ void plain(const float *x, float *y, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2 * x[i];
}
"""
VECTOR = """extern "C" __global__ void vector(const float4 *x, float4 *y, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (4 * i + 3 < n) { float4 v = x[i]; y[i] = make_float4(2 * v.x, 2 * v.y, 2 * v.z, 2 * v.w); }
}
"""


@pytest.fixture(scope="module")
def scale_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "scale").mkdir()
    for name, text in {
        "operation.py": OPERATION,
        "variants.py": VARIANTS,
        "plain.cu": PLAIN,
        "vector.cu": VECTOR,
    }.items():
        (folder / "scale" / name).write_text(text)
    return folder


@pytest.fixture
def run(scale_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("WORKBENCH_CACHE", str(scale_folder / "cache"))

    def run_it(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", *words, "--kernels", str(scale_folder)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    return run_it


def rows_of(text: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for row in json.loads(text):
        found.setdefault(row["variant"], []).append(row)
    return found


def test_build_prints_every_kernel_and_why_there_is_none(run: Run) -> None:
    status, out, err = run("build", "--arch", "sm_90,sm_89")
    assert (status, err) == (0, "")
    assert "scale, sm_90" in out and "scale, sm_89" in out
    vector = next(line for line in out.splitlines() if line.startswith("vector"))
    assert "ld 1x128, st 1x128" in vector
    assert "scale/library: library calls only" in out
    assert "scale/even bfloat16: unsupported: bf16 cannot be doubled" in out


def test_build_json_has_the_fields_of_the_record(run: Run) -> None:
    status, out, _ = run("build", "--json", "--dtype", "float32", "--arch", "sm_90")
    assert status == 0
    rows = rows_of(out)
    fact = rows["scale/vector"][0]["fact"]
    assert isinstance(fact, dict)
    assert fact["arch"] == "sm_90" and fact["kernel"] == "vector" and fact["spill_bytes"] == 0
    assert fact["sass_mix"]["global_load_128"] == 1 and fact["occupancy_theoretical"] == 1.0
    assert len(rows["scale/per_step"]) == 1  # 4096 equal launches are one kernel
    assert rows["scale/library"][0]["status"] == "no_kernel"


def test_a_second_build_compiles_nothing(run: Run) -> None:
    run("build")
    _, out, _ = run("build")
    assert out.splitlines()[-1].startswith("0 compiled, ")


def test_a_source_that_does_not_compile_costs_its_own_row(run: Run, scale_folder: Path) -> None:
    source = scale_folder / "scale" / "vector.cu"
    source.write_text(VECTOR.replace("float4 v", "floot4 v"))
    try:
        status, out, err = run("build", "--dtype", "float32")
    finally:
        source.write_text(VECTOR)
    assert status == 1
    assert f'{source}(3): error: identifier "floot4" is undefined' in out.replace("\n", " ")
    assert any(line.startswith("plain") for line in out.splitlines())
    assert err == "workbench: 1 of 5 kernels did not compile; the messages stand above\n"


def test_without_nvdisasm_build_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr("cuda.pathfinder.find_nvidia_binary_utility", lambda name: None)
    toolkit.binary_tool.cache_clear()
    try:
        status, _, err = run("build", "--dtype", "float32")
    finally:
        toolkit.binary_tool.cache_clear()
    assert status == 1
    assert err.startswith("workbench: nvdisasm is missing") and "pip install nvidia-cuda-nvdisasm" in err


def test_a_declaration_that_names_no_function_of_its_source_is_its_own_row(run: Run, scale_folder: Path) -> None:
    source = scale_folder / "scale" / "vector.cu"
    source.write_text(VECTOR.replace("void vector(", "void victor("))
    try:
        status, out, _ = run("build", "--dtype", "float32")
    finally:
        source.write_text(VECTOR)
    assert status == 1 and "no kernel vector; it holds victor" in out
    assert any(line.startswith("plain") for line in out.splitlines())


def test_diff_shows_source_instructions_and_resources(run: Run) -> None:
    status, out, _ = run("build", "--diff", "scale/plain", "scale/vector", "--dtype", "float32")
    assert status == 0
    assert "registers" in out and "global_load_128" in out
    assert '-extern "C" __global__ void plain' in out and '+extern "C" __global__ void vector' in out
    status, out, _ = run("build", "scale", "--diff", "plain", "vector", "--dtype", "float32", "--json")
    found = json.loads(out)
    assert found["sass"]["global_load_128"] == {"a": 0, "b": 1}
    assert found["a"]["kernels"][0]["kernel"] == "plain"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("build", "--arch", "sm_91"), "unknown architecture sm_91: the nearest is sm_90"),
        (("build", "--dtype", "float23"), "unknown dtype float23: did you mean float32?"),
        (("build", "scael"), "unknown operation scael: did you mean scale?"),
        (("build", "--variants", "vectr"), "unknown variant vectr: did you mean vector?"),
        (("build", "--diff", "plain", "vector"), "--diff plain: of which operation?"),
        (("build", "--diff", "scale/plain", "scale/library"), "--diff scale/library: no_kernel"),
        (("occupancy", "vectr"), "unknown variant vectr: did you mean vector?"),
        (("occupancy", "vector", "--block", "2048"), "--block 2048: sm_90 allows 1024 at most"),
        (("occupancy", "vector", "--registers", "300"), "--registers 300: sm_90 allows 255 at most"),
        (("occupancy", "library"), "scale/library: has no CUDA kernel of its own"),
        (("occupancy", "vector", "--kernel", "vectr"), "unknown kernel vectr: did you mean vector?"),
    ],
)
def test_bad_input_is_one_line_and_a_failure(run: Run, words: tuple[str, ...], text: str) -> None:
    status, _, err = run(*words)
    assert status != 0
    assert err.startswith(f"workbench: {text}") and err.count("\n") == 1


def test_occupancy_of_a_variant_marks_its_own_launch(run: Run) -> None:
    status, out, _ = run("occupancy", "scale/vector", "--block", "32:256:x2")
    assert status == 0
    marked = [line for line in out.splitlines() if "as launched" in line]
    assert len(marked) == 1 and marked[0].split()[0] == "128"
    one_warp = next(line for line in out.splitlines() if line.split()[:1] == ["32"])
    assert "50 %" in one_warp and "blocks" in one_warp


def test_occupancy_without_a_variant(run: Run) -> None:
    status, out, _ = run(
        "occupancy", "--arch", "sm_89", "--block", "256", "--registers", "32,64", "--shared", "0,49152", "--json"
    )
    assert status == 0
    (found,) = json.loads(out)
    assert [(p["registers"], p["shared_bytes"], p["warps_per_sm"], p["limiter"]) for p in found["points"]] == [
        (32, 0, 48, "warps"),
        (32, 49152, 16, "shared memory"),
        (64, 0, 32, "registers"),
        (64, 49152, 16, "shared memory"),
    ]
