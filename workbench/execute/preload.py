"""Imported by the server of workers alone: what every worker would otherwise do anew is done here, once.

Nothing here may start a thread or touch a GPU: neither survives the forks that follow.
"""

from __future__ import annotations

import contextlib
import gc
import importlib

from workbench.catalog import load_catalog
from workbench.compile.host import HOST_FLAGS, compiler_identity, host_compiler
from workbench.problem import Problem
from workbench.simulate.library import FLAGS

WANTED = (
    "torch",
    "ml_dtypes",
    "numpy.random",
    "nvtx",
    "workbench.cli",
    "workbench.execute.load",
    "workbench.execute.on_cpu",
    "workbench.execute.serve",
    "workbench.check.examine",
    "workbench.check.direct",
    "workbench.measure.variant_timer",
)
"""By name: this room imports nothing of the rooms that stand on it."""

# Nothing of what is imported becomes garbage, and looking for it takes a tenth of the time.
gc.disable()
for name in WANTED:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

with contextlib.suppress(Problem):
    compiler_identity(host_compiler(), HOST_FLAGS)
    compiler_identity(host_compiler(), FLAGS)

with contextlib.suppress(Problem):
    load_catalog()

# Workers collect their own garbage, and leave the pages that they share with the server as they are.
gc.freeze()
gc.enable()
