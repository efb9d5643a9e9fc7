"""Runs a CUDA kernel on the host, for its result and its errors, never for its time. The model: docs/emulation.md."""

from workbench.emulate.fault import EmulationFault
from workbench.emulate.launch import ORDERS, launch
from workbench.emulate.memory import Memory
from workbench.emulate.plan import run_plan

__all__ = ["ORDERS", "EmulationFault", "Memory", "launch", "run_plan"]
