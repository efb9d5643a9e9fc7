"""What a simulation found, for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.cli.terminal import Column, Row, print_table, say, width_of_output
from workbench.quantity import MISSING, quantity

STYLES = {"ok": "green", "sampled": "yellow"}
MOST_LINES, MOST_OPCODES, MOST_FINDINGS = 20, 12, 8


def print_result(found: dict[str, Any], lines: bool) -> None:
    """Verdict, kernels, counters; source lines where they are asked for, and what a traced warp did."""
    shape = " ".join(f"{k}={v}" if isinstance(v, int) else str(v) for k, v in found["shape"].items())
    title = f"{found['variant']} {shape}, {found['arch']}, caches of {found['gpu']}: simulated, no time"
    columns = [Column("through"), Column("status"), Column("relative L2", True), Column("bound", True)]
    rows = []
    for run in found["runs"]:
        error = MISSING if run["relative_l2"] is None else f"{run['relative_l2']:.1e}"
        cells = (run["through"], run["status"], error, f"{run['bound']:.0e}")
        rows.append(Row(cells, {1: STYLES.get(run["status"], "red")}, run["reason"]))
    print_table(title, columns, rows)
    if found["bit_equal"] is not None:
        say(
            "PTX and SASS: " + ("equal to the last bit" if found["bit_equal"] else "both within the bound, not one bit")
        )
    for run in found["runs"]:
        if run["status"] == "fault":
            _print_trace(run["through"], run)
    done = [run for run in found["runs"] if "kernels" in run]
    if done:
        _print_kernels(done)
        _print_figures(done)
        _print_opcodes(done)
    for run in done:
        for kernel in run["kernels"]:
            if lines and run is done[0]:
                _print_lines(run["through"], kernel)
            _print_trace(run["through"], kernel)
            for note in (*kernel["notes"], *kernel["findings"]):
                say(f"{kernel['kernel']} ({run['through']}): {note}")
    moved = next((run["memory_bytes"] for run in done if "memory_bytes" in run), None)
    if moved is not None:
        say(f"memory: {found['declared_bytes']:,} bytes declared, {moved:,.0f} simulated (a lower bound)")
    for note in found["notes"]:
        say(f"note: {note}")
    for finding in found["findings"]:
        say(f"finding: {finding}", "red")


def print_verdict(found: dict[str, Any]) -> None:
    """What the checkers say of a variant: a line per finding and note."""
    shape = " ".join(f"{k}={v}" if isinstance(v, int) else str(v) for k, v in found["shape"].items())
    title = f"{found['variant']} {shape}, {found['arch']}, from PTX under every checker: simulated, no time"
    error = MISSING if found["relative_l2"] is None else f"{found['relative_l2']:.1e}"
    bound = MISSING if found["bound"] is None else f"{found['bound']:.0e}"
    columns = [Column("status"), Column("relative L2", True), Column("bound", True), Column("where it is largest")]
    status = "ok" if found["right"] else "incorrect"
    print_table(title, columns, [Row((status, error, bound, found["worst_at"] or ""), {0: STYLES.get(status, "red")})])
    for finding in found["findings"][:MOST_FINDINGS]:
        say(f"finding: {finding}", "red")
    if (more := len(found["findings"]) - MOST_FINDINGS) > 0:
        say(f"and {more} more findings: --json has all")
    for note in found["notes"]:
        say(f"note: {note}")


def _print_kernels(done: list[dict[str, Any]]) -> None:
    names = ("kernel", "through", "launches", "grid", "block", "regs", "shared", "occ.", "waves", "barriers")
    columns = [Column(name, right=k > 4) for k, name in enumerate(names)]
    rows = []
    for run in done:
        for kernel in run["kernels"]:
            occupied = kernel.get("occupancy")
            cells = (
                kernel["kernel"],
                run["through"],
                str(kernel["launches"]),
                "×".join(map(str, kernel["grid"])),
                "×".join(map(str, kernel["block"])),
                str(kernel["registers"]) if "registers" in kernel else "",
                f"{kernel['shared_bytes']:,} B" if "shared_bytes" in kernel else "",
                "" if occupied is None else f"{quantity(occupied, '%')} ({kernel['limiter']})",
                "" if kernel.get("waves") is None else f"{kernel['waves']:.2g}",
                f"{kernel['barriers']:,}",
            )
            rows.append(Row(cells, {}, kernel["sampled"]))
    print_table("", columns, rows)


def _print_figures(done: list[dict[str, Any]]) -> None:
    """Totals over all kernels, a column per front end."""
    totals: dict[str, dict[str, float]] = {}
    standing: dict[str, str] = {}
    for run in done:
        for kernel in run["kernels"]:
            for figure in kernel["figures"]:
                if figure["unit"] == "%" and len(run["kernels"]) > 1:
                    continue  # rates have no sum
                own = totals.setdefault(figure["name"], {})
                own[run["through"]] = own.get(run["through"], 0) + figure["value"]
                standing.setdefault(figure["name"], figure["standing"])
    for name in dict.fromkeys(standing.values()):
        rows = []
        for counter, own in totals.items():
            if standing[counter] != name or not any(own.values()):
                continue
            values = dict.fromkeys(own.values())
            rows += [(_number(value), counter + _levels(own, value, len(done))) for value in values]
        if rows:
            columns = [Column("simulated", True), Column(name)]
            print_table("", columns, rows)


def _levels(own: dict[str, float], value: float, runs: int) -> str:
    """Through which front ends a figure is so, where not through all that ran."""
    levels = [level for level, found in own.items() if found == value]
    return "" if len(levels) == runs else f" ({', '.join(levels)})"


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _print_opcodes(done: list[dict[str, Any]]) -> None:
    mix: dict[str, int] = {}
    for run in done:
        for kernel in run["kernels"]:
            for opcode, count in kernel["opcodes"].items():
                mix[opcode] = mix.get(opcode, 0) + count
    if mix:
        whole = sum(mix.values())
        first = sorted(mix.items(), key=lambda entry: -entry[1])[:MOST_OPCODES]
        words = ", ".join(f"{opcode} {quantity(count / whole, '%')}" for opcode, count in first)
        print_table("", [Column("executed SASS, simulated: share of warp instructions", breaks=True)], [(words,)])


def _print_lines(through: str, kernel: dict[str, Any]) -> None:
    names = ("threads", "sectors", "excess", "conflicts", "line")
    columns = [*(Column(name, right=name != "line") for name in names), Column("source")]
    rows = [
        (
            f"{line['threads']:,}",
            f"{line['sectors']:,}",
            f"{line['sectors'] - line['sectors_ideal']:,}",
            f"{line['wavefronts'] - line['wavefronts_ideal']:,}",
            f"{Path(line['file']).name}:{line['line']}" if line["line"] else MISSING,
            line["text"],
        )
        for line in kernel["lines"][:MOST_LINES]
    ]
    taken = sum(2 + max(len(column.name), *(len(row[k]) for row in rows)) for k, column in enumerate(columns[:-1]))
    room = max(12, width_of_output() - taken)
    rows = [(*row[:-1], row[-1] if len(row[-1]) <= room else row[-1][: room - 1] + "…") for row in rows]
    print_table(f"{kernel['kernel']} ({through}), simulated: source lines, hottest first", columns, rows)


def _print_trace(through: str, kernel: dict[str, Any]) -> None:
    """An instruction per line: address, line, lanes, text, and what each changed register holds in its first lane."""
    if not kernel["trace"]:
        return
    say(f"{kernel['kernel']} ({through}): what the warp did, in its order; values of the first lane that changed")
    for one in kernel["trace"]:
        values = []
        for name, lanes in one["registers"].items():
            if isinstance(lanes, str):
                values.append(f"{name}={lanes}")
                continue
            first = next(iter(lanes.values()))
            values.append(f"{name}={first:#010x}" + ("" if len(set(lanes.values())) == 1 else "…"))
        place = f"{Path(one['file']).name}:{one['line']}" if one["line"] else ""
        say(f"{one['address']:#06x} {one['lanes']:#010x} {one['text']}  {' '.join(values)}  {place}".rstrip())


def print_coverage(found: dict[str, Any]) -> None:
    rows = [
        (entry["through"], entry["kernel"], f"{entry['known']:,}", f"{entry['unknown']:,}", entry["reason"])
        for entry in found["kernels"]
    ]
    columns = [Column("through"), Column("kernel"), Column("known", True), Column("unknown", True),
               Column("the first that is not", breaks=True)]  # fmt: skip
    print_table(f"{found['variant']}, {found['arch']}: instructions that the simulator knows", columns, rows)


def print_report(found: dict[str, Any]) -> None:
    """Each counter of a report that was simulated again: measured, simulated, whether they agree."""
    arguments = ", ".join(found["arguments"])
    say(f"{found['kernel']}: {found['blocks']}, arguments {arguments}{' (guessed)' if found['guessed'] else ''}")
    columns = [Column("counter"), Column("measured", True), Column("simulated", True), Column("")]
    rows = [
        Row((c["name"], _number(c["measured"]), _number(c["simulated"]), c["verdict"]),
            {3: "green" if c["agrees"] else "red"})
        for c in found["counters"]
    ]  # fmt: skip
    print_table("", columns, rows)


def print_conformance(found: dict[str, Any]) -> None:
    """A row per launch of a selection that was simulated again: how many counters were compared, what differs."""
    columns = [Column("record"), Column("kernel"), Column("counters", True), Column("differ")]
    rows = []
    for one in found["launches"]:
        words = one["reason"] or "; ".join(f"{c['name']}: {c['verdict']}" for c in one["differences"]) or "none"
        colour = {3: "green" if words == "none" else "red"}
        rows.append(Row((one["key"], one["kernel"], str(one["compared"]), words), colour))
    print_table("", columns, rows)
