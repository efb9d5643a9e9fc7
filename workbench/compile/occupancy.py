"""Theoretical occupancy, by NVIDIA's own calculator (`cuda_occupancy.h`), on any machine with a C++ compiler."""

from __future__ import annotations

import ctypes
import functools
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.compile import cache, toolkit
from workbench.compile.host import compiler_identity, host_compiler
from workbench.devices import ArchLimits, arch_limits
from workbench.problem import Problem

SOURCE = Path(__file__).with_name("occupancy.cpp")
FLAGS = ("-O1", "-std=c++17", "-shared", "-fPIC")
UNLIMITED = 2**31 - 1

LIMITERS = ("warps", "blocks", "registers", "shared memory", "barriers")
"""Where several bind at once the first of them is named: with the warps of an SM all taken, fewer registers or less
shared memory gain nothing."""


@dataclass(frozen=True)
class Occupancy:
    """How many warps an SM can hold of one kernel, and what keeps it from holding more."""

    fraction: float
    """Resident warps over the most an SM holds, 0 to 1; 0 when not even one block fits."""
    blocks_per_sm: int
    warps_per_sm: int
    limiter: str
    """One of LIMITERS."""
    limits: dict[str, int | None]
    """Blocks an SM that each resource alone would allow; None where it sets no limit."""


@dataclass(frozen=True)
class OccupancyPoint:
    """One point of a what-if."""

    block_threads: int
    registers: int
    shared_bytes: int
    occupancy: Occupancy

    def as_dict(self) -> dict[str, Any]:
        return {
            "block_threads": self.block_threads,
            "registers": self.registers,
            "shared_bytes": self.shared_bytes,
            **asdict(self.occupancy),
        }


class _Limits(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int)
        for name in (
            "major",
            "minor",
            "max_threads_per_block",
            "max_threads_per_sm",
            "registers_per_block",
            "registers_per_sm",
            "shared_default",
            "shared_per_block",
            "shared_per_sm",
            "shared_reserved",
        )
    )


class _Answer(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int) for name in ("blocks_per_sm", "warps", "registers", "shared", "blocks", "barriers")
    )


def occupancy(arch: str, block_threads: int, registers: int, shared_bytes: int, barriers: int = 1) -> Occupancy:
    """Theoretical occupancy of a kernel on an architecture.

    `block_threads` threads per block, `registers` a thread, `shared_bytes` static and dynamic together a block,
    `barriers` hardware barriers a block (`__syncthreads` uses one). Raises Problem for an unknown architecture, one
    that the calculator does not know, figures below their least, or when no C++ compiler is at hand.
    """
    for name, value, least in (("block", block_threads, 1), ("registers", registers, 0), ("shared", shared_bytes, 0)):
        if not least <= value <= UNLIMITED:
            raise Problem(f"occupancy: {name} = {value} is out of range; the least is {least}", exit_status=2)
    limits = arch_limits(arch)
    answer = _Answer()
    error = _calculator().occupancy(
        ctypes.byref(_as_c(limits)),
        block_threads,
        registers,
        ctypes.c_longlong(shared_bytes),
        barriers,
        ctypes.byref(answer),
    )
    too_much_shared = shared_bytes > limits.shared_bytes_per_block
    if error and not too_much_shared:
        raise Problem(f"occupancy: cuda_occupancy.h does not know {arch} (error {error}); upgrade nvidia-cuda-runtime")
    if error:  # over the largest partition the calculator gives an error in place of zero blocks
        return Occupancy(0.0, 0, 0, "shared memory", {**dict.fromkeys(LIMITERS), "shared memory": 0})
    by = {
        "warps": answer.warps,
        "blocks": answer.blocks,
        "registers": answer.registers,
        "shared memory": answer.shared,
        "barriers": answer.barriers,
    }
    blocks = answer.blocks_per_sm
    warps = blocks * -(-block_threads // 32)
    limiter = next(name for name in LIMITERS if by[name] == blocks)
    return Occupancy(
        fraction=warps / limits.max_warps_per_sm,
        blocks_per_sm=blocks,
        warps_per_sm=warps,
        limiter=limiter,
        limits={name: value if value < UNLIMITED else None for name, value in by.items()},
    )


def sweep(
    arch: str, blocks: Iterable[int], registers: Iterable[int], shared_bytes: Iterable[int], barriers: int = 1
) -> list[OccupancyPoint]:
    """Occupancy at every combination, block sizes outermost."""
    counts, sizes = list(registers), list(shared_bytes)
    return [
        OccupancyPoint(block, count, size, occupancy(arch, block, count, size, barriers))
        for block in blocks
        for count in counts
        for size in sizes
    ]


def _as_c(limits: ArchLimits) -> _Limits:
    return _Limits(
        limits.major,
        limits.minor,
        limits.max_threads_per_block,
        limits.max_threads_per_sm,
        limits.registers_per_block,
        limits.registers_per_sm,
        limits.shared_bytes_default,
        limits.shared_bytes_per_block,
        limits.shared_bytes_per_sm,
        limits.shared_bytes_reserved,
    )


@functools.cache
def _calculator() -> ctypes.CDLL:
    """The calculator as a shared library, compiled once into the build cache."""
    text = SOURCE.read_bytes()
    header = toolkit.include_folders()[0] / "cuda_occupancy.h"
    if not header.is_file():
        raise Problem("cuda_occupancy.h is missing: pip install nvidia-cuda-runtime")
    compiler = host_compiler()
    key = cache.digest([text, header.read_bytes(), compiler_identity(compiler, FLAGS)])
    library = cache.entry(key, ".so")
    if not library.is_file():
        with cache.scratch_file(library) as scratch:
            command = [*compiler, *FLAGS, f"-I{header.parent}", str(SOURCE), "-o", str(scratch)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Problem(f"{SOURCE} does not compile: {done.stderr.strip()}")
            cache.publish(scratch, library)
    return ctypes.CDLL(str(library))
