"""`workbench best`: the variant to take for a shape, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import AXES, Json, Profiles, one_size_each, split_axes
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.views.ranking import Ranked

SETTINGS = AXES


def command(
    operation: Annotated[
        list[str] | None, typer.Argument(metavar="OPERATION", help="One operation, and sizes: scan --T 1024 --H 512.")
    ] = None,
    pass_: Annotated[str, typer.Option("--pass", help="forward, backward…")] = "forward",
    dtype: Annotated[str, typer.Option(help="What crosses memory.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, or a part of the device's name; all that were timed.")] = "",
    run: Annotated[str, typer.Option(help="Look at this run alone; all runs by default, the newest first.")] = "",
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """The measured variants of an operation at a shape from fast to slow, with ties and what sets each apart.

    A tie is what `workbench compare` would not call slower. Every size is an option: --B 1 --T 65536 --H 256
    """
    from workbench.cli.terminal import say
    from workbench.show.trust import doubts
    from workbench.views.filter import Filter
    from workbench.views.on_device import on_device
    from workbench.views.query import read_records
    from workbench.views.ranking import as_plain, at_shape, nearest, ranking
    from workbench.views.runs import list_summaries, run_summary

    names, axes = split_axes(operation)
    if len(names) != 1:
        raise Problem("best: name one operation, as in: workbench best scan --T 1024 --H 512", exit_status=2)
    sizes = one_size_each(axes, "best")
    runs = [run_summary(run, profiles)] if run else [one for one in list_summaries(profiles) if one.state != "corrupt"]
    result = read_records(runs, Filter(operations=names, passes=(pass_,), dtypes=(dtype,)), samples=True)
    records = result.frame
    records = on_device(records, device)
    wanted = " ".join(f"{name}={size}" for name, size in sizes.items())
    chosen = at_shape(records, sizes)
    if chosen.empty:
        measure = " ".join(["workbench sweep", names[0], *(f"--{name} {size}" for name, size in sizes.items())])
        near = nearest(records, sizes)
        told = f"; measured nearby: {', '.join(near)}" if near else ""
        raise Problem(
            f"{names[0]} {pass_} {dtype} was not timed at {wanted or 'any shape'}{told}; {measure} measures it"
        )
    order = [one.name for one in runs]
    groups = [(shape, name, rows) for (shape, name), rows in chosen.groupby(["shape", "device"], sort=False)]
    found = [(str(shape), str(name), ranking(rows, order)) for shape, name, rows in groups]
    if as_json:
        import json

        print(
            json.dumps([{"shape": json.loads(s), "device": d, "ranking": as_plain(r)} for s, d, r in found], indent=2)
        )
        return
    for shape, name, ranked in found:
        _print(names[0], shape, name, ranked)
    looked_at = {(one.run, one.variant) for _, _, ranked in found for one in ranked}
    used = chosen[[pair in looked_at for pair in zip(chosen["run"], chosen["variant"], strict=True)]]
    for text in doubts(used, [one.run for one in runs if one.run is not None and one.name in set(used["run"])]):
        say(f"! {text}", style="bold red")
    for problem in result.problems:
        say(f"note: {problem}")


def _print(operation: str, shape: str, device: str, ranked: Sequence[Ranked]) -> None:
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.quantity import quantity
    from workbench.show.figures import settings_text, value_text
    from workbench.views.shapes import shape_text

    columns = [Column(name, right=name in ("rank", "time", "÷ first", "error")) for name in HEADINGS]
    rows = [
        Row(
            [
                str(one.rank),
                one.variant,
                quantity(one.median_s, "s"),
                f"{quantity(one.low_s, 's')} – {quantity(one.high_s, 's')}",
                quantity(one.ratio, "x"),
                value_text("share_of_limit", one.share_of_limit),
                value_text("error.relative_l2", one.error),
                settings_text(one.settings),
                one.run,
            ],
            {1: "yellow"} if one.disturbed else {},
        )
        for one in ranked
    ]
    print_table(f"{operation}  {shape_text(shape)}  on {device}", columns, rows)
    for one in ranked:
        say(f"{one.variant}: {one.reason}" + (" [timed on a disturbed machine]" if one.disturbed else ""), style="dim")
    first = [one.variant for one in ranked if one.rank == 1]
    say(f"take {first[0]}" if len(first) == 1 else f"a tie between {', '.join(first)}: take any of them")
    print()


HEADINGS = ("rank", "variant", "time", "95 % interval", "÷ first", "% of the best possible", "error", "settings", "run")
