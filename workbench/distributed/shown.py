"""What there is to see of a training, one piece below another: the page Distributed and the report draw these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from workbench.distributed import facts, links
from workbench.distributed.plan import KINDS, Kind, misfits, plan, recorded
from workbench.distributed.scaling import scaled
from workbench.distributed.summary import SHARED, summary
from workbench.distributed.timeline import arrivals, carries, link_rows, shares, stretches
from workbench.distributed.trace import aligned, traces
from workbench.quantity import quantity
from workbench.show.pictures import ranks as pictures

PLANNED = (
    "Modelled on a simulated cluster: α and β of these links and this training's computing, on equal ranks with "
    "nothing in anybody's way. Nothing of it was run; docs/distributed.md has what each scheme pays."
)

BATCH: dict[Kind, str] = {"strong": "the same batch on more ranks", "weak": "a batch that grows with the ranks"}


@dataclass(frozen=True)
class Piece:
    """A picture or a table, what it is called, and what stands below it."""

    key: str
    title: str
    text: str = ""
    picture: go.Figure | None = None
    rows: pd.DataFrame | None = None
    """With the columns of the registry's table `table`."""
    table: str = ""


def pieces(folder: Path) -> Iterator[Piece]:
    """Everything there is of a training, of one on several numbers of ranks, or of somebody's traces. Raises Problem
    for a file that is none."""
    kind, several, shared = scaled(folder)
    if len(several):
        yield from _scaled(kind, several, shared)
        return
    done, known = summary(folder), facts.read(folder)
    if done.steps:
        told = f"{known.scheme}: {done.text().splitlines()[0]}" if known else done.text().splitlines()[0]
        yield Piece("done", "", told)
    if known and known.shares_cores:
        yield Piece("shared", "", SHARED)
    measured = links.read(folder)
    found, later = aligned(traces(folder))
    if found:
        moved = ", ".join(f"rank {rank} by {quantity(by, 's')}" for rank, by in later.items() if by)
        yield Piece(
            "ranks", "Where the time went",
            "Where it is empty the host neither computed nor communicated."
            + (f" Clocks of the ranks differ: set right by the ends of collectives, {moved}." if moved else ""),
            pictures.timeline(stretches(found)),
        )  # fmt: skip
        yield Piece("shares", "", "", rows=shares(found, known.pipeline if known else None), table="ranks")
        late = arrivals(found)
        if late["collectives"].any():
            text = "By the order in which ranks come to each collective: whoever waits longest is not the slow one."
            yield Piece("arrivals", "Who is waited for", text, rows=late, table="arrivals")
    if measured:
        text = (
            f"Measured between {measured.ranks} ranks over {measured.backend} before the first step: an operation "
            "takes hops × α + bytes × β."
        )
        yield Piece("links", "What passing bytes costs", text, rows=link_rows(measured), table="links")
    passed = carries(found, measured)
    if len(passed):
        text = "Modelled is the passing alone; measured is also what a rank does with the states that it gets."
        yield Piece("carries", "States between blocks of time", text, rows=passed, table="carries")
    if measured and known and known.passed and found:
        base = recorded(folder)
        for kind in KINDS:
            planned = plan(base, kind=kind)
            title = f"More ranks than there are, {kind}: {BATCH[kind]}"
            fits = planned[planned["misfit"].isna()]
            if len(fits):
                yield Piece(f"plan_{kind}", title, PLANNED, pictures.planned(fits))
            yield Piece(f"planned_{kind}", "" if len(fits) else title, misfits(planned), rows=fits, table="planned")


def _scaled(kind: Kind, rows: pd.DataFrame, shared: bool) -> Iterator[Piece]:
    yield Piece("scaled", f"Scaling, {kind}: {BATCH[kind]}", picture=pictures.scaled(rows, kind))
    if shared:
        yield Piece("shared", "", SHARED)
    yield Piece("scaling", "", "Intervals are over the steps of each training.", rows=rows, table="scaled")
