"""The exact ncu command of a profile. `profiles/ncu_profile.sh` writes the same one; a test holds them together."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.execute.ranges import DOMAIN, range_name
from workbench.problem import Problem

SECTIONS = (
    "LaunchStats",
    "Occupancy",
    "SpeedOfLight",
    "SpeedOfLight_RooflineChart",
    "ComputeWorkloadAnalysis",
    "MemoryWorkloadAnalysis",
    "MemoryWorkloadAnalysis_Chart",
    "MemoryWorkloadAnalysis_Tables",
    "SchedulerStats",
    "WarpStateStats",
    "InstructionStats",
    "SourceCounters",
)
"""Every section is as old as ncu 2021; a metric that a chip lacks only warns inside one, and fails in --metrics."""

NAME = re.compile(r"[A-Za-z0-9_.:*\\-]+")


@dataclass(frozen=True)
class Collection:
    """What ncu is to collect."""

    sections: tuple[str, ...] = SECTIONS
    set_: str = ""
    """Instead of the sections, one of ncu's own sets: basic, detailed, full, roofline."""
    cache_control: str = "all"
    """`all` flushes the caches before every replay (cold), `none` leaves them (as in a pipeline)."""

    def flags(self) -> list[str]:
        for name in (*self.sections, self.set_):
            if name and not NAME.fullmatch(name):
                raise Problem(f"section {name}: not a name of ncu's; ncu --list-sections shows them", exit_status=2)
        if self.cache_control not in ("all", "none"):
            raise Problem(f"--cache {self.cache_control}: all (cold) or none (as in a pipeline)", exit_status=2)
        chosen = ["--set", self.set_] if self.set_ else [w for name in self.sections for w in ("--section", name)]
        return [
            *chosen,
            "--clock-control", "none",
            "--cache-control", self.cache_control,
            "--replay-mode", "kernel",
            "--target-processes", "all",
            "--import-source", "yes",
        ]  # fmt: skip


def ncu_command(
    ncu: str,
    selection: Path,
    keys: Sequence[tuple[str, str]],
    output: Path,
    collection: Collection,
    python: str = sys.executable,
) -> list[str]:
    """ncu over `replay` of a selection. `keys` are (key, pass): a forward pass is filtered by its push/pop range,
    another one by the start/end range that work on other threads lies in too."""
    filters = []
    for key, pass_ in keys:
        slash = "/" if pass_ == "forward" else ""
        filters += ["--nvtx-include", f"{DOMAIN}@{range_name(key)}{slash}"]
    replay = [python, "-m", "workbench.profile.replay", str(selection)]
    return [ncu, "--nvtx", *filters, *collection.flags(), "-f", "-o", str(output), *replay]


def find_ncu(named: str | None = None) -> str:
    """The profiler's program. Raises Problem where there is none or it does not run."""
    path = shutil.which(named or "ncu")
    if path is None:
        raise Problem(
            f"{named or 'ncu'}: no such program; install Nsight Compute and put ncu on PATH, or profile elsewhere "
            "(--print-command, profiles/ncu_profile.sh) and bring the report: workbench import FILE --run RUN"
        )
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"{path}: does not run ({error}); reinstall Nsight Compute") from None
    if done.returncode or "Version" not in done.stdout:
        raise Problem(f"{path} --version fails; it is no ncu, or a broken one: reinstall Nsight Compute")
    return path
