"""A Triton function → cubin and PTX, for any architecture: needs no GPU and no torch, only `pip install triton`.

Triton is imported in a process of its own: it compiles what a Python module holds, which has to be run to be read.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.compile.nvrtc import Compilation
from workbench.compile.units import CompileFailure, Unit
from workbench.problem import installing
from workbench.temporary import temporary_folder

NAMES = {
    "float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float64": "fp64", "int32": "i32", "int64": "i64",
    "uint32": "u32", "uint8": "u8",
}  # fmt: skip
"""Dtypes in Triton's words."""
OPTIONS = ("num_warps", "num_stages")
"""Those of a step's defines that are the compiler's and not the function's."""
WARP = 32
START = "from workbench.compile.triton_source import main; main()"


def why_not_installed() -> str | None:
    """The line that installs the compiler, where it is not there."""
    if importlib.util.find_spec("triton") is not None:
        return None
    return f"triton is not installed: {installing('pip install triton')}"


def refused(unit: Unit) -> CompileFailure | None:
    """Why a unit is not compiled at all, where it is Triton's and its compiler is not there."""
    lacking = why_not_installed() if unit.function else None
    return None if lacking is None else CompileFailure(unit, f"{unit.source}: error: {lacking}", lacking=True)


def identity(unit: Unit) -> list[str]:
    """Everything beside the source itself that changes what comes out: other modules of its folder may be imported."""
    beside = sorted(unit.source.parent.glob("*.py"))
    texts = [f"{path.name}\0{path.read_text(errors='replace')}" for path in beside]
    return [f"triton {metadata.version('triton')} {unit.arch} {unit.function} {_types(unit)} {unit.defines}", *texts]


def _types(unit: Unit) -> list[str]:
    """`*fp32`, `i64`…: the arguments' types in Triton's words, the shape's dtype in its place."""
    words = {**NAMES, "io": NAMES[unit.dtype]}
    return [re.sub(r"^\*(\w+)", lambda match: f"*{words[match[1]]}", word) for word in unit.types]


def compile_triton(unit: Unit, source: Path, cubin: Path | None = None, ptx: Path | None = None) -> Compilation:
    """Writes the cubin and the PTX where asked to; the log is ptxas's, and a line of what a launch has to bring."""
    root = str(Path(__file__).resolve().parents[2])
    with temporary_folder() as cache:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TRITON_CACHE_DIR": str(cache),
        }
        request = {
            "source": str(source), "function": unit.function, "types": _types(unit), "defines": dict(unit.defines),
            "capability": int(unit.arch.removeprefix("sm_")),
            "targets": {kind: str(path) for kind, path in (("cubin", cubin), ("ptx", ptx)) if path is not None},
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", START], input=json.dumps(request), env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        return Compilation(None, done.stderr.strip() or f"{source}: error: Triton ended with {done.returncode}")
    return Compilation(b"", done.stdout)


def _compile(request: dict[str, Any]) -> None:
    """In the process of its own: prints the log, writes what is asked for."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    source = Path(request["source"])
    sys.path.insert(0, str(source.parent))
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, request["function"], None)
    if not isinstance(function, triton.JITFunction):
        raise ValueError(f"holds no @triton.jit function {request['function']}")
    options = {name: value for name, value in request["defines"].items() if name in OPTIONS}
    constants = {name: value for name, value in request["defines"].items() if name not in OPTIONS}
    passed = [name for name in function.arg_names if name not in constants]
    if len(passed) != len(request["types"]) or not constants.keys() <= set(function.arg_names):
        raise ValueError(
            f"{request['function']} takes {', '.join(function.arg_names)}: the plan passes {len(request['types'])} "
            f"arguments and the constants {', '.join(constants) or 'none'}"
        )
    types = dict(zip(passed, request["types"], strict=True))
    signature = {name: types.get(name, "constexpr").removesuffix("@16") for name in function.arg_names}
    aligned = [i for i, name in enumerate(function.arg_names) if types.get(name, "").endswith("@16")]
    made = ASTSource(
        function, signature, {(function.arg_names.index(name),): value for name, value in constants.items()},
        {(i,): [["tt.divisibility", 16]] for i in aligned},
    )  # fmt: skip
    triton.knobs.nvidia.dump_ptxas_log = True
    compiled = triton.compile(made, GPUTarget("cuda", request["capability"], WARP), options)
    facts = compiled.metadata
    if getattr(facts, "global_scratch_size", 0):
        raise ValueError(f"{request['function']} needs global scratch memory, which a plan's launch does not bring")
    entry = compiled.asm["ptx"].partition(".entry")[2].partition(")")[0]
    print(f"launch needs {facts.shared} bytes of shared memory, {entry.count('.param') - len(passed)} null pointers")
    for kind, target in request["targets"].items():
        made = compiled.asm[kind]
        Path(target).write_bytes(made.encode() if isinstance(made, str) else made)


def main() -> None:
    request = json.load(sys.stdin)
    try:
        _compile(request)
    except Exception as error:
        words = " ".join(str(error).split())
        sys.exit(f"{request['source']}: error: {type(error).__name__}: {words}")
