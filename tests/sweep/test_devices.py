"""A sweep of two devices: each has ceilings of its own, and its records are held against those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.store.record import Machine, Run
from workbench.store.run_folder import create_run, open_run
from workbench.sweep import session
from workbench.sweep.selection import Selection
from workbench.sweep.watch import Silent

COPY = {"cuda": 4e12, "cpu": 2e10}


class FakeWorker:
    """Measures at once what a device of its name gives; the second one of the run may fail."""

    broken: tuple[str, ...] = ()

    def __init__(self, _: str, device: str) -> None:
        self._device = device

    def call(self, *_: Any, **__: Any) -> dict[str, float]:
        if self._device in self.broken:
            raise session.FAILURES[0]("no such ceiling")
        return {"copy_bytes_per_s": COPY[self._device]}

    def close(self) -> None:
        pass


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[session._Sweep]:
    monkeypatch.setattr(session, "Worker", FakeWorker)
    selection = Selection(operations=("scan",), devices=("cuda", "cpu"), preset="small")
    machines = [Machine(id=name, name=f"a {name}", backend=name) for name in ("cuda", "cpu")]
    run = Run(name="two", created="", command=[], machines=machines, selection=selection.as_dict())
    folder = create_run(tmp_path, run)
    with folder.writing():
        yield session._Sweep(folder, Silent())


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
