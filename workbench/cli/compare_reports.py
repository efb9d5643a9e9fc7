"""`workbench compare A.ncu-rep B.ncu-rep`: two reports of a profiler, counter by counter.

Nothing here is a verdict: a profiler's durations are no times.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

    from workbench.views.report_pairs import Matched

KERNELS_SHOWN = 8
"""Kernels whose figures are printed, those with most time; --csv and --json have all."""
NOTHING_MATCHED = 2


def compare_reports(a: str, b: str, profiles: Path, csv: Path | None, as_json: bool) -> int:
    """Prints what differs between two reports (files, or runs that were imported); the exit status."""
    from workbench.views.report_pairs import counter_pairs, figure_pairs, is_report, kernel_pairs, match, read_side

    for text, other in ((a, b), (b, a)):
        if Path(text).suffix in (".ncu-rep", ".ncu-repz") and not is_report(text, profiles):
            raise Problem(f"{text}: no such file, to compare with {other}", exit_status=2)
    matched = match(read_side(a, profiles), read_side(b, profiles))
    kernels, figures = kernel_pairs(matched), figure_pairs(matched)
    if csv is not None:
        from workbench.durable import write_whole

        write_whole(csv, counter_pairs(matched).to_csv(index=False).encode(errors="replace"))
    if as_json:
        print(json.dumps(_plain(matched, kernels, figures, counter_pairs(matched)), indent=2))
    else:
        _print(a, b, matched, kernels, figures, csv)
    return 0 if matched.matches else NOTHING_MATCHED


def _plain(matched: Matched, kernels: pd.DataFrame, figures: pd.DataFrame, counters: pd.DataFrame) -> dict[str, object]:
    def rows(frame: pd.DataFrame) -> object:
        return json.loads(frame.to_json(orient="records"))

    return {
        "under_the_profiler": True,
        "kernels": rows(kernels),
        "figures": rows(figures),
        "counters": rows(counters),
        "only_a": [one.signature for one in matched.only_a],
        "only_b": [one.signature for one in matched.only_b],
        "notes": list(matched.notes),
    }


def _print(
    a: str, b: str, matched: Matched, kernels: pd.DataFrame, figures: pd.DataFrame, csv: Path | None
) -> None:  # fmt: skip
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.quantity import quantity
    from workbench.views.report_pairs import SAME
    from workbench.views.rows import dicts_of, number_of

    def of(value: object, unit: str = "") -> str:
        return quantity(number_of(value), unit)

    if len(kernels):
        headings = ("kernel", "matched by", "launches A", "launches B", "time A", "time B", "B ÷ A", "figures apart")
        rows = [
            Row([row["kernel"], row["matched_by"], str(row["launches_a"]), str(row["launches_b"]),
                 of(row["duration_a_s"], "s"), of(row["duration_b_s"], "s"), of(row["b_over_a"], "x"),
                 str(row["differing"])])
            for row in dicts_of(kernels)
        ]  # fmt: skip
        title = f"B = {b}  against  A = {a}: under the profiler, per launch"
        print_table(title, [Column(h, right=h not in headings[:2]) for h in headings], rows)
    longest = kernels.sort_values("duration_a_s", ascending=False, na_position="last", kind="stable")["kernel"]
    for name in list(longest)[:KERNELS_SHOWN]:
        own = figures[figures["kernel"] == name]
        apart = own[own["b_over_a"].isna() | ((own["b_over_a"] - 1).abs() > SAME)]
        if apart.empty:
            say(f"\n{name}: no figure is apart by more than {quantity(SAME, '%')}")
            continue
        print()
        rows = [
            Row([row["group"], row["counter"], of(row["value_a"], row["unit"]), of(row["value_b"], row["unit"]),
                 of(row["b_over_a"], "x")])
            for row in dicts_of(apart)
        ]  # fmt: skip
        print_table(name, [Column("group"), Column("counter"), *(Column(h, True) for h in ("A", "B", "B ÷ A"))], rows)
    if len(longest) > KERNELS_SHOWN:
        say(f"\n… and {len(longest) - KERNELS_SHOWN} kernels that took less time: --csv FILE has the counters of all")
    for side, only in (("A", matched.only_a), ("B", matched.only_b)):
        for signature in dict.fromkeys(one.signature for one in only):
            say(f"only in {side}: {signature}")
    for note in matched.notes:
        say(f"note: {note}")
    if not matched.matches:
        say("no kernel of one report is in the other", style="bold")
    if csv is not None:
        say(f"every counter stands in {csv}")
    say("durations of a profiler are no times: there is no verdict; workbench sweep and compare give one", style="dim")
