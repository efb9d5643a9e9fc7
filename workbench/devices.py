"""Limits of architectures and figures of named devices, from the data file beside this module.

Every figure names its source there; one that could not be confirmed is null and stays None here. Plain data, as limits
stand in the way of every command that looks at variants: pydantic would be a fifth of the time of `workbench list`, and
a node that only replays kernels under a profiler has none.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.problem import Problem, unknown

DATA = Path(__file__).with_name("devices.json")


@dataclass(frozen=True, kw_only=True)
class ArchLimits:
    """What one SM of an architecture holds. Sizes in bytes, registers of 32 bits."""

    arch: str
    max_threads_per_block: int
    max_threads_per_sm: int
    max_blocks_per_sm: int
    registers_per_sm: int
    registers_per_block: int
    registers_per_thread: int
    shared_bytes_per_sm: int
    shared_bytes_per_block: int
    """The most that a launch which opts in may have, static and dynamic together."""
    shared_bytes_default: int
    """The most without opting in."""
    shared_bytes_reserved: int
    """What the driver takes of every block's shared memory."""
    special_per_sm_clock: int | None = None
    """Special-function results (MUFU) an SM gives in a clock; None where no source was found."""
    l2_partitions: int = 1
    """Parts of L2, of which each keeps what the SMs at it ask for, wherever that is at home."""
    source: str
    special_source: str | None = None
    l2_partitions_source: str | None = None

    @property
    def max_warps_per_sm(self) -> int:
        return self.max_threads_per_sm // 32

    @property
    def major(self) -> int:
        return int(self.arch[3:]) // 10

    @property
    def minor(self) -> int:
        return int(self.arch[3:]) % 10


@dataclass(frozen=True, kw_only=True)
class Datasheet:
    """One GPU by name: sizes, and rates in SI units, each with its source. None is not known."""

    name: str
    title: str
    driver_names: tuple[str, ...]
    """What a driver calls it. Other models of the family (PCIe, Ti, Laptop) have other figures and other names."""
    arch: str
    sms: int
    l2_bytes: int | None = None
    l2_bytes_per_s: float | None = None
    """What L2 gives the SMs, read."""
    memory_bytes: int | None = None
    boost_clock_hz: float | None = None
    bandwidth_bytes_per_s: float | None = None
    """DRAM bandwidth of the datasheet, one way."""
    fp32_flops_per_s: float | None = None
    """Ordinary float32; a fused multiply-add is two."""
    tf32_flops_per_s: float | None = None
    """Tensor cores, dense."""
    bf16_flops_per_s: float | None = None
    """Tensor cores with float32 accumulation, dense."""
    measured: dict[str, float] = field(default_factory=dict)
    """Ceilings that somebody measured on one such device: the keys of a run's ceilings."""
    sources: dict[str, str]
    """Field → where its figure comes from."""

    @property
    def limits(self) -> ArchLimits:
        return arch_limits(self.arch)

    @property
    def special_per_s(self) -> float | None:
        """Special-function results a second, derived: results a clock and SM × SMs × boost clock."""
        rate = self.limits.special_per_sm_clock
        if rate is None or self.boost_clock_hz is None:
            return None
        return rate * self.sms * self.boost_clock_hz


@functools.cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(DATA.read_text())
    return data


@functools.cache
def archs() -> dict[str, ArchLimits]:
    """Every architecture of the data file by name."""
    common = _data()["common"]
    return {name: ArchLimits(arch=name, **{**common, **entry}) for name, entry in _data()["archs"].items()}


def arch_limits(arch: str) -> ArchLimits:
    """Limits of `sm_90`, also for `sm_90a` and its like. Raises Problem for one that the data file does not hold."""
    base = re.sub(r"(?<=\d)[af]$", "", arch)
    if base not in archs():
        raise unknown("architecture", arch, archs())
    return archs()[base]


@functools.cache
def devices() -> dict[str, Datasheet]:
    """Every named device, in the order of the data file."""
    return {
        name: Datasheet(name=name, **{**entry, "driver_names": tuple(entry["driver_names"])})
        for name, entry in _data()["devices"].items()
    }


def device(name: str) -> Datasheet:
    """The device of a name such as `h200` or `RTX 4090`, or as a driver reports it (`NVIDIA H100 80GB HBM3`). Raises
    Problem naming the nearest."""
    word = _squeezed(name)
    for known in devices().values():
        if word in map(_squeezed, (known.name, known.title, *known.driver_names)):
            return known
    raise unknown("device", name, devices())


def for_arch(arch: str) -> list[Datasheet]:
    """The named devices of an architecture; none for an architecture that only embedded parts have."""
    limits = arch_limits(arch)
    return [known for known in devices().values() if known.arch == limits.arch]


def first_for_arch(arch: str) -> Datasheet:
    """The first named device of an architecture. Raises Problem that names the nearest architecture which has one."""
    if found := for_arch(arch):
        return found[0]
    number = int(arch_limits(arch).arch[3:])
    near = min(devices().values(), key=lambda known: abs(int(known.arch[3:]) - number))
    raise Problem(
        f"--arch {arch}: no GPU of it is known, so its caches cannot be modelled; the nearest that is known is the "
        f"{near.title}, {near.arch}", exit_status=2,
    )  # fmt: skip


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
