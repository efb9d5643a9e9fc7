"""What a view lacks, and how to get it: the sentences that pages and reports show instead of an empty picture."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import pandas as pd

from workbench.show.markup import code, plain
from workbench.store.record import UNTIMED
from workbench.store.run_folder import command_on
from workbench.views.runs import RunSummary
from workbench.views.shapes import shape_text


def no_runs(profiles: Path) -> str:
    return (
        f"No runs in {code(profiles)} yet. `make sweep` (or `workbench sweep`) measures this machine in about a minute "
        "and a half; `workbench import FILE.ncu-rep`, or the Import page, brings a report made elsewhere."
    )


def unreadable(runs: Sequence[RunSummary], chosen: Sequence[RunSummary], problems: Sequence[str]) -> list[str]:
    """Runs that cannot be read, with what to do; chosen runs that are not finished, with how to go on."""
    found = [f"Run {code(run.name)} cannot be read. {plain(run.problem)}" for run in runs if run.state == "corrupt"]
    found += [plain(run.beside_problem) for run in chosen if run.beside_problem]
    found += [f"Left out: {plain(problem)}" for problem in problems]
    found += [
        f"Run {code(run.name)} is not finished: what it has so far is shown. "
        f"{code(command_on(run.path, 'sweep --resume'))} goes on with it if it was cut off."
        for run in chosen
        if run.state == "unfinished"
    ]
    return found


def no_records(operation: str | None) -> str:
    return (
        f"No record of {code(operation)} passes the filter. Choose another run or fewer filters, or measure it: "
        f"{code(f'workbench sweep {operation or str()}')}."
    )


def no_times(records: pd.DataFrame, operation: str) -> str:
    """Why there are records and no time among them."""
    statuses = records["status"].value_counts()
    backends = set(records["backend"])
    if "unnamed" in set(records["operation"]) or (statuses.index == "ok").all():
        return (
            "An imported report brings counters, no times: times come from `workbench sweep`, never from a profiler. "
            "How long each launch took under ncu stands on the pages Report and Time."
        )
    if backends <= set(UNTIMED):
        return (
            "These kernels were executed without a GPU, for correctness, which is never timed. "
            f"{code(f'workbench sweep {operation}')} on a machine with an NVIDIA GPU times them."
        )
    counts = ", ".join(f"{count} {status}" for status, count in statuses.items())
    return f"None of these records has a time ({counts}). The reasons stand in the table."


def no_counters(runs: Sequence[RunSummary]) -> str:
    name = runs[0].name if runs else "RUN"
    return (
        "No counters were joined to these records. On a machine with an NVIDIA GPU: "
        f"{code(f'workbench profile {name}')}; for a report made elsewhere: "
        f"{code(f'workbench import FILE.ncu-rep --run {name}')}."
    )


def no_build(operation: str) -> str:
    return (
        "These records carry no build facts (a CPU or library variant compiles no CUDA). "
        f"{code(f'workbench build {operation} --arch sm_90')} compiles the CUDA variants without a GPU."
    )


def no_ceilings(runs: Sequence[RunSummary]) -> str:
    names = ", ".join(code(run.name) for run in runs if not run.has_ceilings)
    return f"No ceilings were measured in {names}: floors and shares are missing. `workbench sweep` measures them."


def no_curve(operation: str, sizes: Mapping[str, int]) -> str:
    """`sizes`: the operation's axes, with a usual size of each."""
    if operation == "unnamed":
        return "An imported report holds launches as they were, and no sweep over a size: there is no curve to draw."
    if not sizes:
        return f"No variant of {code(operation)} has an axis to draw a curve along."
    axis, size = max(sizes.items(), key=lambda pair: pair[1])
    values = f"{max(1, size // 16)}:{4 * size}:x2"
    return (
        f"No variant of {code(operation)} was timed at two or more sizes of an axis ({plain(', '.join(sizes))}): "
        f"{code(f'workbench sweep {operation} --{axis} {values}')} measures a curve."
    )


def no_chains() -> str:
    return "No operation of these kernels is a chain of others: a variant whose plan holds all steps of theirs."


def no_parts(operations: Sequence[str]) -> str:
    return (
        "No chain was timed together with the variants that it is made of. Sweep them in one run at the same sizes: "
        f"{code('workbench sweep ' + ' '.join(operations))}."
    )


def no_crossing(devices: int, axis: str) -> str:
    if devices > 1:
        return f"At every {plain(axis)} that was measured on both, the same device is the faster."
    return "One device only. Choose a run of a CPU and one of a GPU with the same sizes to see where they cross."


def counted_elsewhere(records: pd.DataFrame, launches: Container[tuple[str, str]]) -> str:
    """Which shapes do have counters, where the one that is looked at has none."""
    seen = [place in launches for place in zip(records["run"], records["key"], strict=True)]
    shapes = ", ".join(shape_text(shape) for shape in dict.fromkeys(records.loc[seen, "shape"]))
    return f"Counters there are at {plain(shapes)}."
