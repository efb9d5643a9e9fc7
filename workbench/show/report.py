"""What a report of a run shows: the dashboard's pictures and tables, one below another."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from workbench.catalog import Catalog
from workbench.declare import operation_key
from workbench.durable import write_whole
from workbench.foreign import printable, reading
from workbench.model.rungs import Rung, rungs
from workbench.problem import Problem
from workbench.quantity import quantity
from workbench.show import hints, profile_report
from workbench.show.experiment import pieces
from workbench.show.figures import columns_of, heading
from workbench.show.markup import Html, element
from workbench.show.pictures import ladder as ladder_figures
from workbench.show.pictures import occupancy as occupancy_figures
from workbench.show.pictures import roofline as roofline_figures
from workbench.show.pictures import scaling as scaling_figures
from workbench.show.pictures import time as time_figures
from workbench.show.pictures.style import Style, styles
from workbench.show.report_html import Piece, Section, note, render
from workbench.show.story import story
from workbench.show.table_html import as_html
from workbench.show.tables import ceiling_text
from workbench.show.trust import doubts
from workbench.store.record import UNTIMED
from workbench.store.run_folder import RESTORE
from workbench.views.best import best_settings
from workbench.views.counters import launches_of, with_counters
from workbench.views.experiments import held_by
from workbench.views.filter import Filter
from workbench.views.ladder import ladder
from workbench.views.occupancy import build_facts, built, by_kernel
from workbench.views.parts import chain_shares
from workbench.views.query import read_records
from workbench.views.roofline import points, roofs
from workbench.views.runs import RunSummary
from workbench.views.scaling import curves, others_in
from workbench.views.shapes import axes_of, shape_text, shapes_of
from workbench.views.simulated import simulated

MOST_PICTURED = 3
"""Shapes of an operation whose ladder is drawn; the others have their table: a file to send stays small."""


def sections(run: RunSummary, catalog: Catalog) -> list[Section]:
    """Everything there is to show of a run. Problem where its records cannot be read."""
    result = read_records([run], Filter(), samples=True)
    if result.problems:
        raise Problem(result.problems[0])
    records = result.frame
    records["reason"] = records["reason"].map(lambda text: without_folders(text) if isinstance(text, str) else text)
    known = rungs(catalog)
    style = styles(known)
    launches = launches_of([run], records)
    doubtful = [
        element("p", text, class_="doubt") for text in doubts(records, [run.run] if run.run is not None else [])
    ]
    found = [Section("The run", [*doubtful, _facts(run)])]
    if records.empty:
        return [
            *found,
            Section("Records", [note(f"The run holds no record yet: workbench sweep --resume {run.name}")]),
        ]
    if "imported_from" in run.environment:
        seen = [note(run.beside_problem)] if run.beside_problem else profile_report.pieces(run, records)
        return [Section("Where its time goes", seen), *found]
    records = with_counters(records, launches)
    names = [*catalog.operations, *sorted(set(records["operation"]) - set(catalog.operations))]
    for name in names:
        own = records[records["operation"] == name]
        for dtype in sorted(set(own["shape.dtype"]), key=lambda d: d != "float32"):
            part = own[own["shape.dtype"] == dtype]
            found.append(Section(f"{name}, {dtype}", _operation(run, part, known, style, dtype)))
    if summary := _summary(records, known, names):
        found[0] = Section("The run", [_facts(run)])
        found.insert(0, Section("Summary", [*doubtful, *summary]))
    parts = chain_shares(records, catalog)
    if len(parts):
        found.append(Section("Parts of the chains"))
        for chain, rows in parts.groupby("chain", sort=False):
            found[-1].pieces += [element("h3", chain), time_figures.parts(rows)]
    found += _experiments(run, catalog)
    if run.beside_problem:
        found.append(Section("Counters", [note(run.beside_problem)]))
    elif run.counters:
        found.append(Section("Counters", profile_report.pieces(run, records)))
    else:
        found.append(Section("Counters", [note(hints.no_counters([run]))]))
    return found


def _experiments(run: RunSummary, catalog: Catalog) -> list[Section]:
    """Of each experiment that the run has figures of: ours beside the published ones."""
    held, broken = held_by(catalog, [run])
    shown = [Section(f"Experiment: {one.title}", pieces(one, own)) for one, own in held]
    return shown + [Section("Experiments", [note(without_folders(str(problem)))]) for problem in broken]


def _summary(records: pd.DataFrame, known: dict[str, Rung], names: list[str]) -> list[Piece]:
    """A sentence for each operation, pass and dtype that was timed, at the shape that shows most."""
    told: list[tuple[int, bool, Html]] = []
    for (operation, pass_, dtype), own in records.groupby(["operation", "pass", "shape.dtype"], sort=False):
        timed = own[own["time.median_s"].notna()]
        if len(timed):
            shape = shapes_of(timed)[0]
            text = story(ladder(timed[timed["shape"] == shape], known))
            name = f"{operation_key(str(operation), str(pass_))} at {shape_text(shape)}: "
            told.append((names.index(str(operation)), dtype != "float32", element("li", element("b", name), text)))
    return (
        [element("ul", *(item for *_, item in sorted(told, key=lambda one: one[:2])), class_="summary")] if told else []
    )


def _operation(
    run: RunSummary, records: pd.DataFrame, known: dict[str, Rung], style: dict[str, Style], dtype: str
) -> list[Piece]:
    parts: list[Piece] = []
    for place, shape in enumerate(shapes_of(records)):
        rows = ladder(records[records["shape"] == shape], known)
        parts.append(element("h3", shape_text(shape)))
        timed = rows[rows["time.median_s"].notna()]
        if len(timed) and place < MOST_PICTURED:
            parts += [ladder_figures.times(timed, style), ladder_figures.moved(timed, style)]
        parts.append(as_html(rows, columns_of("ladder", "untimed")))
    for (swept, of_arch), counted in simulated(records, known).groupby(["shape", "simulated.arch"], sort=False):
        at = f"{shape_text(str(swept))}, {of_arch}"
        parts.append(element("h3", f"Machine code executed on the host (simulated), {at}"))
        parts.append(ladder_figures.counted(counted.reset_index(drop=True), style))
        parts.append(as_html(counted, columns_of("simulated")))
    best = best_settings(records)
    above = points(best)
    if len(above):
        parts += [element("h3", "Roofline"), roofline_figures.roofline(above, roofs([run], dtype), style)]
    else:
        parts.append(note(hints.no_times(records, str(records["operation"].iloc[0]))))
    for axis in axes_of(records):
        found = curves(records, axis)
        for others in others_in(found)[:1]:
            grown = found[found["others"] == others]
            parts += [element("h3", f"Time against {axis}, {others}"), scaling_figures.growth(grown, axis, style)]
    facts = by_kernel(build_facts(best_settings(built(records), ("operation", "pass"))), launches_of([run], records))
    facts = facts[facts["occupancy_theoretical"].notna()]
    for arch, rows in facts.groupby("arch", sort=False):
        parts += [element("h3", f"Occupancy, {arch}"), occupancy_figures.by_kernel(rows.reset_index(drop=True))]
    return parts


def _facts(run: RunSummary) -> Html:
    rows = {
        "device": run.device,
        "created": run.created,
        "command": without_folders(" ".join(run.command)),
        **{str(name): without_folders(_short(value)) for name, value in run.environment.items()},
    }
    measured = [machine for machine in run.machines if machine.backend not in UNTIMED]
    for machine in measured:
        on = f", {machine.name}" if len(measured) > 1 else ""
        floor = machine.noise_floor
        rows[heading("noise_floor") + on] = quantity(floor, "%") if floor is not None else "not recorded"
        rows |= {f"ceiling {name} (measured{on})": ceiling_text(name, v) for name, v in machine.ceilings.items()}
        rows |= {f"{name}{on}": without_folders(_short(value)) for name, value in machine.versions.items()}
    cells = [element("tr", element("th", name), element("td", value)) for name, value in rows.items()]
    return element("table", *cells, class_="facts")


FOLDERS = re.compile(r"(?<![\w/:.\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:'\"<>|,;()]+[/\\])+")
"""What stands in front of the last part of an absolute path."""


def without_folders(text: str) -> str:
    """A text as it may be sent: of each absolute path in it the last part, for the folders are the maker's own."""
    return FOLDERS.sub("", text)


def _short(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def write_report(run: RunSummary, catalog: Catalog, out: Path) -> Path:
    """Writes the report of a run to `out`, whole or not at all. Problem where it cannot be written, or where the run's
    records cannot be shown."""
    require_file(out, run.name)
    with reading(run.path, "its records cannot be shown", RESTORE):
        text = render(f"{run.name}: {run.device}", sections(run, catalog))
    write_file(out, text)
    return out


def require_file(out: Path, name: str) -> None:
    """Problem where no report can stand at `out`, before the work of making one."""
    file = printable(out)
    try:
        in_the_way = not out.name or out.is_dir() or (out.exists() and not out.is_file())
    except OSError as error:
        raise Problem(f"--out {file}: {error.strerror}; name another file such as {name}.html") from None
    if in_the_way:
        raise Problem(f"--out {file}: is no file that a report could stand in; name one such as {name}.html")


def write_file(out: Path, text: str) -> None:
    """Whole or not at all; Problem where it cannot be written."""
    try:
        write_whole(out, text.encode(errors="replace"))
    except OSError as error:
        raise Problem(f"{printable(out)}: cannot be written ({error.strerror}); name another file with --out") from None
