"""`workbench history`: a variant's times over commits and dates, and the steps between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AXES, Json, Profiles, one_size_each, split_axes
from workbench.problem import Problem, unknown

SETTINGS = AXES


def command(
    variant: Annotated[
        list[str] | None, typer.Argument(metavar="VARIANT", help="OPERATION/VARIANT, and sizes: scan/simd --T 1024.")
    ] = None,
    pass_: Annotated[str, typer.Option("--pass", help="forward, backward…")] = "forward",
    dtype: Annotated[str, typer.Option(help="What crosses memory; all of them if none.")] = "",
    host: Annotated[str, typer.Option(help="Of this host alone.")] = "",
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Times of a variant over all runs, by commit and date, each host and device for itself, and the steps found.

    Runs are merged by copying their folders into one. A step is a change of level that the runs bear out.
    """
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.show.history_text import HEADINGS, rows, step_text, summary, title_of
    from workbench.views.filter import Filter
    from workbench.views.history import as_plain, points, steps_of
    from workbench.views.query import choices, read_records
    from workbench.views.runs import list_summaries

    names, axes = split_axes(variant)
    operation, slash, name = names[0].partition("/") if len(names) == 1 else ("", "", "")
    if not slash or not name:
        raise Problem("history: name one variant as OPERATION/VARIANT, as in: workbench history scan/simd --T 1024",
                      exit_status=2)  # fmt: skip
    sizes = one_size_each(axes, "history")
    runs = [run for run in list_summaries(profiles) if run.state != "corrupt"]
    dtypes = (dtype,) if dtype else ()
    wanted = Filter(
        operations=(operation,), variants=(name,), passes=(pass_,), dtypes=dtypes,
        sizes=tuple((axis, (size,)) for axis, size in sizes.items()),
    )  # fmt: skip
    result = read_records(runs, wanted, machine_code=False)
    found = points(result.frame, runs)
    if host and len(found):
        if host not in set(found["host"]):
            raise unknown("host", host, sorted(filter(None, set(found["host"]))))
        found = found[found["host"] == host]
    if found.empty:
        there = choices(runs)
        if there.operations and operation not in there.operations:
            raise unknown("operation", operation, there.operations)
        known = sorted(set(read_records(runs, Filter(operations=(operation,)), only=["backend"]).frame["variant"]))
        if known and name not in known:
            raise unknown("variant", name, known)
        raise Problem(f"{names[0]} {pass_}: no run of {profiles} has timed it so; workbench sweep {operation} does")
    steps = steps_of(found, runs)
    if as_json:
        import json

        print(json.dumps(as_plain(found, steps), indent=2))
        return
    for number, own in found.groupby("series", sort=True):
        columns = [Column(heading, right=heading in ("time", "level")) for heading in HEADINGS]
        print_table(title_of(own.iloc[0]), columns, [Row(cells) for cells in rows(own)])
        for step in (one for one in steps if one.series == number):
            say(step_text(step), style={"slower": "bold red", "faster": "green"}.get(step.word, "yellow"))
        print()
    say(summary(found, steps))
    for problem in result.problems:
        say(f"note: {problem}")
