"""Which instructions of a cubin the simulator knows, and which not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from workbench.simulate.library import lacks_form
from workbench.simulate.sass.cubin import KernelFacts, kernels_of
from workbench.simulate.sass.lower import kernel_state, lower_line, section_of
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.text import Section, disassembled, sections_of


@dataclass
class Coverage:
    """Instructions of a cubin, by opcode with modifiers."""

    known: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    """Unknown opcode → the first line that has it, and why it is not known."""
    kernels: dict[str, bool] = field(default_factory=dict)
    """Kernel → whether all of it is known."""

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.known + other.known, self.unknown + other.unknown, {**other.reasons, **self.reasons},
            {**self.kernels, **other.kernels},
        )  # fmt: skip


def coverage(cubin: Path) -> Coverage:
    """Every instruction of every kernel. Raises Problem for what is no cubin, or what nvdisasm cannot read."""
    return sum(coverages(cubin).values(), Coverage())


def coverages(cubin: Path) -> dict[str, Coverage]:
    """The same, kernel by kernel."""
    facts = kernels_of(cubin)
    sections = sections_of(disassembled(cubin), str(cubin))
    return {name: _of_kernel(name, fact, section_of(sections, fact, cubin)) for name, fact in facts.items()}


def _of_kernel(name: str, facts: KernelFacts, section: Section) -> Coverage:
    found = Coverage()
    kernel = kernel_state(facts, section)
    for line in kernel.lines:
        try:
            made = lower_line(line, kernel)
            if made.form is not None and lacks_form(made.form):
                raise Refusal(f"the machine has no form {made.form}")
        except Refusal as why:
            found.unknown[line.opcode] += 1
            found.reasons.setdefault(line.opcode, f"{line.text}: {why}")
        else:
            found.known[line.opcode] += 1
    found.kernels[name] = not found.unknown
    return found
