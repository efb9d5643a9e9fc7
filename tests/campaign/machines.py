"""Sweeps on a cluster of four machines that are processes here: machines lost at random moments, and coordinators
killed. After each sweep every record is there once, with the samples of one attempt. Before that, how sleeping cases
scale; with no losses that alone, which is under a minute.

    python -m tests.campaign.machines LOSSES SEED
"""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster.fake_cluster import FAULTY, Machines, by_key, recorded_run, retelling, runner_on, selection
from workbench.catalog import load_catalog
from workbench.store.run_folder import RunFolder, open_run
from workbench.sweep.events import Event
from workbench.sweep.jobs import CaseJob
from workbench.sweep.progress import Silent
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run
from workbench.sweep.work import Work

CASES = 24
CASE_S = 0.4
LONG_CASE_S = 1.0
"""Of cases in which scaling is measured."""
NAMES = ("a", "b", "c", "d")
LONGEST_S = 300.0
SILENT = 1 / 3
"""Of the machines that are lost, those whose connections stay open."""


@dataclass
class Tally:
    """What happened, and what was wrong."""

    losses: int = 0
    silent: int = 0
    """Of those, machines that ended nothing: they answered nobody any more."""
    noticed_s: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    """From each loss, silent or not, to the word of it, where it was noticed."""
    attempts: list[int] = field(default_factory=list)
    """Of all records."""
    taken_for_dead: int = 0
    """Machines that were only slow."""
    kills: int = 0
    sweeps: int = 0
    wrong: list[str] = field(default_factory=list)


class Watching(Silent):
    def __init__(self) -> None:
        self.notes: list[tuple[float, str]] = []
        self.times = threading.Event()
        """Set when cases are timed."""

    def stage(self, title: str, total: int) -> None:
        if title == "time":
            self.times.set()

    def note(self, text: str) -> None:
        self.notes.append((time.monotonic(), text))


@dataclass
class Campaign:
    folder: Path
    machines: Machines
    recorded: RunFolder
    chance: random.Random
    tally: Tally = field(default_factory=Tally)

    def losses(self, count: int) -> None:
        """So many machines lost, one to three in a sweep; others come in their place while it goes on."""
        while self.tally.losses < count:
            self.tally.taken_for_dead += self.machines.mend()
            progress = Watching()
            lost: list[tuple[float, str, bool]] = []
            with runner_on(self.machines.address, retelling(self.recorded.path, CASE_S)) as runner:
                folder = self._new(f"losses-{self.tally.sweeps}", runner)
                sweeping = threading.Thread(target=continue_run, args=(folder, progress, runner))
                sweeping.start()
                progress.times.wait(LONGEST_S)
                self._lose(count, lost)
                sweeping.join(LONGEST_S)
                self.tally.wrong += [f"{folder.path.name}: hangs"] if sweeping.is_alive() else []
            self.machines.bury()
            for when, name, silently in lost:
                noticed = [
                    at - when for at, text in progress.notes if text.startswith(f"{name} was lost") and at > when
                ]
                self.tally.noticed_s[silently] += noticed[:1]
            self._check(folder)
            print(f"{self.tally.losses} machines lost, {len(self.tally.wrong)} wrong", file=sys.stderr, flush=True)

    def _lose(self, count: int, lost: list[tuple[float, str, bool]]) -> None:
        for _ in range(min(self.chance.randint(1, 3), count - self.tally.losses)):
            time.sleep(self.chance.uniform(0.0, CASES * CASE_S / len(NAMES) / 2))
            name = self.chance.choice(sorted(self.machines.nodes))
            silently = self.chance.random() < SILENT
            lost.append((time.monotonic(), name, silently))
            self.machines.lose(name, silently)
            self.tally.losses += 1
            self.tally.silent += silently
        for name in set(NAMES) - set(self.machines.nodes):
            self.machines.add(name)

    def kills(self, count: int) -> None:
        """So many coordinators killed, their runs resumed until they are finished."""
        typical_s = 15.0
        while self.tally.kills < count:
            run = self.folder / "profiles" / f"kills-{self.tally.sweeps}"
            while not (run.is_dir() and open_run(run).run.finished):
                self.tally.taken_for_dead += self.machines.mend()
                began = time.monotonic()
                command = [sys.executable, "-m", "tests.campaign.machines", "sweep", self.machines.address]
                words = [str(self.folder / "profiles"), run.name, str(self.recorded.path)]
                sweep = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
                number = self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
                killing = self.tally.kills < count
                try:
                    sweep.wait(self.chance.uniform(0.3, 1.0) * typical_s if killing else LONGEST_S)
                    typical_s = 0.5 * typical_s + 0.5 * (time.monotonic() - began)
                except subprocess.TimeoutExpired:
                    sweep.send_signal(number)
                    self.tally.kills += killing
                    self.tally.wrong += [] if killing else [f"{run.name}: hangs"]
                errors = sweep.communicate(timeout=60)[1]
                if sweep.returncode > 0 and "KeyboardInterrupt" not in errors:
                    self.tally.wrong.append(f"{run.name}: {errors[-800:]}")
                    return
            self._check(open_run(run))

    def scaling(self) -> tuple[float, float]:
        """Seconds of the cases on one machine and on four."""
        work = Work(selection(tuple(range(3000, 3000 + CASES))), load_catalog(FAULTY))
        jobs = [work.job(case, device, {}, {}, {}) for case, device in work.timed]
        found = []
        for on in (("a",), ()):
            with runner_on(self.machines.address, retelling(self.recorded.path, LONG_CASE_S), on) as runner:
                began = time.monotonic()
                runner.time(jobs, _no_matter)
                found.append(time.monotonic() - began)
        return found[0], found[1]

    def _new(self, name: str, runner: object) -> RunFolder:
        sizes = tuple(range(3000, 3000 + CASES))
        return start_run(selection(sizes), self.folder / "profiles", name, runner)  # type: ignore[arg-type]

    def _check(self, folder: RunFolder) -> None:
        self.tally.sweeps += 1
        found = open_run(folder.path)
        try:
            records = by_key(found)
        except AssertionError:
            self.tally.wrong.append(f"{folder.path.name}: a record is there twice")
            return
        self.tally.attempts += [record.attempt for record in found.records()]
        expected = by_key(self.recorded)
        if not found.run.finished or records != expected:
            different = [key for key in expected if records.get(key) != expected[key]]
            self.tally.wrong.append(
                f"{folder.path.name}: {len(different)} records are missing or others: {different[:2]}"
            )


def _no_matter(job: CaseJob, event: Event) -> None:
    """Where only the time counts."""


def sweep(address: str, profiles: str, name: str, recorded: str) -> None:
    """A coordinator that is killed: begins the run or goes on with it."""
    folder = open_run(Path(profiles) / name) if (Path(profiles) / name).is_dir() else None
    with runner_on(address, retelling(Path(recorded), CASE_S), folder=folder) as runner:
        if folder is None:
            folder = start_run(selection(tuple(range(3000, 3000 + CASES))), Path(profiles), name, runner)
        continue_run(folder, Silent(), runner)


def campaign(losses: int, kills: int, seed: int, folder: Path) -> tuple[Tally, tuple[float, float]]:
    machines = Machines()
    try:
        for name in NAMES:
            machines.add(name)
        one = Campaign(folder, machines, recorded_run(CASES, folder / "recorded"), random.Random(seed))
        scaling = one.scaling()
        print(f"{scaling[0]:.2f} s on one machine, {scaling[1]:.2f} s on all", file=sys.stderr, flush=True)
        one.losses(losses)
        one.kills(kills)
        return one.tally, scaling
    finally:
        machines.close()


def main(losses: int, seed: int) -> int:
    kills = -(-2 * losses // 3)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="machines-") as name:
        found, (alone_s, together_s) = campaign(losses, kills, seed, Path(name))
    left = [child.name() for child in psutil.Process().children(recursive=True)]
    found.wrong += [f"left over: {left}"] if left else []
    again = sum(attempt > 1 for attempt in found.attempts)
    print(f"seed {seed}: {found.sweeps} sweeps of {CASES} cases in {time.monotonic() - began:.0f} s")
    print(
        f"{found.losses} machines lost ({found.silent} of them silent), {found.kills} coordinators killed; {again} "
        "records of a later attempt"
    )
    print(f"{found.taken_for_dead} machines were taken for dead that were only slow")
    for silently, what in ((False, "a loss"), (True, "a silent one")):
        if noticed := found.noticed_s[silently]:
            middle, longest = statistics.median(noticed), max(noticed)
            print(f"{what} was noticed after {middle:.2f} s, {longest:.2f} s at most ({len(noticed)})")
    overhead_s = alone_s / CASES - LONG_CASE_S
    share = alone_s / (len(NAMES) * together_s)
    print(
        f"{CASES} cases of {LONG_CASE_S:g} s: {alone_s:.2f} s on one machine ({overhead_s:.3f} s more a case), ", end=""
    )
    print(f"{together_s:.2f} s on {len(NAMES)}: {share:.1%} of linear; load average {psutil.getloadavg()[0]:.1f}")
    print(f"wrong: {len(found.wrong)}")
    for line in found.wrong:
        print(" ", line)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    if sys.argv[1] == "sweep":
        sweep(*sys.argv[2:6])
    else:
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
