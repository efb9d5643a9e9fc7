"""What a visitor takes along of a picture: its data, and text that can be read on every colour."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.views.build_records import SHAPE, timed
from workbench.show.hints import no_times
from workbench.show.pictures.data import csv_of
from workbench.show.pictures.distribution import distribution
from workbench.show.pictures.error_growth import error_growth
from workbench.show.pictures.history import history
from workbench.show.pictures.report import by_time
from workbench.show.pictures.scaling import fastest
from workbench.show.pictures.style import MUTED, PALETTE, contrast, ink, titles_wrapped
from workbench.store.record import ErrorMeasure, Record
from workbench.views.error_growth import error_curves, longest_of_errors
from workbench.views.flat import frame_of
from workbench.views.scaling import fastest_map


def rows_of(picture: go.Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(picture))))


def test_a_picture_s_data_is_what_it_shows_with_intervals() -> None:
    picture = go.Figure()
    error = {"type": "data", "symmetric": False, "array": [0.5, 0.6], "arrayminus": [0.1, 0.2]}
    picture.add_scatter(x=np.array([64, 128]), y=[1.0, 2.0], name="=simd, 1", error_y=error)
    picture.add_scatter(x=[None], y=[None], name="only in the legend")
    assert rows_of(picture) == [
        {"series": "'=simd, 1", "x": "64", "y": "1.0", "y_minus": "0.1", "y_plus": "0.5"},
        {"series": "'=simd, 1", "x": "128", "y": "2.0", "y_minus": "0.2", "y_plus": "0.6"},
    ]


def test_long_titles_and_names_stand_in_lines_and_are_whole_in_the_data() -> None:
    picture = go.Figure().add_bar(x=[1.0], y=["gate_backward_sums<br>(bfloat16)"], orientation="h")
    picture.update_xaxes(title_text="share of the time of the record (measured under the profiler)")
    lines = titles_wrapped(picture).layout.xaxis.title.text.split("<br>")
    assert len(lines) == 2 and max(map(len, lines)) <= 34
    picture.update_layout(height=200)
    assert titles_wrapped(picture).layout.xaxis.title.text == "<br>".join(lines) and picture.layout.height == 200, (
        "once"
    )
    picture.update_xaxes(title_text="sample ÷ median of its own variant (measured)")
    assert titles_wrapped(picture).layout.height == 218, "the second line takes nothing from the bars"
    assert rows_of(picture)[0]["y"] == "gate_backward_sums (bfloat16)"
    names = ["void at::native::elementwise_kernel<4, float>(int, float *)", "short", "short"]
    rows = pd.DataFrame({"kernel": names, "duration_s": 1.0, "share_of_report": 0.3, "binds": "latency"})
    labels = list(by_time(rows).layout.yaxis.categoryarray)
    assert labels[1:] == ["short", "short #2"] and max(len(line) for line in labels[0].split("<br>")) <= 26


def test_an_imported_report_whose_kernels_have_names_says_why_it_has_no_times() -> None:
    records = pd.DataFrame({"operation": "gate", "backend": "cuda", "status": ["ok", "ok"]})
    assert "brings counters, no times" in no_times(records, "gate")
    failed = records.assign(status=["crashed", "ok"])
    assert "None of these records has a time (1 crashed, 1 ok)" in no_times(failed, "gate")


def test_a_map_s_data_has_the_winner_of_each_cell() -> None:
    records = [timed(name, s, noise=0.001, seed=k, shape={**SHAPE, "T": T})
               for T in (64, 128) for k, (name, s) in enumerate((("a", 1.0), ("b", 2.0)))]  # fmt: skip
    picture = fastest(fastest_map(frame_of(records).assign(noise_floor=0.01), "T", "H"), "T", "H", "scan", {})
    cells = [(row["x"], row["y"], row["z"]) for row in rows_of(picture) if row["z"]]
    assert cells == [("64", "1Ki", "a"), ("128", "1Ki", "a")]
    assert [(note.x, note.y, note.text) for note in picture.layout.annotations] == [(0, 0, "a"), (1, 0, "a")], "places"


@pytest.mark.parametrize("colour", [*PALETTE, MUTED])
def test_text_on_every_colour_can_be_read(colour: str) -> None:
    assert contrast(ink(colour), colour) >= 4.5
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_both_states_of_a_bimodal_variant_are_drawn() -> None:
    samples = np.where(np.arange(200) % 2, 1.0, 1.4) * (1 + 0.001 * np.arange(200) / 200)
    record = timed("simd", 1.0).model_copy(update={"samples_s": samples.tolist()})
    picture = distribution(frame_of([record]).assign(run="r", device="d"), {})
    drawn = np.asarray(picture.data[0].x)
    assert (
        len(drawn) == 200
        and picture.layout.xaxis.range[0] < drawn.min()
        and drawn.max() < picture.layout.xaxis.range[1]
    )
    assert picture.layout.yaxis.categoryarray == ("simd",)


def error_of(variant: str, T: int, value: float, H: int = 2, regime: str = "normal") -> Record:
    return timed(
        variant, 1.0, seed=T, shape={"B": 1, "T": T, "H": H, "dtype": "float32", "regime": regime},
        error=ErrorMeasure(relative_l2=value, bound=1e-5), key=f"{variant}-{T}-{H}-{regime}",
    )  # fmt: skip


def test_errors_are_drawn_along_the_axis_that_has_most_sizes() -> None:
    records = [error_of("tree", T, T * 1e-9) for T in (32, 128, 512)]
    records += [error_of("serial", T, 5e-8) for T in (32, 512)] + [error_of("tree", 128, 9e-8, regime="large")]
    records += [error_of("serial", 32, 1e-3, H=64)]
    frame = frame_of(records)
    assert longest_of_errors(frame) == "T" and longest_of_errors(frame_of(records[:1])) is None
    found = error_curves(frame, "T")
    assert found[found["variant"] == "tree"]["error"].tolist() == pytest.approx([3.2e-8, 1.28e-7, 5.12e-7]), "the worst"
    assert set(found["others"]) == {"B=1 H=2"}
    series = [trace.name for trace in error_growth(found, "T", {}).data]
    assert series == ["serial", "tree", "let pass"]


def test_runs_of_one_day_stand_on_an_axis_of_a_day() -> None:
    points = pd.DataFrame({
        "created": ["2026-11-21T12:03:06+00:00", "2026-11-21T12:03:07+00:00"], "run": ["a", "b"], "commit": ["", ""],
        "series": 0, "host": "h", "device": "d", "disturbed": False, "time.median_s": 1.0, "time.low_s": 0.9,
        "time.high_s": 1.1, "level": 1.0,
    })  # fmt: skip
    first, last = (pd.Timestamp(at) for at in history(points, []).layout.xaxis.range)
    assert last - first == pd.Timedelta(hours=24, seconds=1)
    apart = points.assign(created=["2026-11-21T12:03:06+00:00", "2026-11-25T12:03:07+00:00"])
    assert history(apart, []).layout.xaxis.range is None
