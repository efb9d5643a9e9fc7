"""Runs every step of a plan: kernels simulated, host functions called, torch on the same memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arguments import c_argument
from workbench.declare import Argument, Call, Clear, Host, Kernel, Plan
from workbench.host_steps import HasPath, call, clear, host, path_of
from workbench.problem import Problem
from workbench.simulate.blocks import run_launch
from workbench.simulate.launch import Counts, Options
from workbench.simulate.memory import Memory
from workbench.simulate.program import Program
from workbench.simulate.ptx import Module, read_module
from workbench.simulate.ptx.lower import PARAMETERS
from workbench.simulate.sass.lower import load_kernel


def run_plan(
    plan: Plan,
    dtype: str,
    memory: Memory,
    binaries: Mapping[Any, HasPath | Path],
    arch: str,
    options: Options | Callable[[Kernel], Options] | None = None,
) -> list[Counts | None]:
    """Does the plan's steps in order over `memory`, which holds the operation's tensors; missing scratch is added.

    `binaries` maps each step's build unit (workbench.build.unit_of with `arch`; "host" for host functions) to its PTX,
    its cubin or its library; `options` are those of every launch, or give each launch its own. Returns what each step
    counted, None where it is no kernel. Raises SimulationFault for what a kernel must not do, Problem for what is not
    simulated.
    """
    from workbench.build import unit_of

    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    counted: list[Counts | None] = []
    loaded: dict[Path, Loaded] = {}
    for number, step in enumerate(plan.steps):
        counts = None
        if isinstance(step, Clear):
            clear(step, memory)
            memory.written(step.tensor)
        elif isinstance(step, Call):
            call(step, memory)
            _called(step, memory)
        elif isinstance(step, Host):
            host(path_of(binaries[unit_of(step, dtype, "host")]), step, memory)
            memory.all_written()
        else:
            path = path_of(binaries[unit_of(step, dtype, arch)])
            own = options(step) if callable(options) else options or Options()
            own = replace(own, seed=own.seed + number if own.seed else 0)
            if path.suffix == ".cubin":
                counts = launch_cubin(path, step, memory, own)
            else:
                if path not in loaded:
                    loaded[path] = Loaded(module_of(path), memory, f"{path.stem[:12]}.")
                counts = loaded[path].launch(step, own)
        counted.append(counts)
    return counted


_kernels: dict[tuple[Path, str], Program] = {}


def launch_cubin(path: Path, step: Kernel, memory: Memory, options: Options) -> Counts:
    """One launch of a cubin's machine code, read once a process. Its variables begin anew with each launch."""
    if (path, step.function) not in _kernels:
        _kernels[path, step.function] = load_kernel(path, step.function).program
    program = _kernels[path, step.function]
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


def _called(step: Call, memory: Memory) -> None:
    """What a library call leaves counts as written: its outputs, or anything where it names none."""
    for name in step.outputs:
        memory.written(name)
    if not step.outputs:
        memory.all_written()
