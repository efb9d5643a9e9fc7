"""`workbench compare`: two runs or two variants, a verdict for each problem that both solve; or two reports of a
profiler, counter by counter."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Json, Kernels, Profiles, check_timeout, decimal_number
from workbench.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

    from workbench.model.rungs import Rung
    from workbench.views.compare import Comparison
    from workbench.views.operands import Operand

STYLE = {"slower": "bold red", "faster": "green", "same": "", "undecided": "yellow"}


def command(
    a: Annotated[
        str, typer.Argument(metavar="A", help="RUN, RUN:OPERATION/VARIANT, OPERATION/VARIANT or a .ncu-rep.")
    ] = "",
    b: Annotated[str, typer.Argument(metavar="B", help="What is judged against A, named the same way.")] = "",
    since: Annotated[
        str,
        typer.Option(metavar="COMMIT", help="A is the run of this commit: only B is named, the newest run if none."),
    ] = "",
    run: Annotated[str, typer.Option(help="The run of a variant named without one; the newest by default.")] = "",
    fail_over: Annotated[str, typer.Option(help="Let slowdowns up to this pass, as in 5%.")] = "",
    across_devices: Annotated[bool, typer.Option("--across-devices", help="Compare times of two devices.")] = False,
    across_timers: Annotated[bool, typer.Option("--across-timers", help="Compare times of two timers.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for a pull request.")] = False,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Measure A and B, two variants or two commits, in turns until decided.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(parser=decimal_number, metavar="SECONDS", help="With --rerun: most time to spend.")
    ] = 120.0,
    until: Annotated[str, typer.Option(help="With --rerun: pairs that may stay undecided.")] = "undecided=0",
    variants: Annotated[str, typer.Option(help="With --rerun of commits: which variants, as in scan/simd.")] = "",
    at: Annotated[str, typer.Option(metavar="SIZES", help="With --rerun: T=1024 H=512; a preset's if none.")] = "",
    kernels: Kernels = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML too.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was compared as CSV too.")] = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Is B faster or slower than A? Verdicts from the interval of the ratio against the recorded noise.

    Two reports of Nsight Compute (files, or runs that were imported) are laid side by side counter by counter, with no
    verdict: exit status 0, or 2 where they have no kernel in common.

    Exit status: 0 nothing is slower; 1 something is; 2 it cannot be excluded that something is (undecided, disturbed,
    or nothing to compare).
    """
    from workbench.cli.compare_reports import compare_reports
    from workbench.cli.rerun import Asked, parse_until
    from workbench.cli.rerun import rerun as measured
    from workbench.show.compare_text import as_json as plain
    from workbench.show.compare_text import as_markdown
    from workbench.views.compare import COMPARED_BY, compare
    from workbench.views.operands import parse_operands
    from workbench.views.report_pairs import is_report
    from workbench.views.simulated import differing

    margin = parse_share(fail_over) if fail_over else None
    if since:
        a, b = _since(since, a, b, profiles)
    if not a or not b:
        raise Problem("Missing argument 'B': name A and B, or with --since COMMIT B alone, or none", exit_status=2)
    if not rerun and any(is_report(text, profiles) or text.endswith(".ncu-rep") for text in (a, b)):
        raise typer.Exit(compare_reports(a, b, profiles, csv, as_json))
    counted = None
    if rerun:
        limit = check_timeout(seconds, "--seconds")
        result = measured(Asked(a, b, variants, at, limit, parse_until(until), profiles, kernels), margin)
    else:
        side_a, side_b = parse_operands(a, b, profiles, run or None)
        with ThreadPoolExecutor() as threads:  # a large file keeps one core busy
            records_a, records_b = threads.map(lambda side: side.records(COMPARED_BY), (side_a, side_b))
        result = compare(
            records_a,
            records_b,
            same_variant=not (side_a.variant and side_b.variant),
            across_devices=across_devices,
            across_timers=across_timers,
            fail_over=margin,
        )
        stale = (*_stale(side_a, records_a, "A"), *_stale(side_b, records_b, "B"))
        result = replace(result, notes=(*result.notes, *stale))
        counted = differing(records_a, records_b, not (side_a.variant and side_b.variant))
    if junit is not None:
        from workbench.durable import write_whole
        from workbench.show.junit import as_junit

        write_whole(junit, as_junit(result, a, b))
    if csv is not None:
        from workbench.durable import write_whole

        write_whole(csv, result.frame().to_csv(index=False).encode(errors="replace"))
    if as_json:
        import json

        more = {} if counted is None else {"counted": counted.to_dict("records")}
        print(json.dumps(plain(result) | more, indent=2))
    elif markdown:
        print(as_markdown(result, a, b))
    else:
        _print(result, a, b)
        if counted is not None:
            _print_counted(counted)
    raise typer.Exit(result.exit_status)


def _since(commit: str, only: str, more: str, profiles: Path) -> tuple[str, str]:
    """A and B where A is the run of a commit: the same variant of it where B is one."""
    from workbench.views.operands import newest_run, parse_operand
    from workbench.views.runs import list_summaries
    from workbench.views.since import run_since

    if more:
        raise Problem(f"--since {commit}: names A itself; name B alone, not {only} and {more}", exit_status=2)
    b = only or newest_run(profiles)
    side = parse_operand(b, profiles)
    before = run_since(commit, side.run, list_summaries(profiles), Path.cwd())
    return (f"{before.name}:{side.operation}/{side.variant}" if side.variant else before.name), b


@functools.cache
def _known(kernels: Path, operations: frozenset[str], variants: frozenset[str]) -> dict[str, Rung]:
    """What the catalogue says of these variants now: found out once for both sides."""
    from workbench.catalog import load_catalog
    from workbench.model.rungs import rungs

    return rungs(load_catalog(kernels, operations), variants)


def _stale(side: Operand, records: pd.DataFrame, name: str) -> list[str]:
    """Says it where the variants that were measured are made from something else by now."""
    # Without a digest nothing can be said of a record, and digests of today take milliseconds each.
    told = records[records["sources"].fillna("") != ""]
    if told.empty:
        return []
    from workbench.catalog import BUILTIN
    from workbench.declare import variant_key
    from workbench.model.rungs import stale

    kernels = side.run.run.selection.get("kernels") if side.run.run is not None else None
    variants = told[["operation", "variant", "pass"]].drop_duplicates()
    keys = frozenset(variant_key(*row) for row in variants.to_numpy())
    try:
        known = _known(Path(str(kernels or BUILTIN)), frozenset(variants["operation"]), keys)
    except Problem:  # the folder is elsewhere or broken now: nothing can be said
        return []
    count = sum(stale(told, known))
    return [f"{count} records of {name} were measured from other sources than are there now"] if count else []


def parse_share(text: str) -> float:
    """`5%` or `0.05` → 0.05. Problem for anything else, and for what is negative."""
    try:
        share = decimal_number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except typer.BadParameter:
        share = -1.0
    if not 0 <= share < 100:
        raise Problem(f"--fail-over {text}: write a share such as 5% or 0.05", exit_status=2)
    return share


def _print(result: Comparison, a: str, b: str) -> None:
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.show.compare_text import HEADINGS, rows, status_text, summary

    if result.pairs:
        columns = [Column(heading, right=heading in HEADINGS[3:6]) for heading in HEADINGS]
        table = []
        for pair, cells in zip(result.pairs, rows(result), strict=True):
            note = f"{pair.variant_b} at {cells[2]}: {pair.reason}" if pair.reason else ""
            table.append(Row(cells, {len(cells) - 1: STYLE[pair.verdict]}, note))
        print_table(f"B = {b}  against  A = {a}", columns, table)
    for note in result.notes:
        say(f"note: {note}")
    say(summary(result))
    say(status_text(result), style="dim")


def _print_counted(found: pd.DataFrame) -> None:
    """What the machine code of both sides does otherwise, where both were simulated: it explains a verdict before
    anything that is declared does."""
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.declare import operation_key
    from workbench.quantity import quantity
    from workbench.show.figures import figure, value_text
    from workbench.views.shapes import shape_text

    if not found.attrs["pairs"]:
        return
    if found.empty:
        say(f"simulated: nothing that machine code was counted to do differs in {found.attrs['pairs']} pairs")
        return
    rows = [
        Row((
            operation_key(row["operation"], row["pass"]), row["variant"], shape_text(row["shape"]), row["arch"],
            figure(row["figure"]).title, value_text(row["figure"], row["a"]), value_text(row["figure"], row["b"]),
            quantity(row["b"] / row["a"], "x") if row["a"] else "–",
        ))
        for row in found.to_dict("records")
    ]  # fmt: skip
    columns = [Column("operation"), Column("variant"), Column("shape"), Column("architecture"), Column("counted"),
               Column("A", True), Column("B", True), Column("B ÷ A", True)]  # fmt: skip
    print_table("what machine code was counted to do otherwise, simulated", columns, rows)
