"""An imported report, or the launches that a profiler joined to a run, kernel by kernel: where its time went.

Times are those under the profiler, good for comparing kernels of one report with each other and for nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.profile.derived import dram_bytes, stall_shares
from workbench.profile.diagnosis import WAITED, binding, by_kernel, diagnosis
from workbench.profile.import_report import UNNAMED
from workbench.profile.kernel_names import told_apart
from workbench.profile.metrics import combined
from workbench.profile.metrics import figures as counter_figures
from workbench.quantity import quantity
from workbench.store.launch import Launch

Launches = Mapping[tuple[str, str], Sequence[Launch]]
COLUMNS = (
    "run", "key", "signature", "kernel", "variant", "launches.counted", "duration_s", "share_of_report",
    "binds", "binds_share", "top_stall", "top_stall_share", "registers", "occupancy_achieved", "bytes.counted",
)  # fmt: skip
RULE_COLUMNS = ("kernel", "title", "message", "estimated_gain", "speedup_type", "gain_of_report", "section")


def report_kernels(records: pd.DataFrame, launches: Launches) -> pd.DataFrame:
    """A row per kernel of each record, the longest first: COLUMNS. `signature` is the kernel's whole name, `kernel` as
    much of it as tells it from the others; `share_of_report` is of the time of all launches."""
    rows: list[dict[str, Any]] = []
    for run, key, operation, variant in _named(records):
        for signature, own in by_kernel(launches.get((run, key), ())).items():
            values = combined(own)
            bound = binding(values)
            waits = [one for one in stall_shares(values) if one[0] not in WAITED]
            rows.append({
                "run": run, "key": key, "signature": signature, "launches.counted": len(own),
                "variant": None if operation == UNNAMED else f"{operation}/{variant}",
                "duration_s": values.get("duration_s"), "registers": values.get("registers"),
                "occupancy_achieved": values.get("occupancy_achieved"), "bytes.counted": dram_bytes(values),
                **({"binds": bound.resource, "binds_share": bound.share} if bound else {}),
                **({"top_stall": waits[0][0], "top_stall_share": waits[0][1]} if waits else {}),
            })  # fmt: skip
    found = pd.DataFrame(rows, columns=COLUMNS)
    found["kernel"] = _names(found)
    found["duration_s"] = found["duration_s"].astype("float64")
    if whole := found["duration_s"].sum():
        found["share_of_report"] = found["duration_s"] / whole
    return found.sort_values("duration_s", ascending=False, na_position="last", kind="stable", ignore_index=True)


def _named(records: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    return list(records[["run", "key", "operation", "variant"]].itertuples(index=False, name=None))


def _names(rows: pd.DataFrame) -> list[str]:
    """The kernels' names as short as tells them apart; where records share one, with what differs in their keys."""
    short = told_apart(rows["signature"])
    keys: dict[str, list[list[str]]] = {}
    for signature, key in zip(rows["signature"], rows["key"], strict=True):
        keys.setdefault(signature, []).append(str(key).split("."))
    found = []
    for signature, key in zip(rows["signature"], rows["key"], strict=True):
        columns = itertools.zip_longest(*keys[signature])
        own = [word for word, words in zip(str(key).split("."), columns, strict=False) if len(set(words)) > 1]
        found.append(f"{short[signature]} ({' '.join(own)})" if own else short[signature])
    return found


def ranked_rules(kernels: pd.DataFrame, rules: pd.DataFrame) -> pd.DataFrame:
    """NVIDIA's rules for these kernels (`report_kernels`), by what they estimate the whole report would gain:
    RULE_COLUMNS. `rules`: rows of `counters.rule_rows`. Gains of a part of a kernel (`local`) stand behind those of a
    kernel (`global`), for they say nothing of its time."""
    if rules.empty or kernels.empty:
        return pd.DataFrame(columns=RULE_COLUMNS)
    places = kernels[["run", "key", "signature", "kernel", "share_of_report"]]
    found = rules.rename(columns={"kernel": "signature"}).merge(places, on=["run", "key", "signature"])
    found["estimated_gain"] = found["estimated_speedup_percent"].astype("float64") / 100
    share = found["share_of_report"].astype("float64")
    found["gain_of_report"] = (found["estimated_gain"] * share).where(found["speedup_type"] == "global")
    found = found.sort_values(
        ["gain_of_report", "estimated_gain", "share_of_report"],
        ascending=False,
        na_position="last",
        kind="stable",
        ignore_index=True,
    )
    return found.drop_duplicates(["kernel", "title"], ignore_index=True)[list(RULE_COLUMNS)]


def diagnoses(kernels: pd.DataFrame, launches: Launches) -> list[tuple[str, list[str]]]:
    """The workbench's own diagnosis of each kernel, in the order of `report_kernels`; those that it has nothing to say
    about are left out."""
    found = []
    for run, key, signature, name in kernels[["run", "key", "signature", "kernel"]].itertuples(index=False):
        if said := diagnosis(by_kernel(launches.get((run, key), ()))[signature]):
            found.append((str(name), said))
    return found


def story(kernels: pd.DataFrame) -> str:
    """What the report says, in one sentence; empty where it has no durations."""
    timed = kernels[kernels["duration_s"].notna()]
    if timed.empty:
        return ""
    first = timed.iloc[0]
    share = f"{100 * first['share_of_report']:.0f} % of the time of all launches under the profiler"
    bound = "" if pd.isna(first["binds"]) else f", bound by {first['binds']}"
    if len(timed) == 1:
        return f"One kernel: {first['kernel']}{bound}."
    most = int((timed["share_of_report"].cumsum() < 0.9 - 1e-9).sum()) + 1
    rest = f"; {most} of {len(timed)} kernels make 90 %" if most < len(timed) else ""
    return f"{first['kernel']} takes {share}{bound}{rest}."


def counters_of(launches: Sequence[Launch], signature: str) -> pd.DataFrame:
    """The figures of one kernel's launches together, as a person reads them: group, counter, ncu.value, meaning. Those
    that the launches lack are absent."""
    values = combined([launch for launch in launches if launch.demangled == signature])
    rows = [
        (one.group, one.title, quantity(values[name], one.unit), one.meaning)
        for name, one in counter_figures().items()
        if name in values
    ]
    return pd.DataFrame(rows, columns=["group", "counter", "ncu.value", "meaning"])
