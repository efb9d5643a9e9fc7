"""Runs the benchmark: `python -m tests.bench [--json] [NAME…]`, all of it or the modules named.

A benchmark is a module beside this one with `measure() -> Iterable[Figure]` (figure.py); it is listed below. Each runs
in a process of its own, so that none is timed with another's imports and threads around.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

from tests.bench.figure import Figure, quantity

BENCHMARKS = (
    "cpu_scan", "layers", "command_line", "decisions", "ranges", "harness", "import_reports", "dashboard", "simulate",
)  # fmt: skip
"""Add yours here."""

ROOT = Path(__file__).resolve().parents[2]


def run(name: str) -> list[Figure] | str:
    """The figures of one module, or the last line of what went wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--in-this-process", name],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
    return [Figure(*values) for values in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures what the project promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    names = arguments.names or BENCHMARKS
    if arguments.in_this_process:
        figures = [Figure(*f) for name in names for f in importlib.import_module(f"tests.bench.{name}").measure()]
        print(json.dumps(figures))
        return 0
    results = {name: run(name) for name in names}
    if arguments.json:
        print(json.dumps({name: as_json(result) for name, result in results.items()}, indent=1, ensure_ascii=False))
    else:
        show(results)
    kept = all(not isinstance(r, str) and all(f.kept is not False for f in r) for r in results.values())
    return 0 if kept else 1


def as_json(result: list[Figure] | str) -> object:
    if isinstance(result, str):
        return {"failed": result}
    return [{**figure._asdict(), "kept": figure.kept} for figure in result]


def show(results: dict[str, list[Figure] | str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "benchmark", "figure", "measured", "promised", "", "median (95 %)", title="What the project promises, measured"
    )
    for name, result in results.items():
        if isinstance(result, str):
            table.add_row(name, f"[red]failed: {result}")
            continue
        for figure in result:
            verdict = {True: "[green]kept", False: "[red]missed", None: ""}[figure.kept]
            table.add_row(name, figure.name, quantity(figure.value, figure.unit), figure.promise, verdict,
                          figure.median_text)  # fmt: skip
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
