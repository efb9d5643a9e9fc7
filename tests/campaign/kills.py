"""Kills and resumes of a small sweep, and kills of imports: coordinator, server, workers and case maker, at random
moments, by every signal, to one process or the whole group.

After each: nothing finished was lost, repeated or changed. At the end: nothing of it is left anywhere.

    python -m tests.campaign.kills KILLS SEED
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.campaign.sweeps import NEW, RECORDS, Started, alive_in, start
from workbench.store.run_folder import open_run

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
MOST_WRONG = 20
REPORT = '"ID","Kernel Name","Block Size","Grid Size","gpu__time_duration.sum"\n"","","","","ns"\n' + "".join(
    f'"{n}","kernel_{n}","(32, 1, 1)","(4, 1, 1)","{100 + n}"\n' for n in range(40)
)


@dataclass
class Tally:
    """What happened, and what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    finished_runs: int = 0
    refused: int = 0
    """Second writers that were told of the first."""
    wrong: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return sum(self.kills.values())


@dataclass
class Campaign:
    """`folder` takes runs and temporary files."""

    folder: Path
    chance: random.Random
    tally: Tally = field(default_factory=Tally)
    typical_s: float = 2.0
    """What a sweep takes on this machine at this time; kills come within it."""

    def sweeps(self, kills: int) -> None:
        """So many kills, in as many runs as they last for."""
        while self.tally.done < kills and len(self.tally.wrong) < MOST_WRONG:
            run = self.folder / "profiles" / f"run-{self.tally.finished_runs}"
            before: list[str] = []
            while not finished(run) and len(self.tally.wrong) < MOST_WRONG:
                before = self._once(run, before, self.tally.done < kills)
            self._check_whole(run, before)
            self.tally.finished_runs += 1

    def _once(self, run: Path, before: list[str], killing: bool) -> list[str]:
        """Starts or goes on with the run, kills something after a while; the records that are there then."""
        began_s = time.monotonic()
        resume = ("sweep", "--profiles", str(run.parent), "--resume", run.name)
        is_there = (run / "run.json").is_file()
        command = resume if is_there else ("sweep", "--profiles", str(run.parent), *NEW, "--name", run.name)
        sweep = start(command, self.folder)
        second = start(resume, self.folder) if is_there and self.chance.random() < 0.2 else None
        what, was_going = "", False
        if killing:
            time.sleep(self.chance.uniform(0.0, self.typical_s))
            was_going = "build:" in sweep.said()
            what = self._kill_something(sweep)
            self.tally.kills.update([what] if what else [])
        status = sweep.wait()
        if not what:
            self.typical_s = 0.7 * self.typical_s + 0.3 * (time.monotonic() - began_s)
        self._judge(f"{run.name}: {what or 'left alone'}", sweep, status)
        asked = what.startswith(("coordinator", "group")) and "KILL" not in what and status not in (0, 1)
        # Before it goes on with the run, and while it prints a finished one, there is nothing to go on with.
        if asked and was_going and not finished(run) and f"--resume {run.name}" not in sweep.said():
            self.tally.wrong.append(f"{run.name}: no word of how to go on after {what}: {sweep.said()[-300:]!r}")
        if second is not None:
            self._judge(f"{run.name}: second writer", second, second.wait())
            self.tally.refused += "is being written by process" in second.said()
        after = lines(run)
        if after[: len(before)] != before:
            self.tally.wrong.append(f"{run.name}: a finished record was lost or changed after {what}")
        return after

    def imports(self, kills: int) -> None:
        """Kills of imports: each run is there whole or not at all, and what they left goes with the next import."""
        report, profiles = self.folder / "page.csv", self.folder / "imports"
        report.write_text(REPORT)
        command = ("import", str(report), "--profiles", str(profiles))
        longest = 0.5
        for number in range(kills + 1):
            began_s = time.monotonic()
            bringing = start(command, self.folder)
            what = ""
            if number < kills:
                time.sleep(self.chance.uniform(0.0, longest))
                signal_, group = self.chance.choice(SIGNALS), self.chance.random() < 0.5
                what = f"import {signal_.name}" if bringing.signal(signal_, group) else ""
                self.tally.kills.update([what] if what else [])
            status = bringing.wait()
            longest = longest if what else max(longest, time.monotonic() - began_s)
            self._judge(f"import after {what}", bringing, status)
            for run in profiles.glob("[!.]*"):
                folder = open_run(run)
                if not folder.run.finished or len(folder.records()) != 40 or not (run / "counters.parquet").is_file():
                    self.tally.wrong.append(f"{run.name}: half imported after {what}")
        hidden = [p.name for p in profiles.glob(".*")]
        self.tally.wrong += [f"imports left {hidden}"] if hidden else []

    def end(self) -> Tally:
        """Nothing is left of all these processes."""
        left = [str(p.relative_to(self.folder)) for p in (self.folder / "tmp").rglob("*")]
        self.tally.wrong += [f"left over: {name}" for name in left]
        return self.tally

    def _kill_something(self, sweep: Started) -> str:
        """Sends a signal to the coordinator, its group, or one of the processes below it; which, and to whom."""
        number = self.chance.choice(SIGNALS)
        whom = self.chance.choice(("coordinator", "group", "below", "below"))
        if whom == "below":
            below = [pid for pid in alive_in(sweep.pid) if pid != sweep.pid]
            if not below or sweep.poll() is not None:
                return ""
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(below), number)
        elif not sweep.signal(number, group=whom == "group"):
            return ""
        return f"{whom} {number.name}"

    def _judge(self, what: str, command: Started, status: int | None) -> None:
        """No hang, no traceback, and no process that outlives it."""
        if status is None:
            self.tally.wrong.append(f"{what}: hangs")
        if "Traceback" in command.said():
            self.tally.wrong.append(f"{what}: {command.said()[-1500:]}")
        deadline = time.monotonic() + 60
        while (left := alive_in(command.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        if left:
            self.tally.wrong.append(f"{what}: {len(left)} processes are left")

    def _check_whole(self, run: Path, before: list[str]) -> None:
        keys = Counter(record.key for record in open_run(run).records())
        if len(keys) != RECORDS or set(keys.values()) != {1}:
            self.tally.wrong.append(f"{run.name}: {len(keys)} records instead of {RECORDS}, {keys.most_common(1)}")
        beside = {p.name for p in run.iterdir()} - {"run.json", "records.parquet"}
        beside |= {p.name for p in run.parent.glob(".*")}
        if beside:
            self.tally.wrong.append(f"{run.name}: also there is {beside}")
        if lines(run) != before:
            self.tally.wrong.append(f"{run.name}: changed by being finished")


def lines(run: Path) -> list[str]:
    """Whole lines of the run's records; of a finished run what its table gives back as lines."""
    if finished(run):
        return [r.model_dump_json(by_alias=True, exclude={"counters"}) for r in open_run(run).records()]
    file = run / "records.jsonl"
    if not file.is_file():
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    found = whole.split("\n") if whole else []
    for line in found:
        json.loads(line)
    return found


def finished(run: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return bool(json.loads((run / "run.json").read_text())["finished"])
    return False


def campaign(kills: int, one: Campaign) -> Tally:
    """So many kills of sweeps, and a sixth as many of imports. Ended by a signal it tells what there was until then."""
    with contextlib.suppress(KeyboardInterrupt):
        one.sweeps(kills)
        one.imports(-(-kills // 6))
        return one.end()
    for left in psutil.Process().children(recursive=True):
        left.kill()
    return one.tally


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        began = time.monotonic()
        found = campaign(count, Campaign(Path(name), random.Random(seed)))
        print(
            f"seed {seed}: {found.done} kills in {time.monotonic() - began:.0f} s, {dict(sorted(found.kills.items()))}"
        )
        print(f"{found.finished_runs} runs finished, {found.refused} second writers refused; wrong: {len(found.wrong)}")
        for line in found.wrong:
            print(" ", line)
        sys.exit(1 if found.wrong else 0)
