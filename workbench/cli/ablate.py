"""`workbench ablate`: what each declared factor does to the time, from variants that differ in that alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.known import refuse_unknown
from workbench.cli.options import AXES, Json, Kernels, Profiles, named, one_size_each, split_axes, words
from workbench.problem import Problem, unknown

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = AXES
EFFECTS = ("factor", "from", "to", "effect", "interval", "pairs from … to", "pairs", "verdict")
JOINT = ("factor", "from", "to", "with", "effect at", "effect at the other", "joint", "interval", "pairs", "verdict")


def command(
    operation: Annotated[
        list[str] | None, typer.Argument(metavar="OPERATION", help="One operation, and sizes: scan --T 1024.")
    ] = None,
    factor: Annotated[
        str, typer.Option(callback=named, help="Factors to look at, comma-separated; all that differ.")
    ] = "",
    pass_: Annotated[str, typer.Option("--pass", help="forward, backward…")] = "forward",
    dtype: Annotated[str, typer.Option(help="What crosses memory.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, or a part of the device's name; all that were timed.")] = "",
    run: Annotated[str, typer.Option(help="Look at this run alone; the newest of each shape by default.")] = "",
    tried: Annotated[bool, typer.Option("--tried", help="The settings of tunables that were tried, instead.")] = False,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """What fusion, algorithm, memory and whatever else variants declare each do to the time, alone and together.

    An effect is the mean of pairs of variants that differ in one factor alone, at one shape, in one run.
    """
    from workbench.catalog import load_catalog
    from workbench.cli.terminal import say
    from workbench.show.ablation_text import lone, summary
    from workbench.views.ablation import READ, all_effects, cells, comparable, factors_of, unpaired
    from workbench.views.filter import Filter
    from workbench.views.on_device import on_device
    from workbench.views.query import read_records, tried_of
    from workbench.views.rows import dicts_of
    from workbench.views.runs import list_summaries, run_summary
    from workbench.views.timed import timed

    names, axes = split_axes(operation)
    if len(names) != 1:
        raise Problem("ablate: name one operation, as in: workbench ablate scan --T 1024", exit_status=2)
    sizes = tuple((name, (size,)) for name, size in one_size_each(axes, "ablate").items())
    runs = [run_summary(run, profiles)] if run else [one for one in list_summaries(profiles) if one.state != "corrupt"]
    wanted = Filter(operations=names, passes=(pass_,), dtypes=(dtype,), sizes=sizes)
    if tried:
        found_tried = tried_of(runs, wanted)
        _print_tried(found_tried.frame, names[0], as_json)
        for problem in found_tried.problems:
            say(f"note: {problem}", style="dim")
        return
    order = [one.name for one in runs]
    decide = timed(runs, wanted, ("factors", "disturbed"))
    newest_of_each = {*comparable(on_device(decide.frame, device), order)["run"]}
    result = read_records([one for one in runs if one.name in newest_of_each], wanted, only=READ)
    found = cells(
        on_device(result.frame, device),
        order,
        {one.key: one.rung for one in load_catalog(kernels, names)},
    )
    known = factors_of(found)
    if not known:
        if result.frame.empty:
            refuse_unknown(kernels, names[0], pass_)
        raise Problem(
            f"{names[0]} {pass_} {dtype}: no two variants that declare different factors were timed together; "
            f"workbench sweep {names[0]} times all"
        )
    for name in (asked := words(factor)):
        if name not in known:
            raise unknown("factor", name, known)
    chosen = asked or tuple(known)
    alone, joint = all_effects(found, chosen)
    left_out = unpaired(found, chosen)
    if as_json:
        import json

        plain = [{k: None if v != v else v for k, v in row.items()} for row in dicts_of(alone)]
        both = [{k: None if v != v else v for k, v in row.items()} for row in dicts_of(joint)]
        print(json.dumps({"effects": plain, "joint": both, "unpaired": left_out}, indent=2))
        return
    _print(names[0], alone, joint)
    problems = dict.fromkeys((*decide.problems, *result.problems))
    say(summary(alone))
    for text in filter(None, (lone(left_out), *(f"note: {problem}" for problem in problems))):
        say(text, style="dim")


def _print(operation: str, alone: pd.DataFrame, joint: pd.DataFrame) -> None:
    from workbench.cli.terminal import Column, Row, print_table
    from workbench.quantity import quantity
    from workbench.views.rows import dicts_of

    styles = {"slower": "bold red", "faster": "green", "undecided": "yellow"}

    def table(title: str, headings: tuple[str, ...], rows: list[tuple[list[str], str, str]]) -> None:
        columns = [Column(name, right="effect" in name or name in ("joint", "pairs")) for name in headings]
        last = len(headings) - 1
        print_table(title, columns, [Row(cells, {last: styles.get(word, "")}, note) for cells, word, note in rows])
        print()

    def interval(low: float, high: float) -> str:
        return f"{quantity(low, 'x')} – {quantity(high, 'x')}"

    if len(alone):
        rows = []
        for row in dicts_of(alone):
            cells = [row["factor"], row["from"], row["to"], quantity(row["effect"], "x"),
                     interval(row["effect_low"], row["effect_high"]), interval(row["effect_least"], row["effect_most"]),
                     str(row["pairs"]), row["verdict"]]  # fmt: skip
            rows.append((cells, row["verdict"], ""))
        table(f"{operation}: time with the second level over that with the first (derived)", EFFECTS, rows)
    if len(joint):
        rows = []
        for row in dicts_of(joint):
            cells = [row["factor"], row["from"], row["to"], row["with"],
                     f"{row['level_at']}: {quantity(row['effect_at'], 'x')}",
                     f"{row['level_other']}: {quantity(row['effect_at_other'], 'x')}", quantity(row["joint"], "x"),
                     interval(row["joint_low"], row["joint_high"]), str(row["pairs"]), row["verdict"]]  # fmt: skip
            rows.append((cells, row["verdict"], ""))
        table("two together: the second effect over the first; 1 where neither minds the other", JOINT, rows)


def _print_tried(found: pd.DataFrame, operation: str, as_json: bool) -> None:
    import json

    from workbench.cli.terminal import Column, Row, print_table
    from workbench.show.figures import value_text
    from workbench.views.rows import dicts_of
    from workbench.views.shapes import shape_text

    if found.empty:
        raise Problem(
            f"{operation}: no run tried several settings of a variant; workbench sweep {operation} --tune exhaustive"
        )
    if as_json:
        plain = [{**row, "settings": json.loads(row["settings"])} for row in dicts_of(found)]
        print(json.dumps([{k: None if v != v else v for k, v in row.items()} for row in plain], indent=2))
        return
    headings = ("variant", "shape", "settings", "time while tuning", "over the best", "", "run")
    rows = [
        Row([row["variant"], shape_text(row["shape"]), value_text("settings", row["settings"]),
             value_text("seconds", row["seconds"]), value_text("over_best", row["over_best"]),
             "chosen" if row["is_chosen"] else "", row["run"]])
        for row in dicts_of(found)
    ]  # fmt: skip
    title = f"{operation}: settings that were tried; the time while tuning is good for choosing and is no result"
    print_table(title, [Column(name, right=name in headings[3:5]) for name in headings], rows)
