"""Runs every step of a plan on the host: kernels emulated, host functions called, torch on the same memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.declare import Call, Clear, Host, Plan
from workbench.emulate.launch import launch
from workbench.emulate.memory import Memory
from workbench.host_steps import HasPath, call, clear, host, path_of


def run_plan(
    plan: Plan,
    dtype: str,
    memory: Memory,
    libraries: Mapping[Any, HasPath | Path],
    order: str = "forward",
    seed: int = 0,
    resident_blocks: int | None = None,
) -> None:
    """Does the plan's steps in order over `memory`, which holds the operation's tensors; missing scratch is added.

    `libraries` maps each step's build unit (workbench.build.unit_of: arch "emulated" for kernels, "host" for host
    functions) to its binary or path. Raises EmulationFault.
    """
    from workbench.build import unit_of

    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    for number, step in enumerate(plan.steps):
        if isinstance(step, Clear):
            clear(step, memory)
        elif isinstance(step, Call):
            call(step, memory)
        elif isinstance(step, Host):
            host(path_of(libraries[unit_of(step, dtype, "host")]), step, memory)
            memory.check(step.function)
        else:
            path = path_of(libraries[unit_of(step, dtype, "emulated")])
            launch(path, step, memory, order, seed + number, resident_blocks)
