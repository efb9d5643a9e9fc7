"""`workbench compare --rerun`: two variants, or two commits, measured in turns until the verdict is there."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.problem import Problem
from workbench.temporary import temporary_folder

if TYPE_CHECKING:
    from workbench.views.compare import Comparison

VARIANT = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)?/[a-z0-9_]+")


@dataclass(frozen=True)
class Asked:
    """What is measured, and until when."""

    a: str
    b: str
    variants: str
    """Of two commits: which of their variants, comma-separated."""
    at: str
    """`T=1024 H=512`: sizes; the preset's where none are named."""
    seconds: float
    undecided: int
    """Pairs that may stay so."""
    profiles: Path
    kernels: Path | None = None


def parse_until(text: str) -> int:
    """`undecided=0` → 0. Problem for anything else."""
    found = re.fullmatch(r"undecided=([0-9]{1,6})", text)
    if found is None:
        raise Problem(
            f"--until {text}: write undecided=N, the pairs that may stay so, as in undecided=0", exit_status=2
        )
    return int(found[1])


def rerun(asked: Asked, fail_over: float | None) -> Comparison:
    """Measures in rounds, and judges after each, until at most so many pairs are undecided or the seconds are over."""
    from workbench.cli.terminal import say
    from workbench.statistics.rounds import FEWEST_ROUNDS
    from workbench.views.filter import Filter
    from workbench.views.query import read_records
    from workbench.views.rerun import compared, open_pairs
    from workbench.views.runs import run_summary

    stamp = f"rerun-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    sides: dict[str, tuple[str, int]] = {}
    end = time.monotonic() + asked.seconds
    with _sides(asked) as folders:
        number, longest = 0, 0.0
        while True:
            number += 1
            begin = time.monotonic()
            for side in sorted(folders, reverse=number % 2 == 0):  # A B, B A, A B…
                name = f"{stamp}-{side.lower()}{number}" if len(folders) > 1 else f"{stamp}-{number}"
                _sweep(asked, folders[side], name)
                sides |= {name: (side, number)} if len(folders) > 1 else _both(asked, name, number)
            runs = [run_summary(name, asked.profiles) for name in dict.fromkeys(key.partition(":")[0] for key in sides)]
            result = compared(read_records(runs, Filter(), samples=True, machine_code=False).frame, sides, fail_over)
            longest = max(longest, time.monotonic() - begin)
            left = open_pairs(result)
            print(f"round {number}: {len(result.pairs)} pairs, {left} undecided", file=sys.stderr, flush=True)
            if not result.pairs or (number >= FEWEST_ROUNDS and left <= asked.undecided):
                break
            if time.monotonic() + longest > end:
                say(f"note: another round would take longer than --seconds {asked.seconds:g} leaves")
                break
    return result


def _both(asked: Asked, name: str, number: int) -> dict[str, tuple[str, int]]:
    """Both sides of a round that is one run."""
    return {f"{name}:{one.rpartition('/')[2]}": (side, number) for side, one in (("A", asked.a), ("B", asked.b))}


@contextlib.contextmanager
def _sides(asked: Asked) -> Iterator[dict[str, Path]]:
    """Side → the checkout that is measured; one entry where both are variants of the one at hand."""
    here = Path(__file__).resolve().parents[2]
    if VARIANT.fullmatch(asked.a) and VARIANT.fullmatch(asked.b) and not asked.variants:
        one, other = asked.a.rpartition("/")[0], asked.b.rpartition("/")[0]
        if one != other or asked.a == asked.b:
            raise Problem(f"--rerun {asked.a} {asked.b}: name two variants of one operation", exit_status=2)
        yield {"both": here}
        return
    if not asked.variants:
        raise Problem("--rerun of two commits: say which variants, as in --variants scan/simd", exit_status=2)
    if asked.kernels is not None:
        raise Problem("--kernels: a commit is measured with its own kernels; leave it out", exit_status=2)
    with temporary_folder() as folder:
        found: dict[str, Path] = {}
        try:
            for side, commit in (("A", asked.a), ("B", asked.b)):
                path = folder / side
                done = _git(here, "worktree", "add", "--detach", str(path), commit)
                if done.returncode:
                    why = (done.stderr.strip().splitlines() or ["git is not there"])[-1]
                    what = f"{commit}: cannot be checked out beside {here} ({why})"
                    raise Problem(f"{what}; name a commit, a branch or a tag", exit_status=2)
                found[side] = path
            yield found
        finally:
            for path in found.values():
                _git(here, "worktree", "remove", "--force", str(path))


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(words, 1, "", str(error))


def _sweep(asked: Asked, checkout: Path, name: str) -> None:
    """One run of a checkout's own workbench. Problem with its last line where it fails."""
    variants = asked.variants or f"{asked.a},{asked.b}"
    command = [sys.executable, "-m", "workbench", "sweep", "--variants", variants, "--name", name]
    command += ["--profiles", str(asked.profiles.resolve()), "--preset", "quick", *_sizes(asked.at)]
    command += ["--kernels", str(asked.kernels.resolve())] if asked.kernels else []
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, cwd=checkout, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        raise Problem(f"{checkout.name}: {told.removeprefix('workbench: ')}", exit_status=2)


def _sizes(at: str) -> list[str]:
    """`T=1024 H=512` as options of a sweep. Problem for anything else."""
    words = at.replace(",", " ").split()
    for word in words:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*=[1-9][0-9]{0,17}", word):
            raise Problem(f"--at {at}: write sizes as T=1024 H=512", exit_status=2)
    return [part for word in words for part in (f"--{word.partition('=')[0]}", word.partition("=")[2])]
