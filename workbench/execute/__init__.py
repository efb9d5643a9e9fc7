"""Runs plans: on the CPU, on a GPU, each variant in a worker process of its own.

A plan bound to memory is a `Bound`; `bind_variant` makes one in this process, `Worker` makes one in another.
"""

from workbench.execute.bound import Bound, GuardBroken, bind_plan, bind_variant

__all__ = ["Bound", "GuardBroken", "bind_plan", "bind_variant"]
