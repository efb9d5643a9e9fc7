"""What NVIDIA's reader gives of a report, launch by launch: runs in a process of its own (read_piece.py)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.execute.ranges import DOMAIN, RECORD_KEY
from workbench.problem import Problem
from workbench.profile.units import base_unit
from workbench.store.launch import Launch, Rule, Value

UNNAMED = "kernel without a name"
MESSAGE_KINDS = {0: "none", 1: "ok", 2: "optimization", 3: "warning", 4: "error"}
SPEEDUP_TYPES = {1: "local", 2: "global"}
RUNNING = re.compile(r",\s*(?:seq|op_id) = .*$", re.DOTALL)
LINKS = (re.compile(r"@url:([^:@]*):[^@]*@"), re.compile(r"@(?:section|source|sass):[^@]*:([^:@]*)@"))


def launches_of(reader: Any, path: Path) -> Iterator[Launch]:
    """The launches of a file that is known to be whole. `reader` is the module `ncu_report`, or one of its shape."""
    context = reader.load_report(str(path))
    if context.num_ranges() is None:
        raise Problem(f"{path}: NVIDIA's reader does not take it; is it an Nsight Compute report?")
    known = _Known({}, {}, set())
    for r in range(context.num_ranges()):
        actions = context.range_by_idx(r)
        for k in range(actions.num_actions()):
            yield _launch(reader, actions.action_by_idx(k), known)


@dataclass
class _Known:
    """What a metric has in every launch of a report alike, asked for once: each question costs a microsecond."""

    factors: dict[str, float]
    units: dict[str, str]
    texts: set[str]


def _launch(reader: Any, action: Any, known: _Known) -> Launch:
    if action.name() is None and not list(action.metric_names()):
        raise Problem("a launch of it is empty")
    metrics: dict[str, Value] = {}
    missing = []
    for name in map(text, action.metric_names()):
        if not name:
            continue
        metric = action.metric_by_name(name)
        if metric is None or not metric.has_value():
            missing.append(name)
            continue
        if name not in known.factors:
            known.factors[name], known.units[name] = base_unit(metric.unit() or "")
            if metric.kind() == reader.IMetric.ValueKind_STRING:
                known.texts.add(name)
        if name in known.texts:
            metrics[name] = text(metric.as_string())
            continue
        value = metric.as_double()
        if math.isfinite(value):
            metrics[name] = value * known.factors[name]
        else:
            missing.append(name)
    inside = _all_ranges(action.nvtx_state())
    return Launch(
        kernel=text(action.name()) or UNNAMED,
        metrics=metrics,
        units=known.units,
        ranges=record_ranges(action),
        rules=tuple(_rule(result) for result in action.rule_results()),
        missing=tuple(missing),
        own_ranges=tuple(own_range(n) for domain, n in inside if domain != DOMAIN and not RECORD_KEY.fullmatch(n)),
        signature=_signature(reader, action),
        device_number=_whole(metrics.get("device__attribute_device_index", metrics.get("launch__device_id"))),
    )


def record_ranges(action: Any) -> tuple[str, ...]:
    """The keys of the records whose ranges a launch ran in, the innermost last."""
    inside = _all_ranges(action.nvtx_state())
    return tuple(name for domain, name in inside if domain == DOMAIN or RECORD_KEY.fullmatch(name))


def own_range(name: str) -> str:
    """A range's name without the running numbers that torch writes into it: each call would be a range of its own."""
    return RUNNING.sub("", name)


def _whole(value: Value | None) -> str:
    return str(int(value)) if isinstance(value, float) and abs(value) < 2**31 else str(value or "")


def _signature(reader: Any, action: Any) -> str:
    """The demangled name with template arguments and parameters; empty where the reader gives none."""
    try:
        return text(action.name(reader.IAction.NameBase_DEMANGLED))
    except (AttributeError, TypeError):  # a reader of another version, or a stand-in
        return ""


def text(value: object) -> str:
    """What a report calls a name, as text that can be stored: broken reports hold bytes that are none."""
    return "" if value is None else str(value).encode(errors="replace").decode()


def _all_ranges(state: Any) -> list[tuple[str, str]]:
    """Domain and name of every range around a launch; of several nested ones the innermost is last.

    Where the profiled node had no nvtx package the workbench's key stands in the default domain.
    """
    if state is None:
        return []
    found: list[tuple[str, str]] = []
    for number in state.domains():
        domain = state.domain_by_id(number)
        if domain is not None:
            names = (*domain.start_end_ranges(), *domain.push_pop_ranges())
            found += [(text(domain.name()), text(name)) for name in names]
    return found


def _rule(result: Any) -> Rule:
    message = result.rule_message() if result.has_rule_message() else {}
    speedup = result.speedup_estimation() if result.has_speedup_estimation() else {}
    return Rule(
        rule=text(result.rule_identifier()),
        title=text(message.get("title") or result.name()),
        section=text(result.section_identifier()),
        message=plain_text(text(message.get("message"))),
        kind=MESSAGE_KINDS.get(message.get("type", 0), "none"),
        speedup_type=SPEEDUP_TYPES.get(speedup.get("type", 0)),
        estimated_speedup_percent=speedup.get("speedup"),
    )


def plain_text(message: str) -> str:
    """NVIDIA's message with its links reduced to their words."""
    for link in LINKS:
        message = link.sub(r"\1", message)
    return message
