"""An experiment as text and tables: our figures beside the published ones, with device and date of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.experiments import Experiment
from workbench.quantity import MISSING, quantity
from workbench.show.markup import Html, element
from workbench.views.experiments import Compared, Counted, Cross, Row

HEADINGS = ("figure", "at", "published", "here", "here ÷ published", "variant", "device", "date", "run")
COUNTED = ("figure", "variant", "at", "status", "warp instructions (simulated)", "launches", "run")


def facts(experiment: Experiment) -> list[tuple[str, str]]:
    """Name → sentence: where the published figures come from and what is done otherwise here."""
    where = ", ".join(filter(None, (experiment.device, experiment.date))) or "no figure is published"
    told = [("source", experiment.source), ("published on", where), ("how read", experiment.read)]
    return [(name, text) for name, text in told if text] + [("differs here", text) for text in experiment.differs]


def cells(row: Row) -> tuple[str, ...]:
    """The row under HEADINGS."""
    published = MISSING if row.published is None else _figure(row.published, row.unit)
    noted = f"{published} ({row.note})" if row.note else published
    here = MISSING if row.ours is None else _figure(row.ours, row.unit)
    of_ratio = "" if row.over_published is None else quantity(row.over_published, "x")
    return row.figure, sizes(row.sizes), noted, here, of_ratio, row.variant, row.device, row.date, row.run


def counted_cells(one: Counted) -> tuple[str, ...]:
    return (one.figure, one.variant, one.shape, one.status, quantity(one.instructions), quantity(one.launches), one.run)


def sizes(at: Mapping[str, int]) -> str:
    return " ".join(f"{axis}={size}" for axis, size in at.items())


def _figure(value: float, unit: str) -> str:
    return quantity(value, unit) if unit else f"{value:.1e}"


def crossing_text(cross: Cross) -> str:
    """`CPU and GPU cross at T ≈ 3,100 (derived): GPU is faster above; published: …`."""
    both = f"{cross.first} and {cross.second}"
    if cross.low is None:
        found = f"{both} were not both timed in {cross.run}, so where they cross is not known"
    elif cross.size is None:
        found = f"{cross.faster} is the faster from {cross.axis} = {cross.low:,} to {cross.high:,}: {both} do not cross"
    else:
        found = f"{both} cross at {cross.axis} ≈ {cross.size:,.0f} (derived): {cross.faster} is faster above"
    return f"{found}; {cross.published}" if cross.published else found


def pieces(experiment: Experiment, found: Compared) -> list[Html]:
    """What report and pages show of it."""
    told = [element("li", element("b", f"{name}: "), text) for name, text in facts(experiment)]
    told += [element("li", crossing_text(cross)) for cross in found.crossings]
    shown = [element("ul", *told), _table(HEADINGS, [cells(row) for row in found.rows])]
    if found.counted:
        shown.append(element("h3", "Kernels executed on the host (simulated): no times"))
        shown.append(_table(COUNTED, [counted_cells(one) for one in found.counted]))
    return shown


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    head = element("thead", element("tr", *(element("th", name) for name in headings)))
    body = element("tbody", *(element("tr", *(element("td", cell or MISSING) for cell in row)) for row in rows))
    return element("div", element("table", head, body), class_="plain")
