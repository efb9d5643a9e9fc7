"""The ladder of a device never measured: what declared costs and its datasheet allow. All of it is modelled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from workbench.catalog import Catalog
from workbench.declare import Operation, Shape
from workbench.model.floor import floor, limits_of_device


def modelled_ladder(
    catalog: Catalog, device: str, problems: Iterable[tuple[str, Shape]], variants: Iterable[str] = ()
) -> pd.DataFrame:
    """What declared costs and a device's datasheet allow: a row a variant and problem (key of an operation, shape).

    Every figure is modelled: `modelled_s` is the variant's floor on that device, not a prediction of its time, and
    `modelled_share_of_limit` the least any algorithm needs over it. Rows whose shape the variant cannot do carry
    the reason. Problem for a device that the data file does not know.
    """
    wanted = set(variants)
    rows: list[dict[str, Any]] = []
    for name, shape in problems:
        operation = catalog.operation(name)
        limits = limits_of_device(device, shape.dtype)
        limit = floor(operation.least(shape), limits)
        for variant in catalog.select([name]):
            if variant.operation_key != operation.key or "cuda" not in variant.devices:
                continue  # of another pass, or of another device
            if wanted and not wanted & {variant.name, variant.key}:
                continue
            row: dict[str, Any] = {
                "operation": name, "variant": variant.name, "rung": variant.rung, "idea": variant.idea,
                "shape": str(shape), "device": device, "source": "modelled", "reason": variant.supports(shape),
                "limit_s": limit.seconds if limit else None,
            }  # fmt: skip
            if row["reason"] is None:
                cost = variant.cost(shape, variant.default_settings())
                bound = floor(cost, limits)
                row |= {"bytes": cost.bytes, "launches": cost.launches, "serial_steps": cost.serial_steps}
                if bound is not None:
                    row |= {"modelled_s": bound.seconds, "floor_bound_by": bound.bound_by}
                    row["modelled_share_of_limit"] = limit.seconds / bound.seconds if limit else None
            rows.append(row)
    return pd.DataFrame(rows, columns=MODELLED_COLUMNS)


MODELLED_COLUMNS = [
    "operation", "shape", "device", "rung", "variant", "idea", "modelled_s", "floor_bound_by",
    "modelled_share_of_limit", "limit_s", "bytes", "launches", "serial_steps", "reason", "source",
]  # fmt: skip


def shape_of(text: str) -> Shape:
    """The shape of a record, from the JSON that it carries."""
    sizes = json.loads(text)
    axes = {name: size for name, size in sizes.items() if isinstance(size, int)}
    return Shape.of(str(sizes.get("dtype", "float32")), **axes)


def default_shape(operation: Operation) -> Shape:
    """The sizes that an operation has where nobody names any, in float32."""
    return Shape(tuple(operation.axes.items()))
