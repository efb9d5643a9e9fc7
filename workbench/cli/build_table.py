"""What `workbench build` prints: the table of kernels, two variants side by side, and the progress bar."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from workbench.cli.terminal import Column, Row, print_table, say
from workbench.cli.terminal import console as terminal
from workbench.compile.catalogue import BuildRow
from workbench.compile.difference import Difference
from workbench.compile.messages import errors_of, hint_of
from workbench.compile.units import Binary, CompileFailure, Unit
from workbench.quantity import MISSING, quantity
from workbench.store.record import BuildFact

MESSAGE_LINES = 12
"""Of a compiler's message; one missing header makes thousands."""
SHOWN = ("mufu", "hmma", "hgmma", "async_copy", "shuffle", "barrier", "atomic", "ffma")
"""SASS classes that the table has room for, in this order; --json has all of them."""


class BuildBar:
    """Progress on stderr, and what it took."""

    def __init__(self, silent: bool) -> None:
        self._progress = Progress(
            TextColumn("compiling"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[unit]}"),
            console=Console(stderr=True),
            transient=True,
            disable=silent or not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._began = time.perf_counter()
        self.compiled = self.cached = self.failed = 0
        self.seconds = 0.0

    def __enter__(self) -> BuildBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self.seconds = time.perf_counter() - self._began

    def start(self, units: int) -> None:
        self._task = self._progress.add_task("", total=units, unit="")

    def finished(self, unit: Unit, built: Binary | CompileFailure) -> None:
        if isinstance(built, CompileFailure):
            self.failed += 1
        elif built.cached:
            self.cached += 1
        else:
            self.compiled += 1
        if self._task is not None:
            self._progress.update(self._task, advance=1, unit=str(unit))


def print_rows(rows: list[BuildRow], bar: BuildBar) -> None:
    """One table per operation and architecture; then what did not compile, with the compiler's messages."""
    console = terminal()
    groups: dict[tuple[str, str], list[BuildRow]] = {}
    for row in rows:
        if row.unit is not None and row.status == "ok":
            groups.setdefault((row.variant.partition("/")[0], row.unit.arch), []).append(row)
    for (operation, arch), group in groups.items():
        if arch == "host":
            _print_host_table(operation, group)
        else:
            _print_table(f"{operation}, {arch}", group)
        console.print()
    for variant, reason in dict.fromkeys((r.variant, r.reason) for r in rows if r.status == "no_kernel"):
        say(f"{variant}: {reason}", style="dim")
    for row in rows:
        if row.status == "unsupported":
            say(f"{row.variant} {row.dtype}: unsupported: {row.reason}", style="dim")
    _print_failures([row for row in rows if row.status == "compile_error"])
    failed = f", {bar.failed} failed" if bar.failed else ""
    console.print(
        f"{bar.compiled} compiled, {bar.cached} from the cache{failed}, in {bar.seconds:.1f} s", highlight=False
    )


def _print_failures(rows: list[BuildRow]) -> None:
    """Once per source (other dtypes and architectures fail at the same places), and once per fault of a declaration."""
    groups: dict[object, list[BuildRow]] = {}
    for row in rows:
        groups.setdefault(row.unit.source if row.log and row.unit else row.reason, []).append(row)
    for group in groups.values():
        first, names = group[0], ", ".join(dict.fromkeys(row.variant for row in group))
        if first.log is None or first.unit is None:
            say(f"\ncannot be built: {names}", style="bold red")
            say(first.reason or "")
            continue
        units = len({row.unit for row in group})
        others = f" and {units - 1} more of its builds" if units > 1 else ""
        say(
            f"\ndoes not compile: {first.unit.source} for {first.dtype}, {first.unit.arch}{others}: {names}", "bold red"
        )
        lines = (first.reason or "").splitlines()
        for line in lines[:MESSAGE_LINES]:
            say(line)
        if len(lines) > MESSAGE_LINES:
            say(f"… {len(lines) - MESSAGE_LINES:,} lines more: {first.log}", style="dim")
        hint = hint_of(errors_of(first.reason or ""))
        if hint:
            say(hint)


def _print_table(title: str, rows: list[BuildRow]) -> None:
    columns = [Column("variant"), Column("kernel"), Column("io")]
    columns += [Column(name, right=True) for name in ("registers", "shared", "spills", "stack", "block", "occupancy")]
    columns += [Column("limited by"), Column("code", right=True), Column("instr.", right=True)]
    columns += [Column("of these", breaks=True)]
    table, before = [], ""
    for row in rows:
        name = row.variant.partition("/")[2]
        fact = row.fact
        assert fact is not None and row.step is not None
        cells = (
            name if name != before else "",
            row.step.function + "".join(f" {key}={value}" for key, value in row.step.defines),
            {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}.get(row.dtype, row.dtype),
            quantity(fact.registers),
            quantity(fact.shared_bytes),
            quantity(fact.spill_bytes),
            quantity(fact.stack_bytes),
            quantity(fact.block_threads),
            quantity(fact.occupancy_theoretical, "%"),
            fact.occupancy_limiter or MISSING,
            quantity(fact.code_bytes),
            quantity(fact.sass_mix.get("total")),
            sass_summary(fact),
        )
        table.append(Row(cells, {5: "red"} if fact.spill_bytes else {}))
        before = name
    print_table(title, columns, table)


def _print_host_table(operation: str, rows: list[BuildRow]) -> None:
    table = []
    for row in rows:
        assert row.step is not None and row.unit is not None
        table.append((row.variant.partition("/")[2], row.step.function, row.dtype, row.unit.source.name))
    print_table(f"{operation}, host", [Column(name) for name in ("variant", "function", "io", "source")], table)


def sass_summary(fact: BuildFact) -> str:
    """Global loads and stores by width, then the classes that tell most: `ld 8x128 st 4x128 mufu 12`."""
    words = []
    for short, prefix in (("ld", "global_load_"), ("st", "global_store_")):
        widths = {int(k.removeprefix(prefix)): n for k, n in fact.sass_mix.items() if k.startswith(prefix)}
        if widths:
            words.append(f"{short} " + "+".join(f"{widths[bits]}x{bits}" for bits in sorted(widths, reverse=True)))
    if "shared_load" in fact.sass_mix or "shared_store" in fact.sass_mix:
        words.append(f"shared {fact.sass_mix.get('shared_load', 0)}/{fact.sass_mix.get('shared_store', 0)}")
    if "local_load" in fact.sass_mix or "local_store" in fact.sass_mix:
        words.append(f"local {fact.sass_mix.get('local_load', 0)}/{fact.sass_mix.get('local_store', 0)}")
    words += [f"{name} {fact.sass_mix[name]}" for name in SHOWN if name in fact.sass_mix]
    return ", ".join(words)


def print_difference(found: Difference) -> None:
    """Resources, then the SASS mix, then the sources."""
    console = terminal()
    table = Table(title=f"{found.dtype}, {found.arch}", title_justify="left", box=None)
    table.add_column("")
    pair = [(found.a, found.kernels_a), (found.b, found.kernels_b)]
    for variant, kernels in pair:
        for kernel in kernels:
            table.add_column(f"{variant}\n{kernel['kernel']}", justify="right", overflow="fold")
    for name in [key for key in found.kernels_a[0] if key not in ("kernel", "defines")]:
        cells = [kernel[name] for _, kernels in pair for kernel in kernels]
        table.add_row(name, *(quantity(c, "%") if name == "occupancy_theoretical" else _cell(c) for c in cells))
    console.print(table)
    console.print()
    mix = Table("instructions", title="SASS, static count", title_justify="left", box=None)
    for variant in (found.a, found.b, "difference"):
        mix.add_column(variant, justify="right")
    for name, (a, b) in found.sass.items():
        mix.add_row(name, str(a), str(b), f"{b - a:+d}" if a != b else "", style=None if a != b else "dim")
    console.print(mix)
    console.print()
    if found.source:
        console.print(Syntax(found.source, "diff", background_color="default", word_wrap=True))
    else:
        console.print("the sources are the same; the variants differ in defines or launch")
        for variant, kernels in pair:
            for kernel in kernels:
                console.print(f"  {variant} {kernel['kernel']}: {kernel['defines'] or 'no defines'}", markup=False)


def _cell(value: object) -> str:
    return MISSING if value is None else f"{value:,}" if isinstance(value, int) else str(value)
