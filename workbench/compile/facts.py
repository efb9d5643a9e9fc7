"""The facts of one launch: what its kernel compiled to, and the occupancy that follows from its launch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compile import cache
from workbench.compile.disassemble import disassemble, sass_path
from workbench.compile.occupancy import occupancy
from workbench.compile.resources import Resources, read_resources
from workbench.compile.sass import Listing, parse_listings
from workbench.compile.units import HOST, Binary, Unit
from workbench.problem import Problem, SourceError, unknown
from workbench.steps import kind_of

if TYPE_CHECKING:
    from workbench.store.record import BuildFact


ARCH_NAMED = re.compile(r"Compiling entry function '[^']+' for '(sm_\w+)'")
"""How ptxas names the architecture, once for each kernel."""


class NoSuchKernel(SourceError):
    """A declaration names a function that its source does not hold: that variant's fault, not the machine's."""


@dataclass(frozen=True)
class KernelFacts:
    """What a kernel compiled to, whatever its launch."""

    resources: Resources
    code_bytes: int
    sass_mix: dict[str, int]


def prepare_facts(binaries: Iterable[Binary]) -> None:
    """Works the facts of many cubins of one architecture out at once, which costs little more than those of one."""
    waiting = [binary for binary in binaries if cache.read_text(_facts_path(binary)) is None]
    if waiting:
        disassemble((binary.path for binary in waiting), _arch_of(waiting[0]))
    for binary in waiting:
        kernels_of(binary)


def kernels_of(binary: Binary) -> dict[str, KernelFacts]:
    """Kernel name → facts of every kernel of a cubin; worked out once, then read from beside the binary.

    Raises Problem when nvdisasm or cuobjdump is missing.
    """
    stored = _facts_path(binary)
    known = cache.read_text(stored)
    if known is not None:
        return {
            name: KernelFacts(Resources(**entry["resources"]), entry["code_bytes"], entry["sass_mix"])
            for name, entry in json.loads(known).items()
        }
    listings = _listings_by_symbol(binary)
    found = {
        binary.function(name): KernelFacts(resources, listings[name].code_bytes, listings[name].mix())
        for name, resources in read_resources(binary.path, binary.log).items()
    }
    cache.write_text(stored, json.dumps({name: asdict(entry) for name, entry in found.items()}))
    return found


def listings_of(binary: Binary) -> dict[str, Listing]:
    """Kernel name → machine code of every kernel of a cubin; disassembled once, then read from beside the binary."""
    return {binary.function(symbol): listing for symbol, listing in _listings_by_symbol(binary).items()}


def _listings_by_symbol(binary: Binary) -> dict[str, Listing]:
    disassemble([binary.path], _arch_of(binary))
    return parse_listings(cache.read_text(sass_path(binary.path)) or "")


def listing_of(binary: Binary, kernel: str) -> Listing:
    """One kernel's machine code. Raises Problem, naming those there are, when the cubin has no such kernel."""
    listings = listings_of(binary)
    if kernel not in listings:
        raise unknown("kernel", kernel, listings)
    return listings[kernel]


def facts_of(unit: Unit, binary: Binary, step: Any) -> BuildFact:
    """What the kernel that `step` launches compiled to for the unit's architecture, and its theoretical occupancy at
    its block and shared memory. For a unit of the host only the names are known: registers and occupancy are a GPU's.

    Raises Problem when the source has no such function or a tool is missing.
    """
    # Not at the top: a node that only replays kernels under a profiler has no pydantic, which records are made of.
    from workbench.store.record import BuildFact

    kind = kind_of(step)
    kernel, launch = kind.source(step), kind.launch(step)
    assert kernel is not None and launch is not None
    threads = launch.block[0] * launch.block[1] * launch.block[2]
    if unit.arch == HOST:
        return BuildFact(arch=unit.arch, kernel=kernel.function, source=str(unit.source.name), block_threads=threads)
    if ARCH_NAMED.search(binary.log) is None:
        raise NoSuchKernel(f'{unit.source}: holds no kernel: write extern "C" __global__ before {kernel.function}')
    kernels = kernels_of(binary)
    if kernel.function not in kernels:
        raise NoSuchKernel(
            f"{unit.source}: no kernel {kernel.function}; it holds {', '.join(sorted(kernels))} "
            f'(write extern "C" before it, or name it as C++ does: ::{kernel.function}, {kernel.function}<32>)'
        )
    facts = kernels[kernel.function]
    resources = facts.resources
    shared = resources.shared_bytes + launch.shared_bytes + binary.launch_needs[0]
    resident = occupancy(unit.arch, threads, resources.registers, shared, resources.barriers)
    return BuildFact(
        arch=unit.arch,
        kernel=kernel.function,
        source=str(unit.source.name),
        registers=resources.registers,
        shared_bytes=shared,
        stack_bytes=resources.stack_bytes,
        spill_bytes=resources.spill_store_bytes + resources.spill_load_bytes,
        code_bytes=facts.code_bytes,
        block_threads=threads,
        occupancy_theoretical=resident.fraction,
        occupancy_limiter=resident.limiter,
        sass_mix=facts.sass_mix,
    )


def _arch_of(binary: Binary) -> str:
    """The architecture that a cubin was compiled for, as ptxas named it."""
    named = ARCH_NAMED.search(binary.log)
    if named is None:
        raise Problem(f'{binary.path}: holds no kernel (is a function extern "C" __global__?)')
    return named[1]


def _facts_path(binary: Binary) -> Path:
    return binary.path.with_suffix(".facts.json")
