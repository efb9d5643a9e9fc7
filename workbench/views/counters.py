"""What the counters saw of each record: figures, stalls, rules and advice, as frames; nothing where nothing was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from workbench.profile.derived import dram_bytes, occupancy_limiter, stall_shares
from workbench.profile.import_report import UNNAMED
from workbench.profile.kernel_names import told_apart
from workbench.profile.metrics import combined, needed_metrics
from workbench.store.counters import COUNTERS, RULES
from workbench.store.launch import Launch, Value
from workbench.views.query import kept, read_beside
from workbench.views.runs import RunSummary


def launches_of(runs: Sequence[RunSummary], records: pd.DataFrame) -> dict[tuple[str, str], list[Launch]]:
    """(run, key) → its launches, with the metrics that figures are made of, for the records that have counters."""
    wanted = tuple(run for run in runs if run.counters)
    if not wanted or records.empty:
        return {}
    keys = tuple(sorted(set(records["key"])))
    stamps = tuple((run.path, (run.path / COUNTERS).stat().st_mtime_ns) for run in wanted)
    return kept(("launches", stamps, keys), lambda: _launches(read_beside(wanted, COUNTERS, keys, needed_metrics())))


def _launches(frame: pd.DataFrame) -> dict[tuple[str, str], list[Launch]]:
    found: dict[tuple[str, str], list[Launch]] = {}
    if frame.empty:
        return found
    for (run, key, _, kernel), rows in frame.groupby(["run", "key", "launch", "kernel"], sort=True):
        metrics: dict[str, Value] = {}
        missing = []
        for metric, value, text in zip(rows["metric"], rows["value"], rows["text"], strict=True):
            if pd.notna(value):
                metrics[metric] = float(value)
            elif isinstance(text, str):
                metrics[metric] = text
            else:
                missing.append(metric)
        units = dict(zip(rows["metric"], rows["unit"], strict=True))
        launch = Launch(str(kernel), metrics, units, (str(key),), (), tuple(missing))
        found.setdefault((str(run), str(key)), []).append(launch)
    return found


def with_counters(records: pd.DataFrame, launches: Mapping[tuple[str, str], Sequence[Launch]]) -> pd.DataFrame:
    """The records with `occupancy_achieved`, `occupancy_by_ncu`, `limiter_by_ncu`, `instructions`, `duration_s`,
    `top_stall`, `top_stall_share`, and `bytes.counted` and `launches.counted` where the counters have them. What was
    not counted is missing."""
    rows = []
    for run, key in zip(records["run"], records["key"], strict=True):
        seen = launches.get((run, key), ())
        figures = combined(seen) if seen else {}
        stalls = [(name, share) for name, share in stall_shares(figures) if name != "selected"]
        rows.append(
            {
                "occupancy_achieved": figures.get("occupancy_achieved"),
                "occupancy_by_ncu": figures.get("occupancy_theoretical"),
                "limiter_by_ncu": occupancy_limiter(figures),
                "instructions": figures.get("instructions"),
                "duration_s": figures.get("duration_s"),
                "top_stall": stalls[0][0] if stalls else None,
                "top_stall_share": stalls[0][1] if stalls else None,
                "_bytes": dram_bytes(figures),
                "_launches": len(seen) or None,
            }
        )
    extra = pd.DataFrame(rows, index=records.index, columns=FROM_COUNTERS).convert_dtypes()
    joined = records.drop(columns=[c for c in FROM_COUNTERS if c in records]).join(extra)
    joined["bytes.counted"] = joined["bytes.counted"].astype("Float64").fillna(extra["_bytes"].astype("Float64"))
    joined["launches.counted"] = joined["launches.counted"].astype("Int64").fillna(extra["_launches"].astype("Int64"))
    return joined.drop(columns=["_bytes", "_launches"])


FROM_COUNTERS = [
    "occupancy_achieved", "occupancy_by_ncu", "limiter_by_ncu", "instructions", "duration_s", "top_stall",
    "top_stall_share", "_bytes", "_launches",
]  # fmt: skip


def stalls(records: pd.DataFrame, launches: Mapping[tuple[str, str], Sequence[Launch]]) -> pd.DataFrame:
    """Why warps waited: run, key, operation, variant, reason, share (of the time between two issued instructions)."""
    rows = [
        (run, key, operation, variant, reason, share)
        for run, key, operation, variant in records[["run", "key", "operation", "variant"]].itertuples(index=False)
        for reason, share in stall_shares(combined(launches.get((run, key), ())))
    ]
    return pd.DataFrame(rows, columns=["run", "key", "operation", "variant", "reason", "share"])


def kernels(records: pd.DataFrame, launches: Mapping[tuple[str, str], Sequence[Launch]]) -> pd.DataFrame:
    """Time by kernel under the profiler: run, key, variant, kernel, launches, seconds, share.

    The share is of the record; of an imported report, whose records are its kernels, it is of the report.
    """
    rows: list[tuple[str, str, str, str, int, float]] = []
    for run, key, variant in records[["run", "key", "variant"]].itertuples(index=False):
        times: dict[str, list[float]] = {}
        for launch in launches.get((run, key), ()):
            duration = combined([launch]).get("duration_s")
            if duration is not None:
                times.setdefault(launch.demangled, []).append(duration)
        rows += [(run, key, variant, name, len(several), sum(several)) for name, several in times.items()]
    found = pd.DataFrame(rows, columns=["run", "key", "variant", "kernel", "launches", "seconds"])
    names = told_apart(found["kernel"])
    imported = found["key"].isin(records.loc[records["operation"] == UNNAMED, "key"])
    whole = found.groupby(["run", found["key"].where(~imported, UNNAMED)])["seconds"].transform("sum")
    found = found.assign(kernel=found["kernel"].map(names), share=found["seconds"] / whole)
    return found[whole > 0].reset_index(drop=True)


def rules(runs: Sequence[RunSummary], records: pd.DataFrame) -> pd.DataFrame:
    """What NVIDIA's rules found in these records, the largest estimated speed-up first, each once per kernel."""
    columns = ["variant", "kernel", "title", "message", "estimated_speedup_percent", "speedup_type", "section"]
    found = rule_rows(runs, records)
    if found.empty:
        return pd.DataFrame(columns=columns)
    found = found.merge(records[["run", "key", "variant"]], on=["run", "key"])
    found = found.sort_values("estimated_speedup_percent", ascending=False, na_position="last", kind="stable")
    return found.drop_duplicates(["variant", "kernel", "title", "message"])[columns].reset_index(drop=True)


def rule_rows(runs: Sequence[RunSummary], records: pd.DataFrame) -> pd.DataFrame:
    """Every result of NVIDIA's rules on these records that says what could be better, as it is stored."""
    found = read_beside(runs, RULES, list(records["key"]))
    return found if found.empty else found[found["kind"].isin(("optimization", "warning"))]
