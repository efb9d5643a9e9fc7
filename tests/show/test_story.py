"""The sentence above a ladder: the fastest, its ties, and how far it is from both ends."""

from __future__ import annotations

from tests.views.build_records import timed
from workbench.model.rungs import Rung
from workbench.show.story import story
from workbench.store.record import Machine, Record, Run
from workbench.views.flat import frame_of
from workbench.views.ladder import ladder

KNOWN = {f"scan/{name}": Rung(rung, "", name == "eager") for rung, name in enumerate(("eager", "simd", "streaming"))}


def told(*records: Record) -> str:
    machine = Machine(
        id="test machine", name="a CPU", backend="cpu", ceilings={"copy_bytes_per_s": 200.0}, noise_floor=0.01
    )
    run = Run(name="r", created="", command=[], machines=[machine])
    rows = ladder(frame_of(records, run).assign(run="r"), KNOWN)
    return story(rows[rows["time.median_s"].notna()])


def test_the_fastest_is_named_with_its_distance_to_both_ends() -> None:
    text = told(timed("eager", 8.0, noise=0.001, seed=1), timed("simd", 2.0, noise=0.001, seed=2))
    assert text == "simd is the fastest of 2: 2 s; 4x as fast as the baseline; 25 % of the best possible"


def test_a_tie_is_no_winner() -> None:
    text = told(timed("simd", 2.0, noise=0.05, seed=2), timed("streaming", 2.03, noise=0.05, seed=3))
    assert text.startswith("no variant is faster beyond doubt than simd") and "streaming is not slower" in text
