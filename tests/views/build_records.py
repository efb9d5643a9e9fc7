"""Records made up for tests: the smallest ones that carry what a test is about."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.store.record import Disturbance, Record, Status, Time, Work

SHAPE = {"B": 4, "T": 4096, "H": 1024, "dtype": "float32", "regime": "normal"}


def shaped(shape: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record that say its shape."""
    axes = {name: size for name, size in shape.items() if name not in ("dtype", "regime")}
    return {"axes": axes, "dtype": shape["dtype"], "regime": shape.get("regime", "normal")}


def timed(
    variant: str,
    median_s: float,
    *,
    noise: float = 0.01,
    count: int = 20,
    seed: int = 0,
    shape: dict[str, Any] | None = None,
    timer: str = "cpu_wall",
    **fields: Any,
) -> Record:
    """An `ok` record of the scan whose samples scatter by `noise` around the median."""
    samples = median_s * (1.0 + noise * np.random.default_rng(seed).standard_normal(count))
    middle = float(np.median(samples))
    values = {
        "key": f"scan.{variant}.{seed}",
        "operation": "scan",
        "variant": variant,
        **shaped(shape or SHAPE),
        "machine": "test machine",
        "backend": "cpu",
        "status": Status.OK,
        "time": Time(
            median_s=middle, low_s=float(np.quantile(samples, 0.4)), high_s=float(np.quantile(samples, 0.6)),
            minimum_s=float(samples.min()), count=count, timer=timer, cache="rotated", stopped_by="spread",
        ),
        "samples_s": samples.tolist(),
        "declared": Work(bytes=200, launches=1),
        "least": Work(bytes=100),
    }  # fmt: skip
    return Record(**{**values, **fields})


def met(disturbed: int, blocks: int = 10, repeated: int = 3) -> Disturbance:
    """What a record says of blocks that others disturbed."""
    reasons = ["waited for a core"] if disturbed or repeated else []
    return Disturbance(
        blocks=blocks, disturbed=disturbed, repeated=repeated, reasons=reasons, others_cores=1.5, load_average=7.25
    )


def failed(variant: str, status: Status, reason: str, **fields: Any) -> Record:
    values = {
        "key": f"scan.{variant}.failed",
        "operation": "scan",
        "variant": variant,
        **shaped(SHAPE),
        "machine": "test machine",
        "backend": "cpu",
        "status": status,
        "reason": reason,
    }
    return Record(**{**values, **fields})
