"""Writes what README shows of measurements: `python -m docs.generate`, from the committed run named below.

The picture and the table are the run's, never typed; `tests/test_readme.py` holds README to it.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import Any

from workbench.catalog import load_catalog
from workbench.cli.quantity import percent, seconds
from workbench.model.rungs import rungs
from workbench.store.run_folder import RunFolder, open_run
from workbench.views.flat import frame_of
from workbench.views.ladder import ladder

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "profiles" / "cpu-epyc-2-cores"
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "ladder.svg"
BEGIN, END = "<!-- ladder: begin (python -m docs.generate) -->", "<!-- ladder: end -->"
COLOURS = {"gate": "#0072b2", "scan": "#d55e00", "gated_scan": "#cc79a7", "projection": "#009e73", "layer": "#56b4e9"}
"""Colours that stay apart for the colour-blind (Okabe and Ito)."""


def rows_of(folder: RunFolder) -> list[dict[str, Any]]:
    """The timed rungs of the run, operation by operation, naive to best."""
    frame = ladder(frame_of(folder.records(), folder.run), rungs(load_catalog()))
    return [row for row in frame.to_dict("records") if row["time.median_s"] == row["time.median_s"]]


def table(folder: RunFolder) -> str:
    """A Markdown table of every rung, under a line that says where and when."""
    machine = folder.run.machines[0]
    lines = [
        f"Run `{folder.run.name}`: {folder.run.device}, {folder.run.created[:10]}, "
        f"torch {machine.versions['torch']}, noise floor {percent(machine.noise_floor)}. "
        "*Limit* is the least time for the operation's least bytes and operations at the ceilings measured in the same "
        "run, those of memory, not of caches.",
        "",
        "| operation | shape | variant | median | 95 % interval | × baseline | limit ÷ time |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows_of(folder):
        shape = json.loads(row["shape"])
        sizes = " ".join(f"{axis}={size}" for axis, size in shape.items() if isinstance(size, int))
        speedup = row["speedup_over_baseline"]
        lines.append(
            f"| {row['operation']} | {sizes} | {row['variant']} | {seconds(row['time.median_s'])} "
            f"| {seconds(row['time.low_s'])} – {seconds(row['time.high_s'])} "
            f"| {speedup:.2f} | {percent(row['share_of_limit'])} |"
        )
    return "\n".join(lines)


def picture(folder: RunFolder) -> str:
    """The ladder as SVG: a bar a rung, time on a logarithmic axis, a mark at each operation's limit."""
    rows = rows_of(folder)
    shapes = {row["operation"]: row["shape"] for row in rows}
    rows = [row for row in rows if row["shape"] == shapes[row["operation"]]]
    low = 10 ** math.floor(math.log10(min(row["limit_s"] for row in rows)))
    high = 10 ** math.ceil(math.log10(max(row["time.median_s"] for row in rows)))
    left, right, top, step = 230, 790, 40, 20

    def x(value: float) -> float:
        return left + (right - left) * math.log(value / low) / math.log(high / low)

    body: list[str] = []
    y = top
    previous = None
    for row in rows:
        if row["operation"] != previous:
            y += 14
            previous = row["operation"]
        colour = COLOURS.get(row["operation"], "#666666")
        name = escape(f"{row['operation']} · {row['variant']}")
        body += [
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>',
            f'<rect x="{left}" y="{y + 2}" width="{x(row["time.median_s"]) - left:.1f}" height="13" fill="{colour}"/>',
            f'<text x="{x(row["time.median_s"]) + 5:.1f}" y="{y + 12}">{seconds(row["time.median_s"])}</text>',
            f'<path d="M{x(row["limit_s"]):.1f} {y}v17" stroke="#111111" stroke-width="2"/>',
        ]
        y += step
    ticks = []
    decade = low
    while decade <= high * 1.001:
        ticks.append(f'<path d="M{x(decade):.1f} {top}V{y + 4}" stroke="#dddddd"/>')
        ticks.append(f'<text x="{x(decade):.1f}" y="{top - 6}" text-anchor="middle">{seconds(decade)}</text>')
        decade *= 10
    height = y + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="{height}" viewBox="0 0 880 {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="10" y="18" font-size="13">{escape(folder.run.device)}, {folder.run.created[:10]}: '
        "median time (logarithmic); the black mark is the least time at the ceilings of memory and cores</text>"
    )
    return "\n".join([head, *ticks, *body, "</svg>"]) + "\n"


def readme(folder: RunFolder, text: str) -> str:
    """README with everything between its two marks made anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table(folder)}\n{END}{after}"


if __name__ == "__main__":
    run = open_run(RUN)
    PICTURE.write_text(picture(run))
    README.write_text(readme(run, README.read_text()))
    print(f"{PICTURE.relative_to(ROOT)} and {README.relative_to(ROOT)} written from {RUN.name}")
