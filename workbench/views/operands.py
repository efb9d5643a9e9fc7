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
        """Its records with their samples, of each variant the fastest setting; `only` these columns where any are
        named."""
        selection = Filter(
            operations=(self.operation,) if self.operation else (), variants=(self.variant,) if self.variant else ()
        )
        result = read_records([self.run], selection, samples=True, only=only, fastest=True)
        if result.problems:
            raise Problem(result.problems[0], exit_status=2)
        return result.frame


def parse_operands(a: str, b: str, profiles: Path, default_run: str | None = None) -> tuple[Operand, Operand]:
    """Both of a comparison; those that name no run are of `default_run`, else of the newest run that has them all."""
    if default_run is None:
        bare = [text for text in (a, b) if _is_bare_variant(text, profiles)]
        default_run = newest_run(profiles, bare) if bare else None
    return parse_operand(a, profiles, default_run), parse_operand(b, profiles, default_run)


def parse_operand(text: str, profiles: Path, default_run: str | None = None) -> Operand:
    """`RUN`, `RUN:OPERATION/VARIANT`, or `OPERATION/VARIANT` of `default_run` (else of the newest run that has it).

    Raises Problem for a run or variant that does not exist, naming the nearest.
    """
    run_text, colon, variant_text = text.rpartition(":")
    bare = _is_bare_variant(text, profiles)
    if not bare and (not colon or _is_run(text, profiles)):
        return Operand(run_summary(text, profiles))
    if bare:
        run_text = default_run or newest_run(profiles, [text])
    run = run_summary(run_text, profiles)
    operation, slash, variant = variant_text.partition("/")
    if not slash or not variant:
        raise Problem(f"{text}: write a variant as OPERATION/VARIANT, such as scan/serial", exit_status=2)
    if variant_text not in (names := _variants(run)):
        raise unknown(f"variant of run {run.name}", variant_text, names)
    return Operand(run, operation, variant)


def _is_bare_variant(text: str, profiles: Path) -> bool:
    """Whether it is a variant without a run."""
    return ":" not in text and text.count("/") == 1 and not _is_run(text, profiles)


def _is_run(text: str, profiles: Path) -> bool:
    return is_file(profiles / text / "run.json") or is_file(Path(text) / "run.json")


def _variants(run: RunSummary) -> list[str]:
    known = read_records([run], Filter(), only=("operation", "variant")).frame
    return sorted(set(known["operation"] + "/" + known["variant"])) if len(known) else []


def newest_run(profiles: Path, variants: Collection[str] = ()) -> str:
    """The name of the newest finished run that has all of these variants. Problem where there is none, which names the
    nearest of a variant that is in no run."""
    finished = [run for run in list_summaries(profiles) if run.state == "finished"]
    if not finished:
        raise Problem(
            f"{profiles}: no finished run to take the variants from; `make sweep` measures one", exit_status=2
        )
    known: set[str] = set()
    for run in finished:
        if not variants or set(variants) <= (names := set(_variants(run))):
            return run.name
        known |= names
    for variant in variants:
        if variant not in known:
            raise unknown("variant", variant, sorted(known))
    both = " and ".join(variants)
    raise Problem(
        f"{profiles}: no finished run has both {both}; name the run of each, as in RUN:{min(variants)}", exit_status=2
    )
