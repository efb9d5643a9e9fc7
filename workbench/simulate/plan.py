"""Runs every step of a plan: kernels simulated, host functions called, torch on the same memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arguments import c_argument
from workbench.build.units import unit_of_source
from workbench.declare import Argument, Kernel, Plan, Step
from workbench.host_steps import HasPath, HostPlace
from workbench.problem import Problem
from workbench.simulate.blocks import run_launch
from workbench.simulate.launch import Counts, Options
from workbench.simulate.memory import Memory
from workbench.simulate.program import Program
from workbench.simulate.ptx import Module, read_module
from workbench.simulate.ptx.lower import PARAMETERS
from workbench.simulate.sass.lower import Lowered, load_kernel
from workbench.steps import Launch, Source, kind_of, unrolled


def run_plan(
    plan: Plan,
    dtype: str,
    memory: Memory,
    binaries: Mapping[Any, HasPath | Path],
    arch: str,
    options: Options | Callable[[Step], Options] | None = None,
) -> list[Counts | None]:
    """Does the plan's steps in order over `memory`, which holds the operation's tensors; missing scratch is added.

    `binaries` maps each step's build unit (workbench.build.unit_of with `arch`; "host" for host functions) to its PTX,
    its cubin or its library; `options` are those of every launch, or give each launch its own. Returns what each step
    counted, None where it is no kernel. Raises SimulationFault for what a kernel must not do, Problem for what is not
    simulated.
    """
    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    place = SimulatedPlace(memory, lambda source: binaries[unit_of_source(source, dtype, arch)])
    counted: list[Counts | None] = []
    for step in unrolled(plan.steps):
        kind, place.counts = kind_of(step), None
        own = (options(step) if kind.launch(step) else None) if callable(options) else options
        own = own or Options()
        place.options = replace(own, seed=own.seed + place.number if own.seed else 0)
        kind.bind(step, place)()
        counted.append(place.counts)
        place.number += 1
    return counted


class SimulatedPlace(HostPlace):
    """See `workbench.steps.Place`: kernels are what was compiled, executed and counted. Raises SimulationFault."""

    memory: Memory

    def __init__(self, memory: Memory, compiled: Callable[[Source], HasPath | Path]) -> None:
        super().__init__(memory, compiled)
        self.counts: Counts | None = None
        """Of the last launch."""
        self.number = 0
        """Of the step in its plan."""
        self.options = Options()
        """Of the launch that is bound next."""
        self._modules: dict[Path, Loaded] = {}

    def argument(self, argument: Argument) -> Any:
        """Kernels see addresses of their own."""
        return c_argument(argument, self.memory.address, lambda name: self.memory.array(name).itemsize)

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        path = self.path(source)
        shared_bytes, pointers = getattr(self._compiled(source), "launch_needs", (0, 0))
        step = Kernel(
            source.path, source.function, launch.grid, launch.block, (*launch.arguments, *[0] * pointers),
            launch.shared_bytes + shared_bytes,
        )  # fmt: skip

        own = self.options

        def run() -> None:
            if path.suffix == ".cubin":
                self.counts = launch_cubin(path, step, self.memory, own)
                return
            if path not in self._modules:
                self._modules[path] = Loaded(module_of(path), self.memory, f"{path.stem[:12]}.")
            self.counts = self._modules[path].launch(step, own)

        return run

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], Any]:
        return self._written(super().host(source, arguments), ())

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        return self._written(super().python(function, inputs, outputs), outputs)

    def clear(self, tensor: str) -> Callable[[], Any]:
        return self._written(super().clear(tensor), (tensor,))

    def _written(self, call: Callable[[], Any], names: tuple[str, ...]) -> Callable[[], None]:
        """What nobody watches leaves these tensors written; anything, where it names none."""

        def run() -> None:
            call()
            for name in names:
                self.memory.written(name)
            if not names:
                self.memory.all_written()

        return run


_kernels: dict[tuple[Path, str], Lowered] = {}


def machine_code(path: Path, function: str) -> Lowered:
    """A kernel of a cubin, read once a process. Raises Problem."""
    if (path, function) not in _kernels:
        _kernels[path, function] = load_kernel(path, function)
    return _kernels[path, function]


def launch_cubin(path: Path, step: Kernel, memory: Memory, options: Options) -> Counts:
    """One launch of a cubin's machine code. Its variables begin anew with each launch."""
    program = machine_code(path, step.function).program
    block = pack(program, step.arguments, memory)
    return run_launch(program, step.grid, step.block, block, memory, step.shared_bytes, options)


_modules: dict[Path, Module] = {}


def module_of(path: Path) -> Module:
    """A file of PTX, read once a process: the build's files are named by their content."""
    if path not in _modules:
        _modules[path] = read_module(path.read_text(errors="replace"))
    return _modules[path]


class Loaded:
    """A module whose variables are in a memory: they keep their values from launch to launch."""

    def __init__(self, module: Module, memory: Memory, prefix: str) -> None:
        self._module = module
        self._memory = memory
        self._prefix = prefix
        variables = module.variables()
        for variable in variables:
            memory.put(prefix + variable.name, np.zeros(max(1, variable.size), np.uint8), writable=True)
        for variable in variables:
            contents = np.frombuffer(variable.contents(self._address), np.uint8)
            memory.array(prefix + variable.name)[: variable.size] = contents
            if not variable.writable:
                memory.protect(prefix + variable.name)

    def _address(self, name: str) -> int:
        address = self._memory.address(self._prefix + name) if self._prefix + name in self._memory else None
        if address is None:
            raise Problem(f"variable {name} of the module is declared elsewhere: it is not simulated")
        return address

    def launch(self, step: Kernel, options: Options) -> Counts:
        program = self._module.program(step.function)
        block = pack(program, step.arguments, self._memory)
        return self.launch_packed(program, block, step.grid, step.block, step.shared_bytes, options)

    def launch_packed(
        self, program: Program, block: bytes, grid: Sequence[int], threads: Sequence[int], shared_bytes: int,
        options: Options,
    ) -> Counts:  # fmt: skip
        """Launches with a parameter block; the addresses of the module's variables are put behind it."""
        if program.variables:
            addresses = []
            for name in program.variables:
                if name == PARAMETERS:
                    self._memory.put(self._prefix + name, np.frombuffer(block.ljust(8, b"\0"), np.uint8))
                addresses.append(self._address(name))
            block = block.ljust(-(-len(block) // 8) * 8, b"\0")
            block += b"".join(address.to_bytes(8, "little") for address in addresses)
        return run_launch(program, grid, threads, block, self._memory, shared_bytes, options)


def pack(program: Program, arguments: Sequence[Argument], memory: Memory) -> bytes:
    """The kernel's parameter block. Raises Problem where the arguments do not fit the parameters."""
    if len(arguments) != len(program.parameters):
        raise Problem(
            f"kernel {program.name} has {len(program.parameters)} parameters and is given {len(arguments)} arguments"
        )
    block = bytearray(program.parameter_bytes)
    for number, (argument, (offset, size)) in enumerate(zip(arguments, program.parameters, strict=True)):
        data = bytes(c_argument(argument, memory.address, lambda name: memory.array(name).itemsize))
        if len(data) != size:
            raise Problem(
                f"kernel {program.name}: argument {number + 1} ({argument}) has {len(data)} bytes where the parameter "
                f"has {size}; integers are passed as 64 bits, I32(n) as 32"
            )
        block[offset : offset + size] = data
    return bytes(block)
