"""A sweep on machines that are processes here: what it gives is a local sweep's, whoever is lost on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from tests.campaign.sweeps import BRIEF
from tests.cluster.fake_cluster import CEILINGS, Machines, Real, by_key, recorded_run, retelling, runner_on, selection
from workbench.cluster.status import Doing, status
from workbench.store.record import Record, Status
from workbench.store.run_folder import RunFolder, open_run
from workbench.sweep import runner as local_runner
from workbench.sweep.presets import PRESETS
from workbench.sweep.progress import Silent
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run

CASES = 6


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    found = Machines()
    found.add("a", "h100")
    found.add("b", "rtx4090")
    yield found
    found.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return recorded_run(CASES, tmp_path_factory.mktemp("recorded"))


class Losing(Silent):
    """When a machine is in the middle of a case, it is lost; who does what is asked before."""

    def __init__(self, machines: Machines, stuck: Path) -> None:
        self.steps: list[str] = []
        self.notes: list[str] = []
        self.doing: list[Doing] = []
        self.lost = ""
        self._machines = machines
        self._stuck = stuck

    def stage(self, title: str, total: int) -> None:
        if title == "time":
            threading.Thread(target=self._lose, daemon=True).start()

    def _lose(self) -> None:
        while not (self._stuck.is_file() and self._stuck.read_text().endswith("\n")):
            time.sleep(0.05)
        id_ = self._stuck.read_text().strip()
        self.doing = status()[1]
        self.lost = next(name for name, node in self._machines.nodes.items() if node.node_id == id_)
        self._machines.lose(self.lost)

    def step(self, text: str, parts: float = 1.0) -> None:
        self.steps.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


def what_was_found(record: Record) -> tuple[object, ...]:
    """All of it but what the clock had to say, which on a busy machine may be that it cannot be believed."""
    told = "right" if record.status in (Status.OK, Status.IMPLAUSIBLE) else (record.status, record.reason)
    return told, record.error, record.declared, record.least, record.settings, record.sources


def test_a_real_sweep_gives_what_a_local_one_gives(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With kernels that have travelled, on the one machine of the kind that was asked for."""
    monkeypatch.setitem(PRESETS, "small", BRIEF)
    asked = selection((3000,), ("plain", "wrong", "refuses", "kernel"))
    with runner_on(machines.address, Real, on=("RTX 4090",)) as runner:
        folder = start_run(asked, tmp_path, "far", runner)
        continue_run(folder, Silent(), runner)
    monkeypatch.setattr(local_runner, "measure_ceilings", lambda *_: CEILINGS)
    here = start_run(asked, tmp_path, "near")
    continue_run(here, Silent())
    far, near = by_key(open_run(folder.path)), by_key(open_run(here.path))
    assert {key: what_was_found(r) for key, r in far.items()} == {key: what_was_found(r) for key, r in near.items()}
    assert {record.machine for record in open_run(folder.path).records()} == {"cpu@b", "simulated"}
    assert {key: [(f.arch, f.registers) for f in r.build] for key, r in far.items()} == {
        key: [(f.arch, f.registers) for f in r.build] for key, r in near.items()
    }
    assert [r.simulated for r in far.values()] == [r.simulated for r in near.values()], "counted alike"


def test_a_machine_lost_in_the_middle_costs_no_record(
    machines: Machines, recorded: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = Losing(machines, tmp_path / "stuck")
    with runner_on(machines.address, retelling(recorded.path, 0.3, tmp_path / "stuck")) as runner:
        folder = start_run(selection(tuple(range(3000, 3000 + CASES))), tmp_path, "r", runner)
        runner.run = "r"
        continue_run(folder, progress, runner)
    assert not capfd.readouterr().out, "standard output is for tables and JSON"
    found = open_run(folder.path)
    assert found.run.finished and by_key(found) == by_key(recorded)
    assert any(note.startswith(f"{progress.lost} was lost; double n=") for note in progress.notes), progress.notes
    other = "b" if progress.lost == "a" else "a"
    assert f"{other}: double/plain at n=3000 float32" in progress.steps, "whose progress it is"
    told = [one.answer for one in progress.doing if one.answer is not None]
    assert len(told) == 2 and all(answer["run"] == "r" for answer in told)
    assert any("double n=" in answer["doing"] and answer["waiting"] <= CASES - 1 for answer in told)
    records = [record for record in found.records() if record.backend == "cpu"]
    assert {record.attempt for record in records} == {1, 2}
    assert {record.machine for record in records if record.attempt == 2} == {f"cpu@{other}"}
    assert all(len({r.machine for r in records if r.axes == one.axes}) == 1 for one in records), "a case is one's"
    timed = {machine.id: machine for machine in found.run.machines if machine.backend == "cpu"}
    assert set(timed) == {"cpu@a", "cpu@b"} and all(machine.ceilings for machine in timed.values())
    assert timed[f"cpu@{other}"].noise_floor is not None
