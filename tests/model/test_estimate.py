"""The estimate of a GPU that is not at hand, by hand: bytes in flight, waves, what is scaled, and whom to try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.model.test_counted import CLOCK, GPU, entry, kernel
from workbench.catalog import load_catalog
from workbench.cli import make_app
from workbench.declare import Shape
from workbench.devices import device
from workbench.model.estimate import DRAM_CYCLES, Estimate, Extent, estimate, in_flight_of_warp
from workbench.model.floor import limits_of_device
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import Chain, Machine, Record, Run, Simulated, SimulatedCounter, SimulatedKernel, Work
from workbench.views.candidates import candidates

RATE = limits_of_device("h200", "float32").bytes_per_s or 0.0
LATENCY = DRAM_CYCLES / CLOCK
LOADED = "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"


def made(blocks: int = 10, sectors: float = 320.0, trips: int = 2, **fields: Any) -> SimulatedKernel:
    """Blocks of one warp, one at a time on an SM, that load `sectors` of 32 bytes in all, in `trips` waits each."""
    counters = [
        SimulatedCounter(name=name, value=value, unit="", standing="")
        for name, value in (
            (LOADED, sectors),
            ("memory_l2_theoretical_sectors_global", 0.0),
            ("smsp__inst_executed.sum", 0.0),
        )
    ]
    chain = Chain(instructions=9, issue_cycles=1, global_trips=trips, shared_trips=0, other_trips=0)
    base: dict[str, Any] = {"block": [32, 1, 1], "blocks_per_sm": 1, "registers": 32, "chain": chain}
    return kernel(blocks, **{**base, "counters": counters, **fields})


def extent(nbytes: int, blocks: int = 10, launches: int = 1, steps: int = 4) -> Extent:
    return Extent(launches, blocks, Work(bytes=nbytes, serial_steps=steps), Work(bytes=1))


def of(one: SimulatedKernel, at: Extent, counted: Extent | None = None, **fields: Any) -> Estimate:
    found = estimate(entry(one, declared=Work(bytes=1000), **fields), GPU, at, counted or at)
    assert found is not None
    return found


def test_few_bytes_in_flight_keep_memory_from_its_bandwidth() -> None:
    """10 warps, each with 320 x 32 / 10 / 2 = 512 bytes on the way: Little's law, to the digit."""
    assert in_flight_of_warp(made()) == 512
    found = of(made(), extent(10**9))
    assert found.bound_by == "bytes in flight" and found.in_flight == 5120
    assert found.seconds == pytest.approx(10**9 * LATENCY / 5120, rel=1e-3)
    assert found.needed == pytest.approx(RATE * LATENCY)
    many = made(10, sectors=320e6, trips=1, registers=10**6)
    assert of(many, extent(10**9)).bound_by == "bandwidth"
    assert of(many, extent(10**9)).seconds == pytest.approx(10**9 / RATE, rel=1e-2)


def test_no_warp_has_more_on_the_way_than_it_can_take() -> None:
    assert in_flight_of_warp(made(sectors=1e6, trips=1)) == 32 * 4 * 32, "its registers"
    ring = made(opcodes={"LDGSTS": 5}, shared_bytes=40_000, block=[64, 1, 1])
    assert in_flight_of_warp(ring) == 20_000, "two warps share what copies fill"


def test_a_last_wave_of_one_block_costs_nearly_as_much_as_a_full_one() -> None:
    full, one_more = (of(made(blocks), extent(10**9, blocks=blocks)) for blocks in (10, 11))
    assert full.waves == 1 and full.busy_sms == 1
    assert one_more.waves == 1.1 and one_more.busy_sms == pytest.approx(0.55)
    chained = [of(made(blocks, trips=10**6), extent(10, blocks=blocks)).seconds for blocks in (10, 11)]
    assert chained[1] == pytest.approx(2 * chained[0], rel=1e-3), "two rounds of what each warp waits for"


def test_a_count_at_another_shape_is_scaled_by_what_is_declared() -> None:
    counted, larger = extent(1000, blocks=10, steps=4), extent(4000, blocks=20, steps=16)
    here, there = (of(made(trips=10**6), at, counted) for at in (counted, larger))
    assert here.bound_by == there.bound_by == "chain" and (here.scaled, there.scaled) == (False, True)
    assert there.seconds == pytest.approx(4 * 2 * here.seconds, rel=1e-3), "a chain four times as long, in two rounds"
    cut = made(
        chain=Chain(instructions=10, issue_cycles=1000, global_trips=0, shared_trips=0, other_trips=0, whole=False),
        counters=[SimulatedCounter(name="smsp__inst_executed.sum", value=1000.0, unit="", standing="")],
    )
    whole = cut.model_copy(update={"chain": cut.chain and cut.chain.model_copy(update={"whole": True})})
    times = [of(one, extent(1000)).seconds for one in (cut, whole)]
    gap = limits_of_device("h200", "float32").launch_s or 0.0
    assert times[0] - gap == pytest.approx(10 * (times[1] - gap), rel=1e-3), "100 instructions a warp, 10 were followed"


def test_l2_keeps_what_a_launch_moved_only_where_all_of_it_fits() -> None:
    """Three launches that read their input twice, counted where L2 (1,000 bytes) had it the second time."""
    streamed = made(10, sectors=320e6, trips=1, registers=10**6, launches=3)
    gaps = 3 * (limits_of_device("h200", "float32").launch_s or 0.0)
    small, large = extent(1000, launches=3), extent(10**9, launches=3)
    assert of(streamed, large, small, moved_bytes=600.0).seconds - gaps == pytest.approx(10**9 / RATE, rel=1e-2), (
        "all of it, from memory"
    )
    alone, larger = extent(1000), extent(10**9)
    one = streamed.model_copy(update={"launches": 1})
    assert of(one, larger, alone, moved_bytes=600.0).seconds == pytest.approx(0.6 * 10**9 / RATE, rel=2e-2), (
        "within a launch it stays"
    )


def test_of_a_tie_the_one_with_most_room_beside_memory_is_first() -> None:
    crowded, roomy = (
        of(made(10, sectors=320e6, trips=trips, registers=10**6, chain=Chain(
            instructions=9, issue_cycles=cycles, global_trips=trips, shared_trips=0, other_trips=0)), extent(10**9))
        for trips, cycles in ((1, 200_000), (1, 10))
    )  # fmt: skip
    assert crowded.bound_by == roomy.bound_by == "bandwidth" and crowded.seconds == roomy.seconds
    assert crowded.next_by == "chain" and crowded.next_seconds > roomy.next_seconds > 0


def test_what_a_library_does_has_no_estimate() -> None:
    assert estimate(entry(made(), beside=["aten::mm"]), GPU, extent(10), extent(10)) is None
    assert estimate(entry(), GPU, extent(10), extent(10)) is None


def counted(variant: str, T: int = 256, arch: str = "sm_90", trips: int = 2, settings: Any = None) -> Record:
    axes = {"B": 2, "T": T, "H": 256}
    simulated = Simulated(
        arch=arch, gpu="h100", swept=axes, axes=axes, settings=settings or {"block": 128}, kernels=[made(trips=trips)],
        declared=Work(bytes=12 * 2 * T * 256, serial_steps=T), least=Work(bytes=1),
    )  # fmt: skip
    return Record(
        key=f"scan.{variant}.{T}", operation="scan", variant=variant, axes=axes, dtype="float32", machine="simulated",
        backend="simulated", status="ok", simulated=[simulated],
    )  # fmt: skip


def profiles_with(folder: Path, *records: Record) -> Path:
    machine = Machine(id="simulated", name="simulated", backend="simulated")
    run = create_run(folder, Run(name="counted", created="2026-01-01", command=[], machines=[machine]))
    for record in records:
        run.append(record)
    return folder


VECTOR = {"vector": 4, "block": 64}
WORDS = ("best", "scan", "--B", "4", "--T", "4096", "--H", "512", "--device", "h100")


def test_the_command_ranks_what_was_counted_and_says_what_to_try(tmp_path: Path) -> None:
    records = (counted("serial"), counted("serial", T=2048), counted("vector", trips=1, settings=VECTOR))
    profiles_with(tmp_path, *records)
    done = CliRunner().invoke(make_app(), [*WORDS, "--json", "--profiles", str(tmp_path)])
    plain = json.loads(done.output)
    assert plain["modelled"] is True and plain["gpu"] == "h100" and plain["shape"]["T"] == 4096
    ranked = {one["variant"]: one for one in plain["ranked"]}
    assert set(ranked) == {"serial", "vector"} and ranked["serial"]["counted_at"] == "B=2 T=2048 H=256", "the nearest"
    assert "of the" in ranked["serial"]["reason"] and ranked["serial"]["reason"].endswith("; scaled")
    assert plain["left_out"]["prefetch"] == "its machine code was not counted for sm_90"
    text = CliRunner().invoke(make_app(), [*WORDS, "--profiles", str(tmp_path)]).output
    assert "not at hand: modelled, nothing was timed" in text
    assert f"try these on the hardware: {', '.join(plain['to_try'])}" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--device", "rtx4090"),
            "no machine code was counted for sm_89; .* workbench sweep scan --arch sm_89 counts it",
        ),
        (("--device", "h100", "--Q", "3"), "unknown axis --Q"),
        (("--device", "h10"), "unknown device h10: did you mean h100"),
    ],
)
def test_what_cannot_be_estimated_is_said(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    profiles_with(tmp_path, counted("serial"))
    with pytest.raises(Problem, match=message):
        done = CliRunner().invoke(make_app(), ["best", "scan", *words, "--profiles", str(tmp_path)])
        raise done.exception or AssertionError(done.output)


def test_of_a_tie_other_kinds_are_tried_first() -> None:
    """Three that tie, two of them of one algorithm and one resource: the third algorithm comes second."""
    catalog = load_catalog()
    names = {"serial": {"block": 128}, "vector": VECTOR, "blelloch_global": {}}
    rows = [
        {
            "variant": name, "shape.dtype": "float32", "run": "r", "pass": "forward", "error.relative_l2": 1e-7,
            "simulated": json.dumps([one.model_dump(mode="json") for one in counted(name, settings=chosen).simulated]),
        }
        for name, chosen in names.items()
    ]  # fmt: skip
    shape = Shape.of("float32", B=2, T=256, H=256)
    found = candidates(pd.DataFrame(rows), catalog, catalog.operation("scan"), shape, device("h100"), ["r"])
    assert {(one.error, one.kept_bytes) for one in found.ranked} == {(1e-7, 0)}
    assert set(found.to_try) == set(names) and found.to_try[0] == found.ranked[0].variant


def test_a_tie_is_ordered_by_what_comes_next() -> None:
    """Memory gives all three the same time: the one that waits least beside it stands first."""
    catalog = load_catalog()
    rows = []
    for name, cycles in (("serial", 300), ("blelloch_global", 100), ("vector", 200)):
        record = counted(name, settings=VECTOR if name == "vector" else {"block": 128} if name == "serial" else {})
        (entry_,) = record.simulated
        chain = Chain(instructions=9, issue_cycles=cycles, global_trips=0, shared_trips=0, other_trips=0)
        kernels = [one.model_copy(update={"chain": chain, "counters": [], "grid": [1, 1, 1]}) for one in entry_.kernels]
        own = json.dumps([entry_.model_copy(update={"kernels": kernels}).model_dump(mode="json")])
        told = {"run": "r", "pass": "forward", "error.relative_l2": 1e-7, "simulated": own}
        rows.append({"variant": name, "shape.dtype": "float32", **told})
    shape = Shape.of("float32", B=2, T=256, H=256)
    found = candidates(pd.DataFrame(rows), catalog, catalog.operation("scan"), shape, device("h100"), ["r"])
    assert {one.rank for one in found.ranked} == {1} and len({one.seconds for one in found.ranked}) > 0
    assert [one.variant for one in found.ranked] == ["blelloch_global", "vector", "serial"]
    assert all("next is" in one.reason for one in found.ranked if one.bound_by == "bandwidth")
    broken = counted("ring").simulated[0].model_copy(update={"kernels": [], "reason": "memcheck: stray_write"})
    row = {**rows[0], "variant": "ring", "simulated": json.dumps([broken.model_dump(mode="json")])}
    found = candidates(pd.DataFrame([*rows, row]), catalog, catalog.operation("scan"), shape, device("h100"), ["r"])
    assert found.left_out["ring"] == "its machine code was not counted for sm_90: memcheck: stray_write"
    assert found.left_out["eager"] == "a library's code, which is not at hand to be counted"
