"""A kernel of a cubin → a Program: each line of SASS becomes one instruction of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.problem import Problem
from workbench.simulate.program import Instruction, Program
from workbench.simulate.sass.arithmetic import lower_arithmetic
from workbench.simulate.sass.control import CONTROL
from workbench.simulate.sass.cubin import KernelFacts, kernel_of, with_constants
from workbench.simulate.sass.forms import ARITHMETIC, NOT_RUN, UNIFORM
from workbench.simulate.sass.memory import MEMORY
from workbench.simulate.sass.operands import ZERO, Kind, Operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.registers import Registers
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line, Section, disassembled, sections_of


@dataclass(frozen=True)
class Lowered:
    """A program, and what of its lines no program holds."""

    program: Program
    lines: tuple[Line, ...]
    """One per instruction of the program: control codes, source lines."""
    facts: KernelFacts


def load_kernel(cubin: Path, name: str | None = None, constants: Iterable[tuple[str, bytes]] = ()) -> Lowered:
    """The named kernel of a cubin (or its only one) as a program; `constants` are what variables of constant memory
    hold. Raises Problem."""
    facts = with_constants(kernel_of(cubin, name), constants)
    return lower(facts, section_of(sections_of(disassembled(cubin), str(cubin)), facts, cubin))


def section_of(sections: dict[str, Section], facts: KernelFacts, cubin: Path) -> Section:
    """The kernel's code. Raises Problem where nvdisasm printed another size than the cubin holds."""
    section = sections.get(facts.name)
    if section is None or 16 * len(section.lines) != facts.code_bytes:
        found = 16 * len(section.lines) if section else 0
        raise Problem(
            f"{cubin}: nvdisasm gave {found} of the {facts.code_bytes} bytes of kernel {facts.name}; report its version"
        )
    return section


def lower(facts: KernelFacts, section: Section) -> Lowered:
    """Raises Problem that names kernel, address and text of the first line that is not known."""
    kernel = kernel_state(facts, section)
    instructions = []
    for line in kernel.lines:
        try:
            instructions.append(lower_line(line, kernel))
        except Refusal as why:
            raise Problem(
                f"kernel {facts.name} at {line.address:#x}: {line.text}: {why}; the simulator does not run it"
            ) from None
    program = Program(
        facts.name, instructions, kernel.registers.file, facts.parameters, facts.parameter_bytes, facts.static_shared,
        local_bytes=facts.local_bytes, reserved_shared=facts.reserved_shared, constant_bank=kernel.bank(),
        bank_parameters=kernel.bank_parameters, files=dict(enumerate(kernel.files)),
        globals=tuple((g.address, g.name, g.content) for g in facts.globals), names=kernel.registers.names(),
        generation=facts.generation,
    )  # fmt: skip
    return Lowered(program, kernel.lines, facts)


def kernel_state(facts: KernelFacts, section: Section) -> Kernel:
    """What lowering the lines one by one needs to know of the whole kernel."""
    lines = tuple(without_padding(section))
    numbers = [number for line in lines for number in _registers_of(line)]
    uniform = [number for line in lines for number in _uniforms_of(line)]
    # A result may take up to four registers from its number on; a load of 256 bits has two of those.
    registers = Registers(facts, max([*numbers, 0]) + 4, max(uniform) + 4 if uniform else 0)
    return Kernel(facts, registers, lines, {line.address: k for k, line in enumerate(lines)}, dict(section.labels))


def without_padding(section: Section) -> list[Line]:
    """The lines up to the last that can be reached: what follows is padding, and no report counts it."""
    lines = list(section.lines)
    while len(lines) > 1 and lines[-1].base in ("NOP", "BRA") and _never_falls(lines[-2], ("NOP", "BRA")):
        lines.pop()
    if len(lines) > 1 and lines[-1].base == "BRA" and _never_falls(lines[-2], ("EXIT", "RET", "BRA", "NOP")):
        address = lines[-1].address
        if all(at != address or name == section.name for name, at in section.labels.items() if _used(name, lines[:-1])):
            lines.pop()
    return lines


def _never_falls(line: Line, opcodes: tuple[str, ...]) -> bool:
    """Whether it is one of these and no guard lets a lane fall through to the line behind it."""
    return line.base in opcodes and line.guard is None


def _used(label: str, lines: list[Line]) -> bool:
    return any(o.kind is Kind.LABEL and o.text == label for line in lines for o in line.operands)


def _registers_of(line: Line) -> list[int]:
    found = [o.number for o in line.operands if o.kind is Kind.REGISTER]
    found += [o.address.register for o in line.operands if o.address is not None]
    return [number for number in found if number != ZERO]


def _uniforms_of(line: Line) -> list[int]:
    """Numbers of the uniform registers that it names; that of the zero register too, so that rows are there."""
    found = [o.number for o in line.operands if o.kind is Kind.UNIFORM]
    found += [o.address.uniform for o in line.operands if o.address is not None and o.address.uniform != ZERO]
    return [0 if number == ZERO else number for number in found]


def lower_line(line: Line, kernel: Kernel) -> Instruction:
    """Raises Refusal."""
    left_out = next((what for what, opcodes in NOT_RUN.items() if line.base.startswith(opcodes)), None)
    if left_out is not None:
        raise Refusal(f"opcode {line.base} is not run: {left_out}")
    if line.unknown:
        raise Refusal(f"operand {line.unknown} is not known")
    if line.base in CONTROL:
        made = CONTROL[line.base](line, kernel)
    elif line.base in MEMORY:
        made = MEMORY[line.base](line, kernel)
    elif UNIFORM.get(line.base, line.base) in ARITHMETIC:
        made = lower_arithmetic(line, kernel)
    else:
        raise Refusal(f"opcode {line.base} is not known")
    guard, negated = _guard(line.guard, kernel)
    return replace(
        made, text=line.text, address=line.address, line=line.source_line, file=kernel.file_numbers[line.source_file],
        guard=guard, guard_negated=negated,
    )  # fmt: skip


def _guard(guard: Operand | None, kernel: Kernel) -> tuple[int, bool]:
    if guard is None:
        return -1, False
    row = kernel.registers.predicate_source(guard.number, guard.kind is Kind.UNIFORM_PREDICATE)
    return row, guard.negated
