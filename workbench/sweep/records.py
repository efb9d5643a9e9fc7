"""Records as a sweep writes them: who, where, at what shape, and what the variant declares."""

from __future__ import annotations

import re
from typing import Any

from workbench.declare import Operation, Setting, Shape, Variant
from workbench.store.record import Bytes, Launches, Record, Status


def record_key(variant: Variant, shape: Shape, regime: str, backend: str) -> str:
    """Unique within a run, in [a-z0-9_.-]: `scan.serial.b4-t4096-h1024.float32.normal.forward.cuda`."""
    axes = "-".join(f"{axis}{size}" for axis, size in shape.axes)
    text = f"{variant.operation}.{variant.name}.{axes}.{shape.dtype}.{regime}.forward.{backend}"
    return re.sub(r"[^a-z0-9_.-]", "_", text.lower())


def make_record(
    variant: Variant,
    operation: Operation,
    shape: Shape,
    backend: str,
    device: str,
    status: Status,
    settings: dict[str, Setting] | None = None,
    **fields: Any,
) -> Record:
    """A record with its declared cost filled in; `fields` are the rest."""
    regime = operation.regimes[0]
    chosen = variant.default_settings() if settings is None else settings
    supported = variant.supports(shape) is None
    cost = variant.cost(shape, chosen) if supported else None
    return Record(
        key=record_key(variant, shape, regime, backend),
        operation=variant.operation,
        variant=variant.name,
        factors=dict(variant.factors),
        settings=dict(chosen),
        shape={**shape.as_dict(), "dtype": shape.dtype, "regime": regime},
        device=device,
        backend=backend,
        status=status,
        bytes=Bytes(declared=cost.bytes if cost else None, least=operation.least(shape).bytes),
        flops=cost.flops + cost.matrix_flops if cost else None,
        special=cost.special if cost else None,
        launches=Launches(declared=cost.launches if cost else None),
        **fields,
    )
