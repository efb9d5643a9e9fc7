"""`workbench plan`: what a recorded training's step would take on more ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, Profiles


def command(
    training: Annotated[str, typer.Argument(metavar="FOLDER", help="A training of several ranks, with --trace.")],
    ranks: Annotated[str, typer.Option(help="Numbers of ranks, such as 8,64 or 8:1024:x2.")] = "8:1024:x2",
    weak: Annotated[bool, typer.Option("--weak", help="The batch grows with the ranks.")] = False,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Plan a training on more ranks than there are, per scheme: modelled, on a simulated cluster.

    It stands on a training's records: α and β of its links, its computing, and what of its model would pass between
    ranks. docs/distributed.md has what each scheme pays, and what is not modelled.
    """
    from workbench.axes import parse_axis
    from workbench.cli.terminal import Column, print_table, say
    from workbench.distributed.plan import Kind, misfits, plan, recorded
    from workbench.distributed.timeline import find_training
    from workbench.foreign import printable
    from workbench.problem import Problem
    from workbench.show.figures import columns_of, figure, value_text

    folder = find_training(training, profiles)
    if folder is None:
        raise Problem(f"{printable(training)}: no training; workbench train … --trace 3 makes one", exit_status=2)
    kind: Kind = "weak" if weak else "strong"
    found = plan(recorded(folder), parse_axis("ranks", ranks), kind)
    if as_json:
        print(found.to_json(orient="records", indent=2))
        return
    names = [name for name in columns_of("planned") if name != "misfit"]
    fits = found[found["misfit"].isna()]
    rows = [[value_text(name, value) for name, value in zip(names, row, strict=True)] for row in fits[names].values]
    print_table(
        f"{kind} scaling, modelled on equal ranks with nothing in anybody's way: nothing of it was run",
        [Column(figure(name).title, right=name != "scheme") for name in names], rows,
    )  # fmt: skip
    say(misfits(found))
