"""Writes what README shows of measurements, the glossary's table of figures, the tables of tasks and
those of rungs: `python -m docs.generate`.

Picture and ladders are those of the committed runs named below, figures those of the registry, rungs those of the
catalogue, never typed; tests hold each file to it.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import Any

from docs import rungs as rung_tables
from docs import task_tables
from workbench.catalog import load_catalog
from workbench.model.rungs import rungs
from workbench.quantity import quantity
from workbench.show.figures import FIGURES, explained, figure, sentence, value_text, with_derived
from workbench.store.run_folder import RunFolder, open_run
from workbench.views.flat import frame_of
from workbench.views.ladder import ladder
from workbench.views.shapes import sizes_text

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "profiles" / "cpu-epyc-2-cores"
GPU_RUN = ROOT / "profiles" / "h200-2026-11-26-limit"
README = ROOT / "README.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
PICTURE = ROOT / "docs" / "ladder.svg"
BEGIN, END = "<!-- ladder: begin (python -m docs.generate) -->", "<!-- ladder: end -->"
GPU_BEGIN, GPU_END = "<!-- GPU: begin (python -m docs.generate) -->", "<!-- GPU: end -->"
FIRST, LAST = "<!-- figures: begin (python -m docs.generate) -->", "<!-- figures: end -->"
COLOURS = {"gate": "#0072b2", "scan": "#d55e00", "gated_scan": "#cc79a7", "projection": "#009e73", "layer": "#56b4e9"}
"""Colours that stay apart for the colour-blind (Okabe and Ito)."""


SHOWN = ("time.median_s", "time.interval", "speedup_over_baseline", "share_of_limit")
GPU_SHOWN = ("time.median_s", "time.interval", "share_of_limit")
"""A run at the limit has no baselines: an eager loop over 65,536 steps is no way to spend a GPU's time."""
CEILINGS = {
    "copy_bytes_per_s": ("copy", "B/s"), "triad_bytes_per_s": ("triad", "B/s"),
    "matmul_flops_per_s_bfloat16": ("bfloat16 products", "FLOP/s"),
}  # fmt: skip


def rows_of(folder: RunFolder) -> list[dict[str, Any]]:
    """The timed rungs of the run, operation by operation, naive to best."""
    frame = ladder(frame_of(folder.records(), folder.run), rungs(load_catalog()))
    return [
        row for row in with_derived(frame, SHOWN).to_dict("records") if row["time.median_s"] == row["time.median_s"]
    ]


def table(folder: RunFolder, shown: tuple[str, ...] = SHOWN) -> str:
    """A Markdown table of every rung, under a line that says where and when."""
    machine = folder.run.machines[0]
    measured = (
        f"{word} {quantity(machine.ceilings[name], unit)}"
        for name, (word, unit) in CEILINGS.items()
        if name in machine.ceilings
    )
    ceilings = (
        "those of memory and cores in the same run, not of caches" if shown is SHOWN else f"{', '.join(measured)}"
    )
    lines = [
        f"Run `{folder.path.name}`: {folder.run.device}, {folder.run.created[:10]}, "
        f"torch {machine.versions['torch']}, {sentence('noise_floor', machine.noise_floor)}. "
        f"{explained(['share_of_limit'])}. The ceilings are {ceilings}.",
        "",
        f"| operation | shape | variant | {' | '.join(figure(name).title for name in shown)} |",
        f"|---|---|---|{'---:|' * len(shown)}",
    ]
    for row in rows_of(folder):
        cells = (value_text(name, row[name]) for name in shown)
        sizes = sizes_text(row["shape"]) + ("" if shown is SHOWN else f" {json.loads(row['shape'])['dtype']}")
        lines.append(f"| {row['operation']} | {sizes} | {row['variant']} | {' | '.join(cells)} |")
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
            f'<text x="{x(row["time.median_s"]) + 5:.1f}" y="{y + 12}">{quantity(row["time.median_s"], "s")}</text>',
            f'<path d="M{x(row["limit_s"]):.1f} {y}v17" stroke="#111111" stroke-width="2"/>',
        ]
        y += step
    ticks = []
    decade = low
    while decade <= high * 1.001:
        ticks.append(f'<path d="M{x(decade):.1f} {top}V{y + 4}" stroke="#dddddd"/>')
        ticks.append(f'<text x="{x(decade):.1f}" y="{top - 6}" text-anchor="middle">{quantity(decade, "s")}</text>')
        decade *= 10
    height = y + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="{height}" viewBox="0 0 880 {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="10" y="18" font-size="13">{escape(folder.run.device)}, {folder.run.created[:10]}: '
        "median time (logarithmic); the black mark is the least time at the ceilings of memory and cores</text>"
    )
    return "\n".join([head, *ticks, *body, "</svg>"]) + "\n"


def figures_table() -> str:
    """A Markdown table of the registry: everything with an origin or a meaning."""
    lines = ["| figure | unit | origin | meaning | in JSON and frames |", "|---|---|---|---|---|"]
    for entry in FIGURES.values():
        if entry.origin or entry.meaning:
            words = (entry.title, entry.unit, entry.origin, entry.meaning.rstrip("."), f"`{entry.name}`")
            lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines)


def readme(text: str) -> str:
    """README with everything between its marks made anew."""
    text = between(text, BEGIN, table(open_run(RUN)), END)
    return between(text, GPU_BEGIN, table(open_run(GPU_RUN), GPU_SHOWN), GPU_END)


def glossary(text: str) -> str:
    """The glossary with its table made anew."""
    return between(text, FIRST, figures_table(), LAST)


def tasks(text: str) -> str:
    """The page on tasks with its tables made anew."""
    text = between(text, task_tables.BEGIN, task_tables.trainings(), task_tables.END)
    return between(text, task_tables.STEPS_BEGIN, task_tables.steps(), task_tables.STEPS_END)


def between(text: str, begin: str, made: str, end: str) -> str:
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{made}\n{end}{after}"


if __name__ == "__main__":
    run = open_run(RUN)
    PICTURE.write_text(picture(run))
    README.write_text(readme(README.read_text()))
    GLOSSARY.write_text(glossary(GLOSSARY.read_text()))
    task_tables.PAGE.write_text(tasks(task_tables.PAGE.read_text()))
    catalog = load_catalog()
    for path, operation in rung_tables.folders(catalog).items():
        path.write_text(rung_tables.readme(path.read_text(), rung_tables.table(catalog, operation)))
    print(f"{PICTURE.relative_to(ROOT)}, {README.name} (from {RUN.name}), {GLOSSARY.relative_to(ROOT)} written")
    print("docs/tasks.md and the tables of rungs written")
