"""One kernel launch as a profiler saw it: what every reader of reports returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

Value = float | str


@dataclass(frozen=True)
class Rule:
    """One result of NVIDIA's own analysis of a launch."""

    rule: str
    """Its identifier, such as `SOLBottleneck`."""
    title: str
    section: str
    message: str
    """Plain text; links to the sections of NVIDIA's window are reduced to their words."""
    kind: str
    """`ok`, `optimization`, `warning`, `error` or `none`."""
    speedup_type: str | None = None
    """`global` (of the kernel) or `local` (of the part that the rule looks at)."""
    estimated_speedup_percent: float | None = None


@dataclass(frozen=True)
class Launch:
    """One launch: its kernel, its metrics in base units, and the workbench's ranges it lies in."""

    kernel: str
    metrics: Mapping[str, Value]
    """Only what was measured: a metric without a value, and NaN, is absent here and named in `missing`."""
    units: Mapping[str, str]
    """Base unit of every metric; launches of one report share it."""
    ranges: tuple[str, ...] = ()
    """Names of the ranges of domain `workbench` around it, outermost first."""
    rules: tuple[Rule, ...] = ()
    missing: tuple[str, ...] = field(default=())
    own_ranges: tuple[str, ...] = ()
    """NVTX ranges of the profiled program itself around it, outermost first."""
    signature: str = ""
    """The whole demangled name, where `kernel` is a short one."""
    device_number: str = ""
    process: str = ""

    def only(self, names: Collection[str]) -> Launch:
        """The same launch with these metrics alone: a thousand launches of 700 take half a gigabyte."""
        return replace(self, metrics={name: value for name, value in self.metrics.items() if name in names})

    def number(self, metric: str) -> float | None:
        """The metric's value, or None where it is missing or a text."""
        value = self.metrics.get(metric)
        return value if isinstance(value, float) else None

    @property
    def demangled(self) -> str:
        """The kernel's whole name, with template arguments: what tells kernels apart."""
        return self.signature or self.kernel

    @property
    def device(self) -> str:
        """The GPU's name, or `unknown GPU`."""
        return str(self.metrics.get("device__attribute_display_name", "unknown GPU"))

    @property
    def arch(self) -> str | None:
        """`sm_70` and its like."""
        major = self.number("device__attribute_compute_capability_major")
        minor = self.number("device__attribute_compute_capability_minor")
        if major is None or minor is None or not (0 <= major < 100 and 0 <= minor < 10):
            return None
        return f"sm_{int(major)}{int(minor)}"
