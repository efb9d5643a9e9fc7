"""A run whose every word, the name of an axis among them, tries to be HTML or Markdown."""

from __future__ import annotations

from pathlib import Path

from workbench.store.counters import CounterTable
from workbench.store.launch import Launch, Rule
from workbench.store.new_run import create_run
from workbench.store.record import (
    Bounds,
    BuildFact,
    Counted,
    ErrorMeasure,
    Machine,
    OperationFacts,
    Record,
    Run,
    Status,
    Time,
    VariantFacts,
    Work,
)  # fmt: skip
from workbench.store.run_folder import RunFolder

HOSTILE = "<img src=x onerror=alert(1)>"
MARKDOWN = "![x](http://192.0.2.1/x.png) [a](javascript:alert(1)) :red[b] $c$"
WORD = HOSTILE + MARKDOWN


def hostile_run(profiles: Path) -> RunFolder:
    """A finished run of records, counters and rules, with both in every field that is a word."""
    folder = create_run(
        profiles,
        Run(
            name="hostile", created="2026-01-01T00:00:00Z", command=[WORD],
            environment={WORD: WORD, "packages": {WORD: WORD}},
            machines=[Machine(id=WORD, name=WORD, host=WORD, versions={WORD: WORD}, noise_floor=0.1,
                              ceilings={"copy_bytes_per_s": 1e10, WORD: 1.0})],
            catalogue=[OperationFacts(name="scan", title=WORD, baseline=WORD, axes={WORD: 1},
                                      variants=[VariantFacts(name="eager", rung=1, idea=WORD)])],
        ),
    )  # fmt: skip
    table = CounterTable()
    for number, operation in enumerate(("scan", WORD)):
        for place, (variant, backend) in enumerate(((f"serial{WORD}", "cpu"), ("eager", "cpu"), (WORD, "simulated"))):
            for size in (3, 5):
                folder.append(_record(f"k{number}-{place}-{size}", operation, variant, backend, size))
            record = _record(f"k{number}-{place}", operation, variant, backend)
            folder.append(record)
            rule = Rule(WORD, WORD, WORD, WORD, "optimization", "global", 10.0)
            metrics = {"gpu__time_duration.sum": 1e-3, "launch__registers_per_thread": 32.0, WORD: WORD}
            table.append(record.key, Launch(WORD, metrics, dict.fromkeys(metrics, WORD), (record.key,), (rule,)))
    table.write(folder.path)
    folder.finish()
    return folder


def _record(key: str, operation: str, variant: str, backend: str, size: int = 1) -> Record:
    timed = backend == "cpu"
    time = Time(
        median_s=1e-3, low_s=9e-4, high_s=1.1e-3, minimum_s=8e-4, count=3, timer=WORD, cache=WORD, stopped_by=WORD
    )
    return Record.model_validate(
        {
            "key": key, "operation": operation, "variant": variant, "factors": {WORD: WORD}, "settings": {WORD: WORD},
            "axes": {"B": 1, "T": 8, "H": 4, WORD: size}, "dtype": "float32", "regime": WORD, "machine": WORD,
            "backend": backend,
            "status": Status.OK, "reason": WORD, "error": ErrorMeasure(relative_l2=1e-8, bound=1e-6, where=WORD),
            "time": time if timed else None, "samples_s": [1e-3, 9e-4, 1.1e-3] if timed else [],
            "declared": Work(bytes=100, launches=1), "least": Work(bytes=50), "counted": Counted(launches=1),
            "bounds": Bounds(floor_s=1e-4, floor_bound_by=WORD, limit_s=1e-4), "sources": WORD,
            "build": [BuildFact(arch=WORD, kernel=WORD, source=WORD, registers=32, occupancy_theoretical=0.5,
                                occupancy_limiter=WORD, block_threads=128, sass_mix={WORD: 3})],
        }
    )  # fmt: skip
