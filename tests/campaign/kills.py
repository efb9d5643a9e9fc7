"""Kills and resumes of a small sweep: coordinator, server, workers and case maker, at random moments, by every signal.

`campaign` asserts after each that nothing finished was lost, repeated or changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workbench.store.run_folder import open_run
from workbench.temporary import IN_MEMORY, PREFIX, is_left_over

ROOT = Path(__file__).parents[2]
FAULTY = ROOT / "tests" / "sweep" / "faulty"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SIZES = ",".join(str(3_000 + 500 * n) for n in range(5))
VARIANTS = "plain,torch,wrong"
RECORDS = 3 * 5
LONGEST_S = 240.0
"""A sweep or the rest of one that takes longer hangs."""


@dataclass
class Tally:
    """What happened, and what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    finished_runs: int = 0
    wrong: list[str] = field(default_factory=list)


def campaign(kills: int, seed: int, folder: Path) -> Tally:
    """So many kills, in as many runs as they last for. `folder` takes runs and temporary files."""
    chance = random.Random(seed)
    tally = Tally()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    number = 0
    while sum(tally.kills.values()) < kills:
        run = folder / "profiles" / f"run-{number}"
        number += 1
        before: list[str] = []
        while not _finished(run):
            killing = sum(tally.kills.values()) < kills
            before = _once(run, chance if killing else None, before, tally)
            if len(tally.wrong) > 20:
                return tally
        _check_whole(run, before, tally)
        tally.finished_runs += 1
    left = [p.name for place in (IN_MEMORY, folder / "tmp") for p in place.glob(f"{PREFIX}*") if is_left_over(p)]
    tally.wrong += [f"left over: {name}" for name in left]
    return tally


def _once(run: Path, chance: random.Random | None, before: list[str], tally: Tally) -> list[str]:
    """Starts or goes on with the run, kills something after a while, and returns the records that are there then."""
    command = [sys.executable, "-m", "workbench.cli", "sweep", "--profiles", str(run.parent)]
    if (run / "run.json").is_file():
        command += ["--resume", run.name]
    else:
        command += ["--kernels", str(FAULTY), "--variants", VARIANTS, "--n", SIZES, "--device", "cpu"]
        command += ["--name", run.name, "--timeout", "30"]
    environment = {**os.environ, "TMPDIR": str(run.parents[1] / "tmp")}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    what = ""
    if chance is not None:
        time.sleep(chance.uniform(0.0, 6.0))
        what = _kill_something(process, chance)
        if what:
            tally.kills[what] += 1
    try:
        _, errors = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        tally.wrong.append(f"{run.name}: hangs after {what}")
        return before
    began = (run / "run.json").is_file()
    if "Traceback" in errors:
        tally.wrong.append(f"{run.name}: traceback after {what}: {errors.strip().splitlines()[-1]}")
    ended = what.startswith("coordinator") and "KILL" not in what and process.returncode not in (0, 1)
    if ended and began and "--resume" not in errors and "interrupted" not in errors:
        tally.wrong.append(f"{run.name}: no word of how to go on after {what}: {errors[-300:]!r}")
    after = _lines(run)
    if after[: len(before)] != before:
        tally.wrong.append(f"{run.name}: a finished record was lost or changed after {what}")
    return after


def _kill_something(process: subprocess.Popen[str], chance: random.Random) -> str:
    """Sends one signal to the coordinator or to one of the processes below it; which, and to whom."""
    number = chance.choice(SIGNALS)
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if chance.random() < 0.5:
            if process.poll() is None:
                process.send_signal(number)
                return f"coordinator {number.name}"
            return ""
        below = psutil.Process(process.pid).children(recursive=True)
        if below:
            victim = chance.choice(below)
            victim.send_signal(number)
            return f"below {number.name}"
    return ""


def _lines(run: Path) -> list[str]:
    """Whole lines of the run's records; of a finished run what its table gives back as lines."""
    if _finished(run):
        return [r.model_dump_json(by_alias=True, exclude={"counters"}) for r in open_run(run).records()]
    file = run / "records.jsonl"
    if not file.is_file():
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    lines = whole.split("\n") if whole else []
    for line in lines:
        json.loads(line)
    return lines


def _finished(run: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads((run / "run.json").read_text())["finished"])
    return False


def _check_whole(run: Path, before: list[str], tally: Tally) -> None:
    keys = Counter(record.key for record in open_run(run).records())
    if len(keys) != RECORDS or set(keys.values()) != {1}:
        tally.wrong.append(f"{run.name}: {len(keys)} records instead of {RECORDS}, {keys.most_common(1)}")
    beside = {p.name for p in run.iterdir()} - {"run.json", "records.parquet"}
    if beside:
        tally.wrong.append(f"{run.name}: also holds {beside}")
    if _lines(run) != before:
        tally.wrong.append(f"{run.name}: changed by being finished")


if __name__ == "__main__":
    import tempfile

    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        began = time.monotonic()
        found = campaign(count, seed, Path(name))
        print(
            f"seed {seed}: {sum(found.kills.values())} kills in {time.monotonic() - began:.0f} s, {dict(found.kills)}"
        )
        print(f"{found.finished_runs} runs finished; wrong: {len(found.wrong)}")
        for line in found.wrong:
            print(" ", line)
        sys.exit(1 if found.wrong else 0)
