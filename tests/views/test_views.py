"""Scaling, roofline, explanations, occupancy, parts and tables: what they find in records made for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.dashboard.synthetic import synthetic_records
from tests.views.build_records import SHAPE, failed, met, timed
from workbench.catalog import load_catalog
from workbench.declare import Shape
from workbench.model.modelled import modelled_ladder
from workbench.problem import Problem
from workbench.show.explanation import in_words, shown
from workbench.show.pictures import roofline as roofline_figures
from workbench.show.pictures import scaling as scaling_figures
from workbench.show.pictures import time as time_figures
from workbench.show.tables import table
from workbench.store.record import Counted, Machine, Record, Run, Status, Work
from workbench.views.explain import explain
from workbench.views.flat import frame_of
from workbench.views.occupancy import known_archs, what_if
from workbench.views.parts import OWN, chain_shares, own_steps, parts_of, shares_along
from workbench.views.roofline import points, roofs
from workbench.views.runs import RunSummary
from workbench.views.scaling import TIE, crossings, crossovers, curves, exponents, fastest_map, others_of
from workbench.views.shapes import shape_text, shapes_of


def grown(
    variant: str, power: float, scale: float, device: str = "one", sizes: tuple[int, ...] = (64, 256, 1024)
) -> list[Record]:
    return [
        timed(
            variant, scale * T**power, noise=0.0, shape={**SHAPE, "T": T}, machine=device, key=f"{variant}.{device}.{T}"
        )
        for T in sizes
    ]


def scaled(*groups: list[Record]) -> pd.DataFrame:
    return frame_of(record for group in groups for record in group).assign(run="r")


def test_exponents_are_those_of_the_times() -> None:
    found = exponents(curves(scaled(grown("a", 1.0, 1e-6), grown("b", 2.0, 1e-9)), "T")).set_index("variant")
    assert found.loc["a", "exponent"] == pytest.approx(1.0)
    assert found.loc["b", "exponent_last"] == pytest.approx(2.0)


def test_one_size_is_no_curve() -> None:
    assert curves(scaled(grown("a", 1.0, 1e-6, sizes=(64,))), "T").empty
    assert curves(scaled(grown("a", 1.0, 1e-6)), "O").empty
    assert others_of(scaled(grown("a", 1.0, 1e-6)), "T") == ["B=4 H=1024"]


def test_crossing_lies_where_the_times_are_equal() -> None:
    records = scaled(grown("a", 2.0, 1e-9, "one"), grown("b", 1.0, 200e-9, "two"))
    row = crossings(curves(records, "T")).iloc[0]
    assert row["size"] == pytest.approx(200.0)
    assert row["faster_above"] == "two"
    assert crossings(curves(scaled(grown("a", 1.0, 1e-6, "one"), grown("b", 1.0, 2e-6, "two")), "T")).empty


def test_one_variant_takes_over_from_another_where_their_times_cross() -> None:
    """a takes T, b takes 200 + T / 2: equal at 400. Where a size between them is a tie, there is no one size."""

    def at(T: int, **times: float) -> list[Record]:
        shape = {**SHAPE, "T": T}
        return [timed(name, s, noise=0.001, seed=k, shape=shape) for k, (name, s) in enumerate(times.items())]

    far = [*at(100, a=100, b=250), *at(200, a=200, b=300), *at(800, a=800, b=600)]
    (row,) = crossovers(fastest_map(frame_of(far).assign(noise_floor=0.01), "T", "H")).to_dict("records")
    assert (row["before"], row["after"], row["low"], row["high"], row["down"]) == ("a", "b", 200, 800, 1024)
    assert row["size"] == pytest.approx(200 * 4 ** (np.log(1.5) / (np.log(1.5) - np.log(0.75))), rel=0.02)
    near = [*far, *at(400, a=400, b=400.5)]
    (row,) = crossovers(fastest_map(frame_of(near).assign(noise_floor=0.01), "T", "H")).to_dict("records")
    assert pd.isna(row["size"]) and (row["low"], row["high"]) == (200, 800)
    assert crossovers(fastest_map(frame_of(at(100, a=1, b=2)).assign(noise_floor=0.01), "T", "H")).empty


def test_fastest_map_and_compare_have_one_rule() -> None:
    near = [timed("a", 1.0, noise=0.05, seed=1), timed("b", 1.001, noise=0.05, seed=2), timed("c", 5.0, noise=0.01)]
    cell = fastest_map(frame_of(near).assign(noise_floor=0.01), "T", "H").iloc[0]
    assert cell["winner"] == TIE
    assert set(cell["tied"].split(", ")) == {"a", "b"}
    two = [timed("a", 1.0), timed("c", 5.0)]
    assert fastest_map(frame_of(two).assign(noise_floor=0.01), "T", "H").iloc[0]["winner"] == "a"
    assert fastest_map(frame_of(two), "T", "H").iloc[0]["winner"] == TIE, "without an A/A spread nothing is decided"
    disturbed = [timed("a", 1.0), timed("c", 5.0, disturbance=met(9))]
    assert fastest_map(frame_of(disturbed).assign(noise_floor=0.01), "T", "H").iloc[0]["winner"] == TIE
    assert fastest_map(frame_of([]), "T", "H").empty


def test_intervals_that_do_not_overlap_are_no_win_inside_the_noise() -> None:
    """The map said `streaming` where compare said undecided: 1 % apart, medians known to 0.1 %, noise 5 %."""
    close = [timed("a", 1.0, noise=0.002), timed("b", 1.01, noise=0.002, seed=1)]
    rows = frame_of(close).assign(noise_floor=0.05)
    assert rows["time.high_s"].min() < rows["time.low_s"].max()
    assert fastest_map(rows, "T", "H").iloc[0]["winner"] == TIE


def test_roofline_prefers_counted_bytes() -> None:
    record = timed("a", 1.0, declared=Work(bytes=200, flops=1000), counted=Counted(bytes=250.0))
    found = points(frame_of([record, timed("b", 1.0, declared=Work(bytes=200, flops=1000), seed=1)])).set_index(
        "variant"
    )
    assert found.loc["a", ["intensity", "bytes_from"]].tolist() == [4.0, "counted"]
    assert found.loc["b", ["intensity", "bytes_from"]].tolist() == [5.0, "declared"]
    assert points(frame_of([failed("a", Status.CRASHED, "x")])).empty


def test_roofs_are_measured_and_of_the_datasheet() -> None:
    from pathlib import Path

    h200 = Machine(id="cuda", name="NVIDIA H200", ceilings={"copy_bytes_per_s": 4.2e12})
    run = RunSummary("r", Path("r"), "finished", run=Run(name="r", created="", command=[], machines=[h200]))
    found = {roof.origin: roof for roof in roofs([run], "float32")}
    assert found["measured"].bytes_per_s == 4.2e12
    assert found["datasheet"].bytes_per_s == pytest.approx(4.8e12)
    other = Run(name="r", created="", command=[], machines=[Machine(id="cpu", name="some CPU")])
    assert roofs([RunSummary("r", Path("r"), "finished", run=other)], "float32") == []


def row(**fields: Any) -> dict[str, Any]:
    return {str(k): v for k, v in frame_of([timed("a", fields.pop("time"), noise=0.0, **fields)]).iloc[0].items()}


def test_explain_accounts_for_bytes_and_launches() -> None:
    a = row(time=1.0, declared=Work(bytes=100, launches=1))
    b = row(time=2.0, declared=Work(bytes=180, launches=11))
    found = explain(a, b, {"copy_bytes_per_s": 100.0, "launch_s": 0.01}).set_index("what")
    assert found.loc["bytes declared", "share"] == pytest.approx(0.8)
    assert found.loc["launches declared", "share"] == pytest.approx(0.1)
    text = in_words(found.reset_index(), "slower", "cuda", missing_counters=True)
    assert "bytes declared accounts for 80 %" in text and "by what the variants declare" in text
    assert "workbench profile" in text
    assert "workbench profile" not in in_words(found.reset_index(), "slower", "cpu", missing_counters=True)
    assert list(shown(found.reset_index())["share of difference"])[1] == "80 %"


def test_explain_says_when_nothing_accounts_for_it() -> None:
    a, b = row(time=1.0), row(time=2.0)
    found = explain(a, b, {"copy_bytes_per_s": 100.0})
    assert in_words(found, "slower", "cuda", False).startswith("Neither bytes")
    assert in_words(explain(a, a, {}), "same", "cuda", False) == "There is no difference in time to account for."


@pytest.mark.parametrize("verdict", ["undecided", "undecided, disturbed", "same"])
def test_only_a_verdict_that_holds_is_explained(verdict: str) -> None:
    a = row(time=1.0, declared=Work(bytes=100, launches=1))
    b = row(time=2.0, declared=Work(bytes=180, launches=11))
    text = in_words(explain(a, b, {"copy_bytes_per_s": 100.0}), verdict, "cpu", missing_counters=True)
    assert text == f"The verdict is {verdict}: there is no difference beyond doubt that could be explained."


def test_what_was_counted_explains_before_what_is_declared() -> None:
    a = row(time=1.0, declared=Work(bytes=100, launches=1), counted=Counted(bytes=100.0))
    b = row(time=2.0, declared=Work(bytes=100, launches=91), counted=Counted(bytes=130.0))
    found = explain(a, b, {"copy_bytes_per_s": 100.0, "launch_s": 0.01})
    assert found.set_index("what").loc["launches declared", "share"] == pytest.approx(0.9)
    text = in_words(found, "slower", "cuda", missing_counters=False)
    assert text == "The difference in bytes counted accounts for 30 % of the difference in time at this run's ceilings."


def test_what_if_redraws_the_curves() -> None:
    answer, curve = what_if("sm_90", 128, 32, 0)
    assert answer["occupancy"] == 1.0
    tight, _ = what_if("sm_90", 128, 255, 0)
    assert tight["limiter"] == "registers"
    assert tight["occupancy"] < 0.3
    assert set(curve["axis"]) == {"block_threads", "registers", "shared_bytes"}
    assert curve["occupancy"].between(0, 1).all()
    assert "sm_90" in known_archs()


def test_parts_of_a_chain_are_found_by_their_steps() -> None:
    catalog = load_catalog()
    found = {p.operation: p.variants for p in parts_of(catalog, catalog.variant("layer/source_final"), "float32")}
    assert found == {"gate": ("fused_shared",), "scan": ("blelloch",), "projection": ("per_step",)}
    assert parts_of(catalog, catalog.variant("scan/serial"), "float32") == ()


def test_parts_add_up_to_the_whole() -> None:
    records = frame_of(synthetic_records(lengths=(1024,), dtypes=("float32",))).assign(run="r")
    found = chain_shares(records, load_catalog())
    whole = found[found["variant"] == "source_final"]
    assert set(whole["part"]) == {"gate", "scan", "projection", OWN}
    assert whole["share"].sum() == pytest.approx(1.0)
    assert chain_shares(records[records["operation"] == "scan"], load_catalog()).empty


def test_a_chain_s_own_steps_are_named() -> None:
    catalog = load_catalog()
    assert own_steps(catalog, catalog.variant("layer/gated_ring"), "float32") == ("multiply_add",)
    assert own_steps(catalog, catalog.variant("layer/source_final"), "float32") == ()


def test_the_parts_of_a_chain_move_with_the_size() -> None:
    records = frame_of(synthetic_records(lengths=(256, 4096), dtypes=("float32",))).assign(run="r")
    curve = curves(records[(records["operation"] == "layer") & (records["variant"] == "source_final")], "T")
    found = shares_along(records, curve, load_catalog())
    assert list(found["size"]) == sorted(found["size"]) and set(found["size"]) == {256, 4096}
    assert found.groupby("size")["share"].sum().tolist() == pytest.approx([1.0, 1.0])
    picture = time_figures.parts_along(found, "T")
    assert [bar.name for bar in picture.data] == ["gate", "scan", "projection", OWN]
    assert list(picture.data[0].x) == ["256", "4,096"]


def test_modelled_ladder_is_marked_and_ordered() -> None:
    rows = modelled_ladder(load_catalog(), "h200", [("scan", Shape.of(B=8, T=4096, H=1024))])
    assert set(rows["source"]) == {"modelled"}
    assert rows["rung"].is_monotonic_increasing, "those of one pass alone"
    serial = rows.set_index("variant").loc["serial"]
    # 3 x 4 bytes of 8 x 4096 x 1024 elements at the 4.3 TB/s that an H200 was measured to copy: 94 us.
    assert serial["modelled_s"] == pytest.approx(94e-6, rel=0.05)
    assert serial["modelled_share_of_limit"] == pytest.approx(1.0)
    with pytest.raises(Problem, match="h200"):
        modelled_ladder(load_catalog(), "h2000", [("scan", Shape.of(B=1, T=1, H=1))])


def test_problems_put_the_most_telling_shape_first() -> None:
    shapes = [{**SHAPE, "T": T} for T in (64, 256, 1024)]
    records = [timed("a", 1.0, shape=shape) for shape in shapes] + [timed("b", 1.0, shape=shapes[0])]
    order = [shape_text(text) for text in shapes_of(frame_of(records))]
    assert order == [f"B=4 T={T} H=1024 float32" for T in (64, 1024, 256)], "two variants at 64, then by size"


def test_tables_name_unit_and_origin_and_leave_out_what_is_missing() -> None:
    frame = frame_of([timed("a", 47e-6, noise=0.0), timed("b", 95e-6, noise=0.0)])
    values, columns = table(frame, ["variant", "time.median_s", "share_of_floor", "no_such_column"])
    assert [column.heading for column in columns] == ["variant", "time µs · measured"]
    assert values["time.median_s"].tolist() == pytest.approx([47.0, 95.0])


def test_no_figure_of_a_table_vanishes_behind_its_unit() -> None:
    wide = frame_of([timed("a", 6.1e-6, noise=0.0), timed("b", 4e-3, noise=0.0), timed("c", 0.4, noise=0.0)])
    values, (column,) = table(wide, ["time.median_s"])
    assert column.heading == "time µs · measured" and column.digits == 1
    assert values["time.median_s"].tolist() == pytest.approx([6.1, 4e3, 4e5])
    near = frame_of([timed("a", 0.57e-3, noise=0.0), timed("b", 16.6e-3, noise=0.0), timed("c", 21e-3, noise=0.0)])
    _, (column,) = table(near, ["time.median_s"])
    assert column.heading == "time ms · measured" and column.digits == 2


def test_pictures_of_nothing_can_be_drawn() -> None:
    empty = points(frame_of([]))
    assert roofline_figures.roofline(empty, [], {}).to_json()
    cells = fastest_map(frame_of([timed("a", 1.0), timed("a", 2.0, shape={**SHAPE, "T": 64})]), "T", "H")
    picture = scaling_figures.fastest(cells, "T", "H", "scan", {})
    assert np.shape(picture.data[0].z) == (1, 2)


def test_names_in_the_map_of_the_fastest_fit_their_columns() -> None:
    few = [timed("look_back_free", 1.0), timed("a", 1.0, shape={**SHAPE, "T": 64})]
    many = [timed("look_back_free", 1.0, shape={**SHAPE, "T": 64 << i}) for i in range(11)]
    for records, cell, legend in ((few, "look_<br>back_<br>free", "look_back_free"), (many, "A", "A: look_back_free")):
        cells = fastest_map(frame_of(records), "T", "H")
        picture = scaling_figures.fastest(cells, "T", "H", "scan", {})
        assert cell in {note.text for note in picture.layout.annotations}
        assert legend in {trace.name for trace in picture.data}
