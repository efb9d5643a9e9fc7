"""How much of a file the simulator knows, kernel by kernel."""

from __future__ import annotations

from pathlib import Path

from workbench.problem import Problem
from workbench.simulate.plan import module_of
from workbench.simulate.sass.coverage import coverages

Known = tuple[int, int, str]
"""Instructions that are known, those that are not, and why the first is not."""


def coverage_of_cubin(path: Path) -> dict[str, Known]:
    """Each kernel of a cubin. Raises Problem for what is none."""
    return {
        name: (found.known.total(), found.unknown.total(), next(iter(found.reasons.values()), ""))
        for name, found in coverages(path).items()
    }


def coverage_of_ptx(path: Path) -> dict[str, Known]:
    """Each kernel of a PTX file: all of it, or up to the first instruction that is refused."""
    module, found = module_of(path), {}
    for name in module.kernels:
        try:
            found[name] = (len(module.program(name).instructions), 0, "")
        except Problem as why:
            found[name] = (0, 1, str(why))
    return found
