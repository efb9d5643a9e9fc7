"""The ladder as pictures: time with its interval beside floor and limit, and what each rung moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from workbench.model.figures import OVER
from workbench.quantity import quantity
from workbench.show.figures import figure, sentence, settings_text, value_text
from workbench.show.markup import Html, together
from workbench.show.pictures.dots import Mark, Panel, draw
from workbench.show.pictures.style import ALARM, MUTED, Style, log_ticks, style_of


def times(rows: pd.DataFrame, known: Mapping[str, Style]) -> Html:
    """Ladder rows of one problem → a row per variant, the naive one on top: median with its 95 % interval, its floor
    as a tick, and the limit of any algorithm as a line. HTML."""
    timed = rows[rows["time.median_s"].notna()]
    names = labels(timed)
    marks = []
    for name, (_, row) in zip(names, timed.iterrows(), strict=True):
        style = style_of(known, f"{row['operation']}/{row['variant']}")
        time, low, high = (float(row[f"time.{field}"]) for field in ("median_s", "low_s", "high_s"))
        own = [Mark(time, style.colour, style.symbol, _time_tip(name, row), low, high)]
        if pd.notna(row["floor_s"]):
            tip = f"{name}: floor {quantity(row['floor_s'], 's')} (modelled), bound by {row['floor_bound_by']}"
            own.insert(0, Mark(float(row["floor_s"]), MUTED, "line-ns", tip))
        marks.append(own)
    legend = [("circle", MUTED, "time, median with its 95 % interval (measured)")]
    if timed["floor_s"].notna().any():
        legend.append(("line-ns", MUTED, "floor of what the variant declares (modelled)"))
    panel = Panel("time", True, (), marks, _limits(timed["limit_s"]), legend)
    panel.ticks = _ticks(panel)
    return draw(names, [panel], "time of each variant")


def _limits(values: pd.Series) -> list[tuple[float, str]]:
    return [
        (float(limit), f"limit of any algorithm (modelled): {quantity(limit, 's')}")
        for limit in sorted(set(values.dropna()))
    ]


def _ticks(panel: Panel) -> list[tuple[float, str]]:
    values = [v for marks in panel.rows for m in marks for v in (m.value, m.low, m.high) if v]
    spanned = [*values, *(x for x, _ in panel.lines)]
    ticks = [tick for tick in log_ticks(spanned) if min(spanned) / 1.3 <= tick <= max(spanned) * 1.3]
    return [(tick, quantity(tick, "s")) for tick in ticks]


def _time_tip(name: str, row: pd.Series) -> str:
    low, high = quantity(row["time.low_s"], "s"), quantity(row["time.high_s"], "s")
    return "\n".join(
        [
            f"{name}: {row['idea']}",
            f"{quantity(row['time.median_s'], 's')} measured, 95 %: {low} to {high}",
            *(sentence(name, row[name]) for name in TIPS),
            settings_text(row["settings"]),
        ]
    )


TIPS = (
    "share_of_floor", "floor_bound_by", "share_of_ceiling", "share_of_limit", "bandwidth_bytes_per_s",
    "speedup_over_baseline",
)  # fmt: skip


def labels(rows: pd.DataFrame) -> list[str]:
    """A name a row: the variant, with backend and device where more than one occurs."""
    names = [str(name) for name in rows["variant"]]
    if rows["device"].nunique() > 1:
        names = [f"{name} · {device}" for name, device in zip(names, rows["device"], strict=True)]
    elif rows["backend"].nunique() > 1:
        names = [f"{name} · {backend}" for name, backend in zip(names, rows["backend"], strict=True)]
    if "run" in rows and rows.groupby(["device", "backend", "variant"])["run"].nunique().max() > 1:
        names = [f"{name} · {run}" for name, run in zip(names, rows["run"], strict=True)]
    return names


PANELS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("share", (("share_of_floor", "circle"), ("share_of_ceiling", "diamond-open"))),
    ("bytes", (("bytes.declared", "circle"), ("bytes.counted", "x"), ("bytes.least", "line-ns"))),
    ("launches", (("launches.declared", "circle"), ("launches.counted", "x"))),
    ("occupancy", (("occupancy_theoretical", "circle"), ("occupancy_achieved", "x"))),
)
"""What a rung moves: a panel each, and its columns with the symbol that tells them apart."""


FAR_OVER = 1.2


def moved(rows: pd.DataFrame, known: Mapping[str, Style]) -> Html:
    """What each rung moved: share of floor and ceiling, bytes, launches, occupancy, side by side, a row per variant.
    HTML."""
    panels = []
    for title, columns in PANELS:
        present = [(column, symbol) for column, symbol in columns if column in rows and rows[column].notna().any()]
        if present:
            panels.append(_panel(title, present, rows, known))
    return draw(labels(rows), panels, "what each variant moved")


def _panel(title: str, columns: Sequence[tuple[str, str]], rows: pd.DataFrame, known: Mapping[str, Style]) -> Panel:
    colours = [style_of(known, f"{o}/{v}").colour for o, v in zip(rows["operation"], rows["variant"], strict=True)]
    marks: list[list[Mark]] = [[] for _ in colours]
    share = figure(columns[0][0]).unit == "%"
    reasons = rows["over"] if share and "over" in rows else [None] * len(rows)
    for column, symbol in columns:
        for own, colour, value, over in zip(marks, colours, rows[column], reasons, strict=True):
            if pd.notna(value) and (share or value > 0):  # no launch at all has no place on a logarithmic scale
                tip = f"{figure(column).title}: {value_text(column, value)}"
                above = share and value > OVER
                why = f"\nover 100 %: {over}" if above and pd.notna(over) else ""
                own.append(Mark(float(value), ALARM if above else colour, symbol, tip + why))
    legend = [(symbol, MUTED, _short(column, title)) for column, symbol in columns]
    if share:
        most = max([1.0, *(mark.value for own in marks for mark in own)])
        ticks = [(0.0, "0 %"), (1.0, "100 %")]
        if most > FAR_OVER:  # the scale goes as far as the marks do; closer than that two labels meet
            ticks = [(0.0, "0 %"), (most, value_text(columns[0][0], most))]
        lines = [(1.0, "100 %")] if most > OVER else []
        return Panel(title, False, ticks, marks, lines, legend, (0.0, most))
    # A narrow panel has room for two labels: its least and its largest value.
    values = sorted({mark.value for own in marks for mark in own if mark.value > 0})
    ends = [values[0], values[-1]] if values and values[-1] > 1.5 * values[0] else values[:1]
    return Panel(title, True, [(end, value_text(columns[0][0], end)) for end in ends], marks, (), legend)


def _short(column: str, title: str) -> str:
    """What a symbol stands for in a panel whose title says the rest: `declared (modelled)`."""
    entry = figure(column)
    return f"{entry.title.removeprefix(title).strip()} ({entry.origin})"


def modelled(rows: pd.DataFrame, known: Mapping[str, Style]) -> Html:
    """Rows of `modelled_ladder` of one problem: the floor of each variant on a device that was not measured. HTML."""
    rows = rows[rows["modelled_s"].notna()]
    marks = [
        [
            Mark(
                float(row["modelled_s"]),
                style_of(known, f"{row['operation']}/{row['variant']}").colour,
                "circle-open",
                f"{row['variant']}: {row['idea']}\nat least {quantity(row['modelled_s'], 's')} (modelled), "
                f"bound by {row['floor_bound_by']}",
            )
        ]
        for _, row in rows.iterrows()
    ]
    panel = Panel("least time", True, (), marks, _limits(rows["limit_s"]), [("circle-open", MUTED, "floor (modelled)")])
    panel.ticks = _ticks(panel)
    return draw(_words(rows["variant"]), [panel], "modelled least time of each variant")


def counted(rows: pd.DataFrame, known: Mapping[str, Style]) -> Html:
    """Rows of `views.simulated` of one problem: the floor of counted resources beside the limit, bytes declared and
    simulated, sectors per load, instructions per element. HTML."""
    colours = [style_of(known, f"{o}/{v}").colour for o, v in zip(rows["operation"], rows["variant"], strict=True)]
    marks: list[list[Mark]] = [[] for _ in colours]
    limits = (rows["simulated.share_of_limit"] * rows["simulated.floor_s"]).dropna().round(12)
    for own, colour, (_, row) in zip(marks, colours, rows.iterrows(), strict=True):
        if pd.notna(row["simulated.floor_s"]):
            tip = f"{row['variant']}: {row['idea']}\n" + "\n".join(
                sentence(name, row[name]) for name in ("simulated.floor_s", "simulated.bound_by", "simulated.at")
            )
            own.append(Mark(float(row["simulated.floor_s"]), colour, "circle-open", tip))
    panel = Panel("least time", True, (), marks, _limits(limits), [("circle-open", MUTED, "floor (modelled)")])
    panel.ticks = _ticks(panel)
    panels = []
    for title, columns in COUNTED:
        present = [(column, symbol) for column, symbol in columns if rows[column].notna().any()]
        if present:
            panels.append(_panel(title, present, rows, known))
    names = _words(rows["variant"])
    least = draw(names, [panel], "modelled least time of each variant") if any(marks) else Html("")
    return together(least, draw(names, panels, "what the machine code of each variant does") if panels else Html(""))


COUNTED: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("bytes", (("simulated.bytes_declared", "circle"), ("simulated.bytes", "x"))),
    ("sectors", (("simulated.sectors_per_load", "circle"),)),
    ("work", (("simulated.instructions_per_element", "circle"),)),
)
"""Panels beside the floor, as PANELS."""


def _words(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]
