"""Ranks of a training killed at random moments: while they start, find each other, step, or write a checkpoint; and one
of two machines lost with all that ran on it.

Each training ends with the weights of one that nobody disturbed, and nothing of it stays.

    python -m tests.campaign.ranks KILLS SEED
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from tests.distributed.mixer import trained_alone
from tests.distributed.ranks import free_port, on_ranks
from tests.distributed.test_schemes import on_mesh
from tests.distributed.trainings import ENVIRONMENT, command, difference, left_over, ranks_of
from workbench.distributed.mesh import Sizes

MOST_PER_TRAINING = 3
LIMIT_S = 300.0
"""Of a training with its restarts, on a machine that is busy with other things: what takes longer hangs."""
TOLERANCE = 1e-12
COMMANDS = 0.3
"""The share of trainings whose command is killed too; another one goes on, over the same ranks or others."""
SIZES = (("--data", 2), ("--data", 2, "--sharded"), ("--sequence", 2), ("--pipeline", "time"))


@dataclass
class Tally:
    """What happened, and what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what the rank did when it was killed."""
    trainings: int = 0
    commands: int = 0
    """Commands that were killed."""
    restarts: int = 0
    largest_difference: float = 0.0
    lost_s: list[float] = field(default_factory=list)
    """From each kill to the next step that a rank finished."""
    wrong: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return sum(self.kills.values())


@dataclass
class Campaign:
    folder: Path
    chance: random.Random
    tally: Tally = field(default_factory=Tally)
    typical_s: float = 8.0
    """From a start of the ranks to the end of the training; kills come within it."""

    def run(self, kills: int) -> Tally:
        while self.tally.done < kills:
            self._training(min(MOST_PER_TRAINING, kills - self.tally.done))
        return self.tally

    def _training(self, kills: int) -> None:
        out = self.folder / str(self.tally.trainings)
        self.tally.trainings += 1
        options, process = self._start(out)
        end_s = time.monotonic() + LIMIT_S
        for _ in range(kills):
            self._kill(out, process, end_s)
        if process.poll() is None and self.chance.random() < COMMANDS:
            process.kill()
            process.communicate()
            self.tally.commands += 1
            while left_over(out) and time.monotonic() < end_s:
                time.sleep(0.05)
            if left := left_over(out):
                self.tally.wrong.append(f"{out.name} {options}: {len(left)} processes outlive their command")
            options, process = self._start(out)  # goes on, over whatever ranks
        began_s = time.monotonic()
        try:
            said, error = process.communicate(timeout=max(1.0, end_s - began_s))
        except subprocess.TimeoutExpired:
            process.kill()
            self.tally.wrong.append(f"{out.name} {options}: hangs")
            return
        self.typical_s = 0.7 * self.typical_s + 0.3 * (time.monotonic() - began_s)
        if process.returncode:
            self.tally.wrong.append(f"{out.name} {options}: status {process.returncode}, {error}")
            return
        self.tally.restarts += json.loads(said)["restarts"]
        off = difference(out)
        self.tally.largest_difference = max(self.tally.largest_difference, off)
        if not off < TOLERANCE:
            self.tally.wrong.append(f"{out.name} {options}: weights differ by {off}")
        if left := left_over(out):
            self.tally.wrong.append(f"{out.name} {options}: {len(left)} processes are left")

    def _start(self, out: Path) -> tuple[tuple[object, ...], subprocess.Popen[str]]:
        options = (*self.chance.choice(SIZES), "--checkpoint-every", 3, "--restarts", MOST_PER_TRAINING + 1)
        return options, subprocess.Popen(
            command(out, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**ENVIRONMENT, "STEP_PAUSE_S": "0.1"},
        )  # fmt: skip

    def _kill(self, out: Path, process: subprocess.Popen[str], end_s: float) -> None:
        """One of the ranks, after a while; nothing where the training has ended."""
        while process.poll() is None and not ranks_of(out) and time.monotonic() < end_s:
            time.sleep(0.05)
        time.sleep(self.chance.uniform(0.0, self.typical_s))
        ranks = ranks_of(out)
        if not ranks or process.poll() is not None:
            return
        before = _steps(out)
        victim = self.chance.choice(sorted(ranks))
        doing = _doing(out, ranks[victim])
        try:
            ranks[victim].kill()
        except psutil.NoSuchProcess:
            return
        self.tally.kills.update([doing])
        killed_s = time.monotonic()
        while process.poll() is None and _steps(out) <= before + 1 and time.monotonic() < end_s:
            time.sleep(0.05)
        self.tally.lost_s.append(time.monotonic() - killed_s)


def _eight(folder: Path) -> float:
    """Data, sequence and tensor ranks at once, two of each: the largest relative difference of a weight."""
    alone = trained_alone()
    ranks = on_ranks(8, on_mesh, Sizes(2, 2, 2), folder=folder)
    return max(float((found[name] - value).norm() / value.norm()) for found in ranks for name, value in alone.items())


def _lost_machine(out: Path) -> float:
    """Two machines, which are commands here, of one rank each: that of the second is killed with all that it started,
    and started again. The largest relative difference of a weight; infinite where one of them fails."""
    address = f"127.0.0.1:{free_port()}"

    def start(number: int) -> subprocess.Popen[str]:
        options = ("--data", 2, "--machines", 2, "--machine", number, "--address", address, "--checkpoint-every", 3)
        return subprocess.Popen(
            command(out, *options, "--restarts", MOST_PER_TRAINING + 1), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True, env={**ENVIRONMENT, "STEP_PAUSE_S": "0.3"},
        )  # fmt: skip

    first, second = start(0), start(1)
    end_s = time.monotonic() + LIMIT_S
    while not any((out / "checkpoints").glob("step-*")) and time.monotonic() < end_s:
        time.sleep(0.05)
    second.kill()
    second.wait()
    second = start(1)
    try:
        ended = [one.wait(max(1.0, end_s - time.monotonic())) for one in (first, second)]
    except subprocess.TimeoutExpired:
        first.kill()
        second.kill()
        return math.inf
    return difference(out) if ended == [0, 0] else math.inf


def _steps(out: Path) -> int:
    """Steps of the first rank, done again or not."""
    file = out / "rank-0.jsonl"
    return file.read_text().count('"step"') if file.is_file() else 0


def _doing(out: Path, rank: psutil.Process) -> str:
    if any((out / "checkpoints").glob(".part-*")):
        return "writing a checkpoint"
    file = out / f"rank-{rank.environ()['RANK']}.jsonl"
    began = file.is_file() and file.stat().st_mtime > rank.create_time()
    return "stepping" if began else "starting"


if __name__ == "__main__":
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory(prefix="ranks-") as name:
        began = time.monotonic()
        off = _eight(Path(name) / "eight")
        print(f"2 × 2 × 2 ranks: difference {off:.1e}")
        lost = _lost_machine(Path(name) / "machines")
        print(f"one of two machines lost: difference {lost:.1e}")
        found = Campaign(Path(name), random.Random(seed)).run(count)
        took = time.monotonic() - began
        print(f"seed {seed}: {found.done} kills in {took:.0f} s, {dict(sorted(found.kills.items()))}")
        print(f"{found.trainings} trainings, {found.restarts} restarts, {found.commands} commands killed as well")
        print(f"weights differ by {found.largest_difference:.1e} at most")
        print(f"a kill cost {median(found.lost_s):.1f} s, {max(found.lost_s):.1f} s at most; wrong: {len(found.wrong)}")
        for line in found.wrong:
            print(" ", line)
        sys.exit(1 if found.wrong or not max(off, lost) < TOLERANCE else 0)
