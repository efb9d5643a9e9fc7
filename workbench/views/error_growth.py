"""How the error grows with a size: the worst of each variant at each size, timed or not."""

from __future__ import annotations

import pandas as pd

from workbench.views.shapes import axes_of, sizes_text

CURVE = ["operation", "pass", "variant", "backend", "shape.dtype", "others"]


def error_curves(records: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The largest error of any record of a variant at each size of `axis`: CURVE, size, error, bound (the error that is
    let pass). Curves of one size are left out; of several sizes of the other axes, those with most points stay."""
    column = f"shape.{axis}"
    if records.empty or column not in records:
        return pd.DataFrame(columns=[*CURVE, "size", "error", "bound"])
    known = records[records["error.relative_l2"].notna() & records[column].notna()]
    others = {shape: sizes_text(shape, without=axis) for shape in known["shape"].unique()}
    known = known.assign(others=known["shape"].map(others), size=known[column].astype("int64"))
    worst = known.groupby([*CURVE, "size"], sort=False, as_index=False).agg(
        error=("error.relative_l2", "max"), bound=("error.bound", "max")
    )
    worst["points"] = worst.groupby(CURVE)["size"].transform("size")
    worst = worst[worst["points"] > 1]
    most = worst.groupby("others")["points"].max()
    kept = worst[worst["others"] == most.idxmax()] if len(worst) else worst
    return kept.drop(columns="points").sort_values([*CURVE, "size"], kind="stable").reset_index(drop=True)


def longest_of_errors(records: pd.DataFrame) -> str | None:
    """The axis along which errors are known at most sizes; None where none has two."""
    sizes = {axis: error_curves(records, axis)["size"].nunique() for axis in axes_of(records)}
    axis = max(sizes, key=lambda name: sizes[name], default=None)
    return axis if axis is not None and sizes[axis] > 1 else None
