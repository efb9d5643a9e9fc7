"""A plan of one operation as a part of another's: its tensors stand elsewhere, in larger ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.declare import Argument, At, Clear, Host, Kernel, Plan, Step


def placed(plan: Plan, where: Mapping[str, At]) -> Plan:
    """The plan's kernels and host functions, with each tensor of `where` at that place: an element of it as many
    elements behind. Scratch that `where` names is renamed, and must begin where its place does. Raises ValueError for
    other kinds of steps."""

    def moved(argument: Argument) -> Argument:
        name = argument.tensor if isinstance(argument, At) else argument
        if not isinstance(name, str) or name not in where:
            return argument
        to = where[name]
        offset = to.offset + (argument.offset if isinstance(argument, At) else 0)
        return At(to.tensor, offset) if offset else to.tensor

    steps: list[Step] = []
    for step in plan.steps:
        if isinstance(step, Clear):
            steps.append(Clear(where[step.tensor].tensor if step.tensor in where else step.tensor))
        elif isinstance(step, Kernel | Host):
            steps.append(replace(step, arguments=tuple(moved(argument) for argument in step.arguments)))
        else:
            raise ValueError(f"no step with addresses: {step}")
    scratch = (replace(t, name=where[t.name].tensor) if t.name in where else t for t in plan.scratch)
    return Plan(tuple(steps), tuple(scratch), plan.graph)


def with_own_scratch(plan: Plan, suffix: str) -> Plan:
    """The plan with scratch that no other of a chain has: both ways may cut time differently."""
    return placed(plan, {tensor.name: At(f"{tensor.name}_{suffix}", 0) for tensor in plan.scratch})
