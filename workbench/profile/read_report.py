"""Reads `.ncu-rep` files with NVIDIA's own reader (the `ncu_report` wheel: no GPU, no driver, no ncu)."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.execute.ranges import DOMAIN, RECORD_KEY
from workbench.problem import Problem
from workbench.profile.read_piece import read_piece
from workbench.profile.report_blocks import Blocks, read_blocks
from workbench.profile.units import base_unit
from workbench.store.launch import Launch, Rule, Value

PIECE = 25
"""Launches read at a time. NVIDIA's reader keeps all it touched, up to 4 MB a launch, until the file is closed."""

MESSAGE_KINDS = {0: "none", 1: "ok", 2: "optimization", 3: "warning", 4: "error"}
SPEEDUP_TYPES = {1: "local", 2: "global"}
LINKS = (re.compile(r"@url:([^:@]*):[^@]*@"), re.compile(r"@(?:section|source|sass):[^@]*:([^:@]*)@"))
ZSTD = b"\x28\xb5\x2f\xfd"
"""How a `.ncu-repz` starts: a report under Zstandard, which NVIDIA's reader takes as a whole."""


def read_report(path: Path, processes: int = 2) -> Iterator[Launch]:
    """The launches of a report, in order.

    A report of many launches is read in pieces by `processes` processes, so that memory stays bounded.
    Raises Problem where the file is no report, is cut short, or holds no launch.
    """
    try:
        import ncu_report
    except ImportError as error:
        raise Problem(f"{path}: NVIDIA's report reader is missing ({error}); pip install ncu-report") from None
    with path.open("rb") as file:
        compressed = file.read(len(ZSTD)) == ZSTD
    if compressed:
        yield from launches_of(ncu_report, path)
        return
    blocks = read_blocks(path)
    if blocks.launches == 0:
        raise Problem(f"{path}: a report with no kernel in it; nothing ran inside the profiled ranges, profile again")
    if blocks.launches <= PIECE:
        yield from launches_of(ncu_report, path)
    else:
        yield from _in_pieces(blocks, processes)


def _in_pieces(blocks: Blocks, processes: int) -> Iterator[Launch]:
    """Pieces in order, so many at a time, each by a process of its own."""
    with ThreadPoolExecutor(processes) as pool:
        waiting: deque[Future[list[Launch]]] = deque()
        for first, last in blocks.pieces(PIECE):
            waiting.append(pool.submit(read_piece, blocks.path, first, last))
            # no more results wait in memory than processes run
            if len(waiting) > processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


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
    metrics: dict[str, Value] = {}
    missing = []
    for name in action.metric_names():
        metric = action.metric_by_name(name)
        if metric is None or not metric.has_value():
            missing.append(name)
            continue
        if name not in known.factors:
            known.factors[name], known.units[name] = base_unit(metric.unit() or "")
            if metric.kind() == reader.IMetric.ValueKind_STRING:
                known.texts.add(name)
        if name in known.texts:
            metrics[name] = metric.as_string()
            continue
        value = metric.as_double()
        if math.isfinite(value):
            metrics[name] = value * known.factors[name]
        else:
            missing.append(name)
    return Launch(
        kernel=action.name(),
        metrics=metrics,
        units=known.units,
        ranges=_ranges(action.nvtx_state()),
        rules=tuple(_rule(result) for result in action.rule_results()),
        missing=tuple(missing),
    )


def _ranges(state: Any) -> tuple[str, ...]:
    """Names of the workbench's ranges; of several nested ones the innermost is last.

    Where the profiled node had no nvtx package the key stands in the default domain: there only what looks like
    a key counts.
    """
    if state is None:
        return ()
    names: list[str] = []
    for number in state.domains():
        domain = state.domain_by_id(number)
        if domain is None:
            continue
        inside = [*domain.start_end_ranges(), *domain.push_pop_ranges()]
        if domain.name() == DOMAIN:
            names += inside
        else:
            names += [name for name in inside if RECORD_KEY.fullmatch(name)]
    return tuple(names)


def _rule(result: Any) -> Rule:
    message = result.rule_message() if result.has_rule_message() else {}
    speedup = result.speedup_estimation() if result.has_speedup_estimation() else {}
    return Rule(
        rule=result.rule_identifier(),
        title=message.get("title") or result.name(),
        section=result.section_identifier(),
        message=plain_text(message.get("message") or ""),
        kind=MESSAGE_KINDS.get(message.get("type", 0), "none"),
        speedup_type=SPEEDUP_TYPES.get(speedup.get("type", 0)),
        estimated_speedup_percent=speedup.get("speedup"),
    )


def plain_text(message: str) -> str:
    """NVIDIA's message with its links reduced to their words."""
    for link in LINKS:
        message = link.sub(r"\1", message)
    return message
