"""What `A` and `B` name in a comparison: a run, a variant, or a variant of a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.foreign import is_file
from workbench.problem import Problem, unknown
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import RunSummary, list_summaries, run_summary


@dataclass(frozen=True)
class Operand:
    """One of the two: a run, and the operation and variant, where they were named."""

    run: RunSummary
    operation: str | None = None
    variant: str | None = None

    def records(self, only: Collection[str] = ()) -> pd.DataFrame:
        """Its records with their samples; `only` these columns where any are named."""
        selection = Filter(
            operations=(self.operation,) if self.operation else (), variants=(self.variant,) if self.variant else ()
        )
        result = read_records([self.run], selection, samples=True, only=only)
        if result.problems:
            raise Problem(result.problems[0], exit_status=2)
        return result.frame


def parse_operand(text: str, profiles: Path, default_run: str | None = None) -> Operand:
    """`RUN`, `RUN:OPERATION/VARIANT`, or `OPERATION/VARIANT` of `default_run` (else of the newest run).

    Raises Problem for a run or variant that does not exist, naming the nearest.
    """
    run_text, colon, variant_text = text.rpartition(":")
    looks_like_run = is_file(profiles / text / "run.json") or is_file(Path(text) / "run.json")
    if looks_like_run or (not colon and text.count("/") != 1):
        return Operand(run_summary(text, profiles))
    if not colon:
        run_text = default_run or newest_run(profiles)
    run = run_summary(run_text, profiles)
    operation, slash, variant = variant_text.partition("/")
    if not slash or not variant:
        raise Problem(f"{text}: write a variant as OPERATION/VARIANT, such as scan/serial", exit_status=2)
    known = read_records([run], Filter(), only=("operation", "variant")).frame
    names = sorted(set(known["operation"] + "/" + known["variant"])) if len(known) else []
    if variant_text not in names:
        raise unknown(f"variant of run {run.name}", variant_text, names)
    return Operand(run, operation, variant)


def newest_run(profiles: Path) -> str:
    """The name of the newest finished run. Problem where there is none."""
    for run in list_summaries(profiles):
        if run.state == "finished":
            return run.name
    raise Problem(f"{profiles}: no finished run to take the variants from; `make sweep` measures one", exit_status=2)
