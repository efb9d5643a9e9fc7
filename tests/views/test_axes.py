"""Axes of any name: an operation's own, in the order in which it declares them, in curves, maps, filters and texts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.dashboard.synthetic import synthetic_run
from tests.views.build_records import timed
from workbench.show.pictures import scaling as pictures
from workbench.store.new_run import create_run
from workbench.store.record import Record, Run
from workbench.store.run_folder import RunFolder
from workbench.views.filter import Filter
from workbench.views.flat import frame_of
from workbench.views.query import choices, read_records
from workbench.views.runs import list_summaries
from workbench.views.scaling import crossings, curves, curves_along, exponents, fastest_map, others_of, two_axes
from workbench.views.shapes import axes_of, shape_text

SIZES = [(rows, columns) for rows in (8, 32, 128) for columns in (16, 64)]


def softmax(variant: str, rows: int, columns: int, seconds: float, **fields: object) -> Record:
    shape = {"rows": rows, "columns": columns, "dtype": "float32", "regime": "normal"}
    fields = {"key": f"softmax.{variant}.{rows}.{columns}", "operation": "softmax", **fields}
    return timed(variant, seconds, noise=0.0, shape=shape, **fields)  # type: ignore[arg-type]


def records() -> list[Record]:
    """`eager` is the faster of two on short rows, `block` on long ones; time grows with rows and columns."""
    found = []
    for rows, columns in SIZES:
        found.append(softmax("eager", rows, columns, 1e-9 * rows * columns**2))
        found.append(softmax("block", rows, columns, 32e-9 * rows * columns))
    return found


def frame() -> pd.DataFrame:
    return frame_of(records()).assign(run="r")


def test_points_of_different_sizes_on_another_axis_are_different_curves() -> None:
    found = curves(frame(), "rows")
    assert found["curve"].nunique() == 4, "two variants at two widths"
    assert len(found) == len(SIZES) * 2, "no point is dropped for standing at another width"
    assert others_of(frame(), "rows") == ["columns=16", "columns=64"]
    fitted = exponents(curves(frame(), "columns").assign())
    assert fitted.empty, "two columns are no fit"
    assert exponents(found)["exponent"].to_list() == pytest.approx([1.0] * 4)


def test_axes_are_those_of_the_records_in_the_order_declared() -> None:
    assert axes_of(frame()) == ("rows", "columns")
    mixed = [timed("a", 1.0, shape={"B": 1, "T": 8, "H": 4, "dtype": "float32"}),
             timed("b", 1.0, shape={"B": 1, "T": 8, "D": 2, "H": 4, "K": 3, "dtype": "float32"})]  # fmt: skip
    assert axes_of(frame_of(mixed)) == ("B", "T", "D", "H", "K"), "D stands where its own operation has it"
    assert curves_along(frame()) == ("rows", "columns")
    assert curves_along(frame_of(records()[:2])) == ()
    assert axes_of(frame_of([])) == ()


def test_the_map_of_the_fastest_has_the_two_axes_that_vary_most() -> None:
    assert two_axes(frame()) == ("rows", "columns")
    assert two_axes(frame_of([timed("a", 1.0)])) == ("T", "H"), "of one size each, the largest"
    cells = fastest_map(frame().assign(noise_floor=0.01), "rows", "columns").set_index(["across", "down"])["winner"]
    assert cells[(8, 16)] == "eager" and cells[(128, 64)] == "block" and len(cells) == len(SIZES)


def test_one_axis_alone_has_a_map_of_one_row() -> None:
    one = [timed("a", float(n), noise=0.0, seed=n, shape={"n": n, "dtype": "float32"}) for n in (4, 8)]
    assert two_axes(frame_of(one)) == ("n", None)
    cells = fastest_map(frame_of(one), "n", None)
    assert cells[["across", "down"]].to_numpy().tolist() == [[4, 1], [8, 1]]
    assert pictures.fastest(cells, "n", None, "x", {}).to_json()


def test_crossings_along_any_axis() -> None:
    two = [softmax("a", rows, 16, 1e-9 * rows**2, machine="one", key=f"one{rows}") for rows in (16, 64, 256)]
    two += [softmax("a", rows, 16, 100e-9 * rows, machine="two", key=f"two{rows}") for rows in (16, 64, 256)]
    row = crossings(curves(frame_of(two).assign(run="r"), "rows")).iloc[0]
    assert row["size"] == pytest.approx(100.0) and row["faster_above"] == "two"


def test_a_shape_is_written_alike_whatever_its_axes() -> None:
    assert shape_text('{"rows": 8, "columns": 16, "dtype": "float32", "regime": "normal"}') == (
        "rows=8 columns=16 float32"
    )
    assert shape_text({"B": 4, "T": 64, "dtype": "bfloat16", "regime": "slow"}) == "B=4 T=64 bfloat16 slow"


HOSTILE = 'x" IS NOT NULL OR "operation'


def run_of(profiles: Path, found: list[Record]) -> RunFolder:
    folder = create_run(profiles, Run(name="own", created="2026-02-01T00:00:00Z", command=["x"]))
    for record in found:
        folder.append(record)
    folder.finish()
    return folder


def test_filters_and_choices_take_any_axis(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gpu", lengths=(256,))
    odd = timed("odd", 1.0, operation="odd", key="odd", shape={HOSTILE: 3, "dtype": "float32", "regime": "normal"})
    run_of(tmp_path, [*records(), odd])
    runs = list_summaries(tmp_path)
    found = choices(runs)
    assert found.axes["softmax"] == ("rows", "columns") and found.axes["layer"] == ("B", "T", "D", "H", "O")
    assert found.sizes["rows"] == (8, 32, 128) and found.sizes[HOSTILE] == (3,)
    frame = read_records(runs, Filter(sizes=(("rows", (8,)),))).frame
    assert len(frame) == 4 and set(frame["shape.rows"]) == {8}
    assert read_records(runs, Filter(sizes=((HOSTILE, (4,)),))).frame.empty, "a name is a name, not SQL"
    assert set(read_records(runs, Filter(sizes=((HOSTILE, (3,)),))).frame["operation"]) == {"odd"}
