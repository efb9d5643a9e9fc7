"""Imported by the server of workers alone: what every worker would otherwise do anew is done here, once.

Nothing here may start a thread or touch a GPU: neither survives the forks that follow.
"""

from __future__ import annotations

import contextlib
import importlib

from workbench.build.host import HOST_FLAGS, compiler_identity, host_compiler
from workbench.catalog import load_catalog
from workbench.emulate.flags import EMULATED_FLAGS
from workbench.problem import Problem

for name in ("torch", "ml_dtypes", "numpy.random", "workbench.cli", "workbench.execute.on_cpu"):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

with contextlib.suppress(Problem):
    for flags in (HOST_FLAGS, EMULATED_FLAGS):
        compiler_identity(host_compiler(), flags)

with contextlib.suppress(Problem):
    load_catalog()
