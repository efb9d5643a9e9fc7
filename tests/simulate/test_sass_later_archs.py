"""The catalogue's kernels from machine code for architectures after Hopper: a handful each time, all of them at length.

Their PTX and their machine code must agree with the float64 reference and with each other, in results and in sectors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.executed import catalog
from tests.simulate.simulated_case import Case
from tests.simulate.test_sass_catalogue import AT_DEFAULTS, compiled, every
from workbench.catalog import BUILTIN
from workbench.check.simulated import Request, SimulatedVariant
from workbench.compile.nvrtc import compile_cuda
from workbench.declare import Shape
from workbench.devices import first_for_arch
from workbench.problem import Problem
from workbench.simulate.counters import Level, Standing, figures
from workbench.simulate.launch import Counts, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.sass.coverage import coverage
from workbench.simulate.sass.cubin import kernels_of
from workbench.simulate.sass.lower import load_kernel
from workbench.simulate.sass.text import Line

ARCHS = ("sm_100", "sm_120")
ALIKE = {"sm_103": "b200", "sm_110": "b200", "sm_121": "gb10"}
"""Architectures whose machine code is as that of one of ARCHS, and a GPU whose caches are taken."""
HANDFUL = (
    ("scan/serial", "float32"), ("scan/ring", "float32"), ("gated_scan/look_back_free", "bfloat16"),
    ("scan/backward/warp_shuffle", "bfloat16"),
)  # fmt: skip
"""The last spills registers on sm_120, which is traffic that no declaration has."""


def agreeing(key: str, dtype: str, arch: str, gpu: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    variant = catalog().variant(key)
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda more: None)
    shape = Shape.of(dtype, **catalog().operation_of(variant).small)
    found = SimulatedVariant(BUILTIN, key, 0).run(Request(shape, variant.default_settings(), arch, gpu))
    assert [run["through"] for run in found["runs"]] == ["sass", "ptx"]
    reasons = [] if variant.known_loss else [run["reason"] for run in found["runs"] if run["reason"]]
    assert not reasons and not found["findings"]
    return found


KEYS = sorted({(key, dtype) for key, dtype, _ in every()})


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("key", "dtype"), [pytest.param(*one, marks=() if one in HANDFUL else pytest.mark.thorough) for one in KEYS]
)
def test_every_kernel_runs_and_both_front_ends_agree(
    key: str, dtype: str, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreeing(key, dtype, arch, first_for_arch(arch).name, monkeypatch)


@pytest.mark.thorough
@pytest.mark.parametrize("arch", ALIKE)
@pytest.mark.parametrize("case", AT_DEFAULTS, ids=str)
def test_architectures_of_the_same_kind(case: Case, arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agreeing(case.variant, case.shape.dtype, arch, ALIKE[arch], monkeypatch)


@pytest.fixture(scope="module", params=ARCHS)
def cubin(request: pytest.FixtureRequest) -> Path:
    case = Case("scan/serial", Shape.of("float32", **catalog().operation("scan").small))
    (binary,) = compiled(case, request.param)
    return binary.path


def test_parameters_and_reserved_shared_memory(cubin: Path) -> None:
    """As cuobjdump prints them: EIATTR_PARAM_CBANK has 0x38 bytes at 0x380."""
    facts = kernels_of(cubin)["scan_serial"]
    assert (facts.parameter_base, facts.parameter_bytes) == (0x380, 0x38)
    assert facts.parameters == tuple((8 * k, 8) for k in range(7))
    assert facts.reserved_shared == facts.static_shared == 0x400


def _waited_for(lines: tuple[Line, ...], k: int) -> bool:
    """Whether somebody waits for the counter of line k before its result is read, up to the next jump."""
    counter = lines[k].control.write_barrier
    result = re.compile(rf"\b{lines[k].text.split()[1].rstrip(',')}\b")
    for line in lines[k + 1 :]:
        if line.control.wait >> counter & 1 or line.base in ("BRA", "EXIT"):
            return True
        if result.search(line.text.partition(" ")[2]):
            return False
    return True


def test_control_codes_lie_where_they_have_lain(cubin: Path) -> None:
    """A load names the counter that its result releases, and who reads the result waits for it first."""
    lines = load_kernel(cubin).lines
    loads = [k for k, line in enumerate(lines) if line.base in ("LDG", "S2R") and line.guard is None]
    assert len(loads) > 8
    for k in loads:
        assert lines[k].control.write_barrier < 6, lines[k]
        assert _waited_for(lines, k), lines[k]


def test_no_counter_of_theirs_is_said_to_be_confirmed(cubin: Path) -> None:
    """No report of such a GPU is among those that the counters are held against."""
    program = load_kernel(cubin).program
    memory = Memory()
    memory.put("x", np.zeros(1024, np.float32), writable=True)
    at = memory.address("x") or 0
    parameters = b"".join(word.to_bytes(8, "little") for word in (at, at, 0, at, at, 2, 3))
    counts: Counts = simulate(program, (1, 1, 1), (32, 1, 1), parameters, memory)
    standings = {figure.standing for figure in figures(counts, Level.SASS)}
    assert Standing.BY_RULE in standings and Standing.CONFIRMED not in standings


def test_tensor_memory_is_refused_by_name(tmp_path: Path) -> None:
    source = (
        'extern "C" __global__ void k(unsigned *to) { __shared__ unsigned place;\n'
        'asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], 32;"\n'
        ':: "r"((unsigned)__cvta_generic_to_shared(&place)) : "memory"); to[0] = place; }\n'
    )
    made = compile_cuda("k.cu", source, ["--gpu-architecture=sm_100a", "--std=c++17"], [], "cubin")
    assert made.code is not None, made.log
    path = tmp_path / "k.cubin"
    path.write_bytes(made.code)
    with pytest.raises(Problem) as refused:
        load_kernel(path)
    said = str(refused.value)
    assert "tensor memory and its products (tcgen05)" in said and "UTCATOMSWS" in said and "\n" not in said
    assert coverage(path).unknown
