"""A stand-in for the module `ncu_report`: the shape of its classes, with launches that a test makes up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

STRING, DOUBLE = 2, 4


class IMetric:
    """The constants of the real class."""

    ValueKind_STRING = STRING
    ValueKind_DOUBLE = DOUBLE


@dataclass
class Metric:
    content: float | str | None
    unit_text: str = ""

    def has_value(self) -> bool:
        return self.content is not None

    def kind(self) -> int:
        return STRING if isinstance(self.content, str) else DOUBLE

    def unit(self) -> str:
        return self.unit_text

    def as_double(self) -> float:
        return math.nan if self.content is None else float(self.content)

    def as_string(self) -> str:
        return str(self.content)


@dataclass
class RuleResult:
    """One rule's result; `speedup` is (type, percent) or None."""

    identifier: str
    message: dict[str, Any] | None
    speedup: tuple[int, float] | None = None

    def rule_identifier(self) -> str:
        return self.identifier

    def name(self) -> str:
        return self.identifier + "Name"

    def section_identifier(self) -> str:
        return "SpeedOfLight"

    def has_rule_message(self) -> bool:
        return self.message is not None

    def rule_message(self) -> dict[str, Any]:
        assert self.message is not None
        return self.message

    def has_speedup_estimation(self) -> bool:
        return self.speedup is not None

    def speedup_estimation(self) -> dict[str, Any]:
        assert self.speedup is not None
        return {"type": self.speedup[0], "speedup": self.speedup[1]}


@dataclass
class Domain:
    domain: str
    push_pop: tuple[str, ...] = ()
    start_end: tuple[str, ...] = ()

    def name(self) -> str:
        return self.domain

    def push_pop_ranges(self) -> tuple[str, ...]:
        return self.push_pop

    def start_end_ranges(self) -> tuple[str, ...]:
        return self.start_end


@dataclass
class NvtxState:
    all_domains: list[Domain]

    def domains(self) -> tuple[int, ...]:
        return tuple(range(len(self.all_domains)))

    def domain_by_id(self, number: int) -> Domain:
        return self.all_domains[number]


@dataclass
class Action:
    kernel: str
    metrics: dict[str, Metric]
    nvtx: NvtxState | None = None
    rules: list[RuleResult] = field(default_factory=list)

    def name(self) -> str:
        return self.kernel

    def metric_names(self) -> tuple[str, ...]:
        return tuple(self.metrics)

    def metric_by_name(self, name: str) -> Metric | None:
        return self.metrics.get(name)

    def nvtx_state(self) -> NvtxState | None:
        return self.nvtx

    def rule_results(self) -> list[RuleResult]:
        return self.rules


@dataclass
class Range:
    actions: list[Action]

    def num_actions(self) -> int:
        return len(self.actions)

    def action_by_idx(self, index: int) -> Action:
        return self.actions[index]


@dataclass
class Context:
    """`ranges` is None where the real reader did not take the file."""

    ranges: list[Range] | None

    def num_ranges(self) -> int | None:
        return None if self.ranges is None else len(self.ranges)

    def range_by_idx(self, index: int) -> Range:
        assert self.ranges is not None
        return self.ranges[index]


@dataclass
class Reader:
    """What stands where the module does."""

    context: Context
    IMetric = IMetric

    def load_report(self, path: str) -> Context:
        return self.context
