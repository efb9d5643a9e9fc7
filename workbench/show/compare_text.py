"""A comparison as rows of text, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import Any

from workbench.quantity import bound_text, quantity
from workbench.show.markup import cell_text, code
from workbench.views.compare import Comparison, Pair
from workbench.views.shapes import shape_text

HEADINGS = ("operation", "variant", "shape", "time A", "time B", "B ÷ A (99 %)", "verdict")
MARKS = {"slower": "🔴 slower", "faster": "🟢 faster", "same": "⚪ same", "undecided": "🟡 undecided"}


def rows(result: Comparison) -> list[tuple[str, ...]]:
    """One row per pair, under HEADINGS."""
    return [
        (
            pair.operation,
            pair.variant_a if pair.variant_a == pair.variant_b else f"{pair.variant_a} → {pair.variant_b}",
            shape_text(pair.shape),
            quantity(pair.median_a_s, "s"),
            quantity(pair.median_b_s, "s"),
            ratio_text(pair),
            verdict_text(pair),
        )
        for pair in result.pairs
    ]


def verdict_text(pair: Pair) -> str:
    """The verdict in words: of sides that are the same, within what they are known to be."""
    if pair.disturbed:
        return f"{pair.verdict}, disturbed"
    if pair.verdict == "same" and pair.resolution > 0:
        return f"same within {bound_text(pair.resolution)}"
    return pair.verdict


def ratio_text(pair: Pair) -> str:
    if math.isnan(pair.ratio):
        return "–"
    return f"{pair.ratio:.3f} [{pair.low:.3f}, {pair.high:.3f}]"


def summary(result: Comparison) -> str:
    """What came out, in one line."""
    if not result.pairs:
        return "nothing comparable"
    counts = Counter(pair.verdict for pair in result.pairs)
    told = {word: f"{counts[word]} {word}" for word in ("slower", "faster", "same", "undecided") if counts[word]}
    within = max((pair.resolution for pair in result.pairs if pair.verdict == "same"), default=0.0)
    if within > 0:
        told["same"] += f" within {bound_text(within)}"
    words = ", ".join(told.values())
    disturbed = sum(bool(pair.disturbed) for pair in result.pairs)
    words += f" ({disturbed} disturbed)" if disturbed else ""
    noise = [pair.noise_floor for pair in result.pairs if pair.noise_floor is not None]
    floor = f"; noise (A/A) ±{_span(noise)} (measured)" if noise else "; no noise (A/A) recorded"
    margin = "" if result.fail_over is None else f"; slowdowns up to {quantity(result.fail_over, '%')} pass"
    count = len(result.pairs)
    return f"{count} pair{'s' * (count > 1)}: {words}{floor}{margin}"


def status_text(result: Comparison) -> str:
    """What the exit status means here, in a line."""
    failed = sum(map(result.fails, result.pairs))
    open_ = [pair for pair in result.pairs if not result.fails(pair) and result.undecided(pair)]
    by = "" if result.fail_over is None else f" by more than {quantity(result.fail_over, '%')}"
    if result.exit_status == 1:
        told = f"{failed} of {len(result.pairs)} pairs {'is' if failed == 1 else 'are'} slower{by} beyond doubt"
    elif not result.pairs:
        told = "there is nothing to compare, so nothing was shown to be well"
    elif open_:
        disturbed = sum(bool(pair.disturbed) for pair in open_)
        told = f"{len(open_)} of {len(result.pairs)} pairs could be slower{by}: "
        told += (
            "sweep again when the machine is quiet" if disturbed == len(open_) else "the reasons say what would decide"
        )
        told += f" ({disturbed} disturbed)" if disturbed else ""
    else:
        told = f"nothing is slower{by}"
    return f"exit status {result.exit_status}: {told}"


def _span(noise: list[float]) -> str:
    """Each pair has the noise of its own case: the least and the most of them."""
    ends = dict.fromkeys(quantity(value, "%") for value in (min(noise), max(noise)))
    return " to ".join(ends)


def as_markdown(result: Comparison, a: str, b: str) -> str:
    """A table for a pull request, slower ones first; why pairs are undecided, and what the exit status means here."""
    order = {"slower": 0, "undecided": 1, "faster": 2, "same": 3}
    both = sorted(zip(result.pairs, rows(result), strict=True), key=lambda pair: order[pair[0].verdict])
    lines = [f"**{code(b)} against {code(a)}**: {summary(result)}", ""]
    if both:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|---|---:|---:|---:|---|"]
        for pair, cells in both:
            names = [cell_text(cell) for cell in cells[:3]]
            verdict = MARKS[pair.verdict] + cells[-1].removeprefix(pair.verdict)
            lines.append("| " + " | ".join((*names, *cells[3:-1], verdict)) + " |")
        told = [f"- {cells[1]} at {cells[2]}: {pair.reason}" for pair, cells in both if pair.reason]
        lines += ["", *map(cell_text, told)] if told else []
    lines += [f"\n_{cell_text(note)}_" for note in result.notes]
    return "\n".join([*lines, f"\n{cell_text(status_text(result))}"])


def as_json(result: Comparison) -> dict[str, Any]:
    """Plain values; what is missing is null."""
    pairs = []
    for pair in result.pairs:
        plain = {name.rstrip("_"): _plain(value) for name, value in asdict(pair).items()}
        plain["shape"] = json.loads(pair.shape)
        plain["resolution"] = _plain(pair.within)
        pairs.append(plain)
    return {"exit_status": result.exit_status, "pairs": pairs, "notes": list(result.notes), "summary": summary(result)}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
