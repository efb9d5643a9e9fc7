"""Runs every step of a plan: kernels simulated, host functions called, torch on the same memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arguments import c_argument, check_constant
from workbench.compile.units import Binary, name_here, unit_of_source
from workbench.declare import Argument, Plan, Step
from workbench.devices import arch_limits
from workbench.foreign import reading
from workbench.host_steps import HasPath, HostPlace
from workbench.problem import Problem
from workbench.simulate.blocks import run_launch
from workbench.simulate.launch import Counts, Options
from workbench.simulate.memory import OF_MODULE, Memory
from workbench.simulate.program import Program
from workbench.simulate.ptx import Module, read_module
from workbench.simulate.ptx.lower import PARAMETERS
from workbench.simulate.sass.lower import Lowered, load_kernel
from workbench.steps import Launch, Source, kind_of, unrolled

Constants = tuple[tuple[str, bytes], ...]
"""Contents of variables of constant memory, by name."""


def run_plan(
    plan: Plan,
    dtype: str,
    memory: Memory,
    binaries: Mapping[Any, HasPath | Path],
    arch: str,
    options: Options | Callable[[Step], Options] | None = None,
) -> list[Counts | None]:
    """Does the plan's steps in order over `memory`, which holds the operation's tensors; missing scratch is added.

    `binaries` maps each step's build unit (workbench.compile.unit_of with `arch`; "host" for host functions) to its
    PTX, its cubin or its library; `options` are those of every launch, or give each launch its own. Where they have a
    seed, branches are done from the last to the first. Returns what each step counted as it was done, None where it is
    no kernel. Raises SimulationFault for what a kernel must not do, Problem for what is not simulated.
    """
    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    place = SimulatedPlace(memory, lambda source: binaries[unit_of_source(source, dtype, arch)], arch)
    counted: list[Counts | None] = []
    for step in unrolled(plan.steps, otherwise=isinstance(options, Options) and options.seed > 0):
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

    def __init__(self, memory: Memory, compiled: Callable[[Source], HasPath | Path], arch: str) -> None:
        super().__init__(memory, compiled)
        self._shared_limit = arch_limits(arch).shared_bytes_per_block
        self.counts: Counts | None = None
        """Of the last launch."""
        self.number = 0
        """Of the step in its plan."""
        self.options = Options()
        """Of the launch that is bound next."""
        self._modules: dict[tuple[Path, Constants], Loaded] = {}
        """Modules with their variables; kernels that set constants otherwise have variables of their own."""
        self._named: set[tuple[Path, str]] = set()
        """Kernels whose lines have the names of files here."""

    def argument(self, argument: Argument) -> Any:
        """Kernels see addresses of their own."""
        return c_argument(argument, self.memory.address, lambda name: self.memory.array(name).itemsize)

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        path, compiled, own = self.path(source), self._compiled(source), self.options
        built = compiled if isinstance(compiled, Binary) else None
        function = built.symbol(source.function) if built else source.function
        added, pointers = built.launch_needs if built else (0, 0)
        passed, dynamic = (*launch.arguments, *[0] * pointers), launch.shared_bytes + added
        key = path, source.constants

        def run() -> None:
            if path.suffix == ".cubin":
                program = program_of(path, function, source.constants)
            else:
                if key not in self._modules:
                    prefix = f"{path.stem[:12]}{len(self._modules) or ''}{OF_MODULE}"
                    self._modules[key] = Loaded(module_of(path), self.memory, prefix, source.constants)
                program = self._modules[key].program(function)
            if built and (path, function) not in self._named:  # a plan may launch it a thousand times
                name_here(program.files, source.path)
                self._named.add((path, function))
            shared = program.static_shared - program.reserved_shared + dynamic
            if shared > self._shared_limit:
                raise WrongLaunch(
                    f"kernel {source.function}: {shared:,} bytes of shared memory per block: at most "
                    f"{self._shared_limit:,}"
                )
            block = pack(program, passed, self.memory, source.path.name)
            if path.suffix == ".cubin":  # whose variables begin anew with each launch
                self.counts = run_launch(program, launch.grid, launch.block, block, self.memory, dynamic, own)
            else:
                self.counts = self._modules[key].launch_packed(program, block, launch.grid, launch.block, dynamic, own)

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


_kernels: dict[tuple[Path, str, Constants], Lowered] = {}


def machine_code(path: Path, function: str, constants: Constants = ()) -> Lowered:
    """A kernel of a cubin, read once a process. Raises Problem."""
    key = path, function, constants
    if key not in _kernels:
        _kernels[key] = load_kernel(*key)
    return _kernels[key]


def program_of(path: Path, function: str, constants: Constants = ()) -> Program:
    """Its machine code as a program."""
    return machine_code(path, function, constants).program


_modules: dict[Path, Module] = {}


def module_of(path: Path) -> Module:
    """A file of PTX, read once a process: the build's files are named by their content."""
    if path not in _modules:
        with reading(path, "not PTX", "name a file of PTX, as a compiler writes it"):
            _modules[path] = read_module(path.read_text(errors="replace"))
    return _modules[path]


class Loaded:
    """A module whose variables are in a memory: they keep their values from launch to launch."""

    def __init__(self, module: Module, memory: Memory, prefix: str, constants: Constants = ()) -> None:
        """`constants`: what some of its variables of constant memory hold. Raises Problem for what does not fit."""
        self._module = module
        self._memory = memory
        self._prefix = prefix
        variables = module.variables()
        for variable in variables:
            memory.put(prefix + variable.name, np.zeros(max(1, variable.size), np.uint8), writable=True)
        for variable in variables:
            contents = np.frombuffer(variable.contents(self._address), np.uint8)
            memory.array(prefix + variable.name)[: variable.size] = contents
        sizes = {variable.name: variable.size for variable in variables if not variable.writable}
        for name, data in constants:
            check_constant(name, data, sizes.get(name))
            memory.array(prefix + name)[: len(data)] = np.frombuffer(data, np.uint8)
        for variable in variables:
            if not variable.writable:
                memory.protect(prefix + variable.name)

    def _address(self, name: str) -> int:
        address = self._memory.address(self._prefix + name) if self._prefix + name in self._memory else None
        if address is None:
            if self._module.has_function(name):
                raise Problem(f"the address of function {name} is taken: indirect and virtual calls are not simulated")
            raise Problem(f"variable {name} of the module is declared elsewhere: it is not simulated")
        return address

    def program(self, function: str) -> Program:
        return self._module.program(function)

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


class WrongLaunch(Problem):
    """Arguments that do not fit the kernel's parameters, or more shared memory than a block may have."""


def pack(program: Program, arguments: Sequence[Argument], memory: Memory, file: str = "") -> bytes:
    """The kernel's parameter block. Raises WrongLaunch where the arguments do not fit the parameters."""
    where = f" in {file}" if file else ""
    kinds = program.parameter_kinds or ("",) * len(program.parameters)
    if len(arguments) != len(program.parameters):
        words = ", ".join(_word(kind, size) for kind, (_, size) in zip(kinds, program.parameters, strict=True))
        raise WrongLaunch(
            f"kernel {program.name}: {len(arguments)} arguments for {len(program.parameters)} parameters "
            f"({words or 'none'}){where}"
        )
    block = bytearray(program.parameter_bytes)
    for number, (argument, kind, (offset, size)) in enumerate(
        zip(arguments, kinds, program.parameters, strict=True), start=1
    ):
        value = c_argument(argument, memory.address, lambda name: memory.array(name).itemsize)
        data = bytes(value)
        floating = isinstance(value, ctypes.c_float | ctypes.c_double)
        if len(data) != size or (kind and floating is not kind.startswith("f")):
            given = _word("f" if floating else "u", len(data))
            raise WrongLaunch(
                f"kernel {program.name}: argument {number} ({getattr(argument, 'value', argument)!r}) is {given}, "
                f"the kernel{where} takes {_word(kind, size)}{_instead(argument, kind, size)}"
            )
        block[offset : offset + size] = data
    return bytes(block)


def _word(kind: str, size: int) -> str:
    if size > 8:
        return f"{8 * size} bits: a structure, written as Struct(...)"
    return f"{8 * size} bits" + (" of a float" if kind.startswith("f") else "")


def _instead(argument: Argument, kind: str, size: int) -> str:
    """What to write in its place, where that is clear."""
    number = getattr(argument, "value", argument)
    if not isinstance(number, int | float):
        return ": declare the tensor's address for a pointer alone"
    if kind.startswith("f"):
        return f": write {float(number)}" if size == 4 else f": write F64({float(number)})"
    whole = int(number)
    forms = {1: f"U8({whole})", 2: f"U16({whole})", 4: f"I32({whole})", 8: f"{whole}"}
    return f": write {forms[size]}" if size in forms else ""
