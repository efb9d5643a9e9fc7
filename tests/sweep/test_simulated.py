"""Checks without a GPU: kernels are executed as compiled, and what the simulator refuses or finds is the record's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.own_folder import KERNEL, folder
from workbench.cli.ladder_table import print_ladder
from workbench.problem import Problem
from workbench.store.record import Record, Status
from workbench.store.run_folder import open_run
from workbench.sweep import building
from workbench.sweep.checking import check_all
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection

COMMITTED = Path(__file__).parents[2] / "profiles" / "cpu-epyc-2-cores"


def checked(root: Path, *, N: int = 0) -> Record:
    axes = (("N", (N,)),) if N else ()
    selection = Selection(kernels=str(root), preset="small", variants=("mine",), devices=("simulated",), axes=axes)
    (record,) = check_all(selection, Silent())
    return record


def test_what_the_simulator_refuses_is_unsupported_with_its_reason(tmp_path: Path) -> None:
    bulk = 'asm volatile("cp.async.bulk.commit_group;"); '
    record = checked(folder(tmp_path, "    if (i < n)", f"    {bulk}\n    if (i < n)"))
    assert record.backend == "simulated" and record.status is Status.UNSUPPORTED, record
    assert "compiles for a GPU" in (record.reason or "") and "cp.async.bulk.commit_group" in (record.reason or "")


RACE = """extern "C" __global__ void kernel(const float *x, float *y, int n) {
    __shared__ float s[128];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    s[127 - threadIdx.x] = i < n ? x[i] : 0.0f;
    if (i < n) y[i] = s[127 - threadIdx.x] + 1.0f + 0.0f * s[threadIdx.x];
}
"""


@pytest.mark.parametrize("N", [0, 1000])
def test_a_race_whose_outcomes_agree_is_found_at_the_small_shape_whatever_is_asked_for(tmp_path: Path, N: int) -> None:
    record = checked(folder(tmp_path, KERNEL, RACE), N=N)
    assert record.status is Status.INCORRECT and record.axes == {"N": N or 300}
    reason = record.reason or ""
    assert reason.startswith("racecheck: race: ") and "kernel.cu line 4" in reason and "warp" in reason, reason


def test_a_fault_at_the_shape_asked_for_alone_is_found_too(tmp_path: Path) -> None:
    record = checked(folder(tmp_path, "if (i < n)", "if (i < (n > 900 ? n + 1 : n))"), N=1000)
    assert record.status is Status.INCORRECT
    assert "memcheck: stray_" in (record.reason or "") and "behind the end of" in (record.reason or "")


def test_a_right_kernel_is_right_at_another_shape(tmp_path: Path) -> None:
    record = checked(folder(tmp_path, "", ""), N=5000)
    assert record.status is Status.OK and record.error is not None and record.error.relative_l2 is not None
    assert record.time is None and [fact.arch for fact in record.build] == []


def test_the_older_word_names_the_newer(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"--device emulated: .*--device simulated"):
        check_all(Selection(kernels=str(folder(tmp_path, "", "")), devices=("emulated",)), Silent())


class Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    made: list[str] = []
    monkeypatch.setattr(building, "is_compiled", lambda: bool(made))
    monkeypatch.setattr(building, "compiled", lambda: made.append("once"))
    yield made


def test_the_simulator_is_compiled_once_and_only_where_it_is_needed(compilations: list[str]) -> None:
    progress = Noting()
    building.build_all([], progress, simulates=False)
    assert compilations == [] and progress.notes == []
    for _ in range(2):
        building.build_all([], progress, simulates=True)
        assert (
            compilations == ["once"]
            and len(progress.notes) == 1
            and "compiling the simulator, once" in progress.notes[0]
        )


def test_without_a_host_compiler_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise Problem("the simulator does not compile with g++: no space; install g++ 12 or later, or set CXX")

    monkeypatch.setattr(building, "is_compiled", lambda: False)
    monkeypatch.setattr(building, "compiled", fails)
    with pytest.raises(Problem, match="install g\\+\\+ 12"):
        building.build_all([], Silent(), simulates=True)


def test_a_run_of_an_older_workbench_is_shown_with_what_was_emulated(capsys: pytest.CaptureFixture[str]) -> None:
    if not any(record.backend == "emulated" for record in open_run(COMMITTED).records()):
        pytest.skip("the committed run has been made again since")
    print_ladder(open_run(COMMITTED))
    assert "CUDA, compiled and emulated at" in capsys.readouterr().out
