"""Words of a command line that nothing was found for: refused where the catalogue does not know them either."""

from __future__ import annotations

from pathlib import Path


def refuse_unknown(kernels: Path | None, operation: str, pass_: str) -> None:
    """Problem with what there is, where no operation of this folder of kernels has this name or this pass: no sweep
    would measure it then."""
    from workbench.catalog import load_catalog
    from workbench.declare import operation_key

    load_catalog(kernels).operation(operation_key(operation, pass_))
