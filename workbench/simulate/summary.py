"""What a launch counted, as plain data: figures, source lines, and what one warp did."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from workbench.simulate.counters import Level, figures, opcodes
from workbench.simulate.launch import Counts, Traced
from workbench.simulate.program import LANES, Instruction, Program

BY_LINE = ("executed", "threads", "sectors", "sectors_ideal", "wavefronts", "wavefronts_ideal", "bytes")


def summary(counts: Counts, level: Level) -> dict[str, Any]:
    """Everything counted of a kernel."""
    barriers = [number for number, i in enumerate(counts.program.instructions) if i.flow.name == "BLOCK_BARRIER"]
    return {
        "kernel": counts.program.name,
        "figures": [
            {"name": f.name, "value": f.value, "unit": f.unit, "standing": f.standing.value}
            for f in figures(counts, level)
        ],
        "opcodes": opcodes(counts) if level is Level.SASS else {},
        "barriers": int(counts["executed"][barriers].sum()),
        "same_address": counts.total("same_address"),
        "bytes": counts.total("bytes"),
        "lines": lines(counts),
        "sampled": counts.sampled,
        "notes": list(counts.program.notes),
        "findings": [finding.text for finding in counts.findings],
        "trace": [traced(counts.program, one) for one in counts.trace],
    }


def lines(counts: Counts) -> list[dict[str, Any]]:
    """What the instructions of each source line did together, the most threads first; line 0: of no line."""
    found: dict[tuple[int, int], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(BY_LINE, 0) | {"instructions": 0})
    for number, i in enumerate(counts.program.instructions):
        entry = found[i.file if i.line else 0, i.line]
        entry["instructions"] += 1
        for name in BY_LINE:
            entry[name] += int(counts[name][number])
    named = []
    for (file, line), entry in found.items():
        path = counts.program.files.get(file, "") if line else ""
        named.append({"file": path, "line": line, **entry, "text": _source(path, line)})
    return sorted(named, key=lambda entry: -entry["threads"])


def _source(path: str, line: int) -> str:
    """The line itself, where its file is at hand."""
    try:
        text = Path(path).read_text(errors="replace").splitlines()
    except (OSError, ValueError):  # a path out of somebody's file may be anything
        return ""
    return text[line - 1].strip() if 0 < line <= len(text) else ""


def traced(program: Program, one: Traced) -> dict[str, Any]:
    """One instruction that the traced warp executed, with the registers that it changed: for each, the value in every
    lane that has a new one, or the mask of a predicate."""
    i = program.instructions[one.instruction]
    registers: dict[str, Any] = {}
    for word, value in one.changed.items():
        row = word - word % LANES
        name = program.names.get(row) or _operand(i, row)
        if "P" not in name:
            registers.setdefault(name, {})[str(word - row)] = value
        elif word in program.names:
            registers[program.names[word]] = f"{value:#010x}"
    return {
        "address": i.address,
        "text": i.text,
        "file": program.files.get(i.file, ""),
        "line": i.line,
        "lanes": one.lanes,
        "registers": registers,
    }


def _operand(i: Instruction, row: int) -> str:
    """What a row is called that no register keeps: by its place among the instruction's operands."""
    for number, offset in enumerate(i.operands):
        if offset >= 0 and row in (offset - offset % LANES, offset + LANES):
            part = " (high)" if row == offset + LANES else ""
            return f"operand {number + 1}{part}"
    return "another row"
