"""The counters of a run: RUN/counters.parquet and RUN/rules.parquet, a row a metric and a row a rule result.

    counters   key, launch, kernel, metric, unit, value, text    one of value and text, neither where it is missing
    rules      key, launch, kernel, rule, title, section, message, kind, speedup_type, estimated_speedup_percent

`launch` counts the launches of one key from 0, in the order in which they ran. Units are base units.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.durable import part_of, publish_all
from workbench.foreign import reading
from workbench.problem import Problem
from workbench.store.launch import Launch, Rule, Value

if TYPE_CHECKING:
    import pandas as pd

COUNTERS = "counters.parquet"
RULES = "rules.parquet"
REPORTS = "reports"
COUNTER_COLUMNS = ("key", "launch", "kernel", "metric", "unit", "value", "text")
RULE_COLUMNS = (
    "key", "launch", "kernel", "rule", "title", "section", "message", "kind", "speedup_type",
    "estimated_speedup_percent",
)  # fmt: skip


class _Words:
    """A column of words that repeat: each word once, and an index a row."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.rows = array("i")

    def append(self, word: str) -> None:
        self.rows.append(self.index.setdefault(word, len(self.index)))

    def arrow(self) -> Any:
        import pyarrow as pa

        indices = pa.array(self.rows, type=pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(self.index), type=pa.string())).cast(pa.string())


class CounterTable:
    """Collects launches, key by key; 700,000 counters take some 30 MB here, a tenth of what rows would."""

    def __init__(self) -> None:
        self._key, self._kernel, self._metric, self._unit = _Words(), _Words(), _Words(), _Words()
        self._launch = array("i")
        self._value: list[float | None] = []
        self._text: list[str | None] = []
        self._rules: list[tuple[Any, ...]] = []
        self.launches: dict[str, int] = {}
        """How many launches each key has so far."""

    @property
    def metrics(self) -> int:
        """How many different metrics there are."""
        return len(self._metric.index)

    def append(self, key: str, launch: Launch) -> None:
        number = self.launches.get(key, 0)
        self.launches[key] = number + 1
        for metric, value in launch.metrics.items():
            self._row(key, number, launch.demangled, metric, launch.units.get(metric, ""), value)
        for metric in launch.missing:
            self._row(key, number, launch.demangled, metric, "", None)
        for rule in launch.rules:
            self._rules.append((key, number, launch.demangled, *astuple(rule)))

    def _row(self, key: str, number: int, kernel: str, metric: str, unit: str, value: Value | None) -> None:
        self._key.append(key)
        self._launch.append(number)
        self._kernel.append(kernel)
        self._metric.append(metric)
        self._unit.append(unit)
        self._value.append(value if isinstance(value, float) else None)
        self._text.append(value if isinstance(value, str) else None)

    def write(self, run: Path, reports: Iterable[Path] = ()) -> None:
        """Lays the launches into a run, and copies of their reports. Keys that had counters get these instead,
        other keys keep theirs. Raises Problem where that cannot be written; whatever fails, the run is as it was:
        everything is written beside, then renamed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        counters = pa.table(
            {
                "key": self._key.arrow(),
                "launch": pa.array(self._launch, type=pa.int32()),
                "kernel": self._kernel.arrow(),
                "metric": self._metric.arrow(),
                "unit": self._unit.arrow(),
                "value": pa.array(self._value, type=pa.float64()),
                "text": pa.array(self._text, type=pa.string()),
            }
        )
        columns = list(zip(*self._rules, strict=True)) or [()] * len(RULE_COLUMNS)
        rules = pa.table(
            {name: pa.array(column, type=column_type(name)) for name, column in zip(RULE_COLUMNS, columns, strict=True)}
        )
        pending: list[tuple[Path, Path]] = []
        try:
            for name, table in ((COUNTERS, counters), (RULES, rules)):
                kept = _without_keys(run / name, self.launches)
                temporary = part_of(run / name)
                pending.append((temporary, run / name))
                pq.write_table(table if kept is None else pa.concat_tables([kept, table]), temporary)
            for report in reports:
                (run / REPORTS).mkdir(exist_ok=True)
                temporary = part_of(run / REPORTS / report.name)
                pending.append((temporary, run / REPORTS / report.name))
                shutil.copyfile(report, temporary)
            publish_all(pending)
        except OSError as error:
            fix = "free some space, or make it writable; the run is as it was"
            raise Problem(f"{run}: counters cannot be written ({error.strerror}); {fix}") from None
        finally:
            for temporary, _ in pending:
                temporary.unlink(missing_ok=True)


def column_type(name: str) -> Any:
    """The Arrow type of a column of counters or of rules."""
    import pyarrow as pa

    numbers = {"launch": pa.int32(), "value": pa.float64(), "estimated_speedup_percent": pa.float64()}
    return numbers.get(name, pa.string())


def _without_keys(path: Path, keys: Iterable[str]) -> Any:
    """The table as it is, less the rows of these keys; None where there is none yet."""
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with reading(path, "corrupt", "remove it to import anew"):
        table = pq.read_table(path)
    return table.filter(pc.invert(pc.is_in(table["key"], value_set=pa.array(list(keys), type=pa.string()))))


# ------------------------------------------------------------------------------------------------------- reading


def has_counters(run: Path) -> bool:
    return (run / COUNTERS).is_file()


def read_counters(run: Path, key: str | None = None) -> pd.DataFrame:
    """Every counter of a run, or of one key; an empty frame with the same columns where there are none."""
    return _frame(run / COUNTERS, COUNTER_COLUMNS, key)


def read_rules(run: Path, key: str | None = None) -> pd.DataFrame:
    """Every result of NVIDIA's rules in a run, or of one key; an empty frame where there are none."""
    return _frame(run / RULES, RULE_COLUMNS, key)


def _frame(path: Path, columns: tuple[str, ...], key: str | None) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    if not path.is_file():
        return pd.DataFrame(columns=list(columns))
    filters = None if key is None else [("key", "==", key)]
    with reading(path, "corrupt", "import the report again"):
        frame: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    return frame


def read_launches(run: Path, key: str | None = None) -> dict[str, list[Launch]]:
    """The launches of each key (or of one), as the reader of the report saw them."""
    if not has_counters(run):
        return {}
    with reading(run / COUNTERS, "corrupt", "import the report again"):
        return _launches(run, key)


def _launches(run: Path, key: str | None) -> dict[str, list[Launch]]:
    import pyarrow.parquet as pq

    filters = None if key is None else [("key", "==", key)]
    table = pq.read_table(run / COUNTERS, filters=filters)
    rules = _rules_by_launch(run / RULES, filters)
    found: dict[str, dict[int, tuple[str, dict[str, Value], dict[str, str], list[str]]]] = {}
    for name, launch, kernel, metric, unit, value, text in zip(
        *(table[column].to_pylist() for column in COUNTER_COLUMNS), strict=True
    ):
        entry = found.setdefault(name, {}).setdefault(launch, (kernel, {}, {}, []))
        if value is None and text is None:
            entry[3].append(metric)
        else:
            entry[1][metric] = text if value is None else value
            entry[2][metric] = unit
    return {
        name: [
            Launch(kernel, metrics, units, (name,), rules.get((name, number), ()), tuple(missing))
            for number, (kernel, metrics, units, missing) in sorted(launches.items())
        ]
        for name, launches in found.items()
    }


def _rules_by_launch(path: Path, filters: Any) -> Mapping[tuple[str, int], tuple[Rule, ...]]:
    import pyarrow.parquet as pq

    if not path.is_file():
        return {}
    rules: dict[tuple[str, int], tuple[Rule, ...]] = {}
    with reading(path, "corrupt", "import the report again"):
        for row in pq.read_table(path, filters=filters).to_pylist():
            place = (row["key"], row["launch"])
            fields = {name: row[name] for name in RULE_COLUMNS[3:]}
            rules[place] = (*rules.get(place, ()), Rule(**fields))
    return rules
