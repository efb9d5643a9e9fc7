"""A sweep of two devices: each has ceilings of its own, and its records are held against those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.execute.failures import FAILURES
from workbench.measure.ceilings import Measured
from workbench.show.trust import of_ceilings
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Run
from workbench.store.run_folder import open_run
from workbench.sweep import runner, session
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection

COPY = {"cuda": 4e12, "cpu": 2e10}


class FakeWorker:
    """Measures at once what a device of its name gives; the second one of the run may fail."""

    broken: tuple[str, ...] = ()
    under_load: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    rates: Iterator[float] = iter(())

    def __init__(self, _: str, device: str) -> None:
        self._device = device

    def call(self, *_: Any, **__: Any) -> Measured:
        if self._device in self.broken:
            raise FAILURES[0]("no such ceiling")
        return Measured({"copy_bytes_per_s": next(self.rates, COPY[self._device])}, self.under_load, self.reasons)

    def close(self) -> None:
        pass


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[session._Sweep]:
    monkeypatch.setattr(runner, "Worker", FakeWorker)
    selection = Selection(operations=("scan",), devices=("cuda", "cpu"), preset="small")
    machines = [Machine(id=name, name=f"a {name}", backend=name) for name in ("cuda", "cpu")]
    run = Run(name="two", created="", command=[], machines=machines, selection=selection.as_dict())
    folder = create_run(tmp_path, run)
    with folder.writing():
        yield session._Sweep(folder, Silent(), runner.ProcessTree())


def test_ceilings_of_every_device_are_measured(sweep: session._Sweep) -> None:
    sweep._measure_ceilings()
    found = {m.id: m.ceilings for m in open_run(sweep.folder.path).run.machines}
    assert found == {name: {"copy_bytes_per_s": rate} for name, rate in COPY.items()}


def test_what_one_device_lacks_costs_the_other_nothing(sweep: session._Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeWorker, "broken", ("cuda",))
    sweep._measure_ceilings()
    assert {m.id: bool(m.ceilings) for m in sweep.folder.run.machines} == {"cuda": False, "cpu": True}
    monkeypatch.setattr(FakeWorker, "broken", ("cpu",))
    sweep._measure_ceilings()
    assert all(m.ceilings for m in sweep.folder.run.machines), "a run that goes on measures what it still lacks"


def test_ceilings_are_measured_at_both_ends_and_must_agree(
    sweep: session._Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeWorker, "rates", iter([4e12, 2e10, 3.9e12, 1e10]))
    sweep._measure_ceilings()
    assert not any(of_ceilings(m) for m in sweep.folder.run.machines), "one measurement has nothing to disagree with"
    sweep._measure_ceilings("end")
    gpu, cpu = open_run(sweep.folder.path).run.machines
    assert [one.when for one in cpu.measurements] == ["start", "end"]
    assert gpu.ceilings == {"copy_bytes_per_s": 4e12} and cpu.ceilings == {"copy_bytes_per_s": 2e10}, "the better one"
    assert of_ceilings(gpu) == []
    assert "ceiling copy_bytes_per_s of a cpu came out differently" in (text := of_ceilings(cpu)[0]) and "50 %" in text
    sweep._measure_ceilings("end")
    assert len(sweep.folder.run.machine("cpu").measurements) == 2, "a run that goes on measures nothing twice"


def test_ceilings_under_load_say_so_unless_a_quiet_moment_came(
    sweep: session._Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeWorker, "under_load", ("copy_bytes_per_s",))
    monkeypatch.setattr(FakeWorker, "reasons", ("waited for a core",))
    sweep._measure_ceilings()
    (text,) = of_ceilings(sweep.folder.run.machine("cpu"))
    assert text.startswith("ceiling copy_bytes_per_s of a cpu could be measured under load only (waited for a core)")
    monkeypatch.setattr(FakeWorker, "under_load", ())
    sweep._measure_ceilings("end")
    assert of_ceilings(sweep.folder.run.machine("cpu")) == []
