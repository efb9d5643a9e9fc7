"""The run of a commit: what a newer run is held against."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench.problem import Problem
from workbench.views.runs import RunSummary

FAR_ENOUGH = 2000
"""Commits looked through, back from the one that is named, for one that was measured."""


def run_since(commit: str, run: RunSummary, runs: Sequence[RunSummary], folder: Path) -> RunSummary:
    """The newest of `runs` made at `commit`, on the host and device of `run` and before it. `commit`: a hash or its
    beginning, or whatever git understands in `folder` (`main`, `HEAD~3`): then, where that commit was not measured, the
    nearest before it that was.

    Raises Problem where there is none, naming the commits that were measured.
    """
    able = [
        one
        for one in runs
        if one.state != "corrupt" and one.commit and one.name != run.name and one.created <= run.created
        and one.device == run.device and set(one.hosts) & set(run.hosts)
    ]  # fmt: skip
    for wanted in (commit, *_history(commit, folder)):
        exact = [one for one in able if _is_at(one, wanted)]
        if exact:
            return min(exact, key=lambda one: one.commit.endswith("+"))  # the newest, one of unchanged files first
    known = ", ".join(list(dict.fromkeys(one.commit for one in able))[:5]) or "none"
    raise Problem(
        f"--since {commit}: no run on {' and '.join(run.hosts) or 'this host'} ({run.device}) was made at it or before "
        f"it; measured commits: {known}",
        exit_status=2,
    )


def _is_at(run: RunSummary, commit: str) -> bool:
    measured = run.commit.removesuffix("+")
    return len(commit) >= 4 and (measured.startswith(commit) or commit.startswith(measured))


def _history(commit: str, folder: Path) -> list[str]:
    """The hashes of a revision and of those before it, the nearest first; empty where git does not know it."""
    command = ["git", "-C", str(folder), "log", "--format=%H", f"--max-count={FAR_ENOUGH}", "--end-of-options", commit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []
