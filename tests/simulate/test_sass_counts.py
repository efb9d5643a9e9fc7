"""What instructions count as where a warp's lanes part, or a guard holds for none: as on the devices of reports."""

from __future__ import annotations

from tests.simulate.sass_lines import facts, printed
from workbench.simulate.counters import Level, figures
from workbench.simulate.launch import Counts, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.sass.lower import lower
from workbench.simulate.sass.text import sections_of


def counted(*lines: str) -> Counts:
    """One warp. A line that ends in a colon is a label."""
    code = [line for line in lines if not line.endswith(":")]
    head, *printed_lines = printed(code).splitlines()
    pairs = iter(printed_lines[1:])
    text = [line if line.endswith(":") else f"{next(pairs)}\n{next(pairs)}" for line in lines]
    section = sections_of("\n".join([head, *text]), "test")["k"]
    program = lower(facts(len(code), static_shared=128), section).program
    return simulate(program, (1, 1, 1), (32, 1, 1), bytes(16), Memory())


def test_each_part_of_a_warp_executes_the_barrier_that_it_converges_at() -> None:
    counts = counted(
        "S2R R0, SR_TID.X", "ISETP.NE.AND P0, PT, R0, RZ, PT", "BSSY B0, `(.L_x_0)", "@P0 BRA `(.L_x_0)", "MOV R1, R0",
        ".L_x_0:", "BSYNC B0", "MOV R2, R0", "EXIT",
    )  # fmt: skip
    assert counts["executed"].tolist() == [1, 1, 1, 1, 1, 2, 1, 1]
    assert counts["threads"].tolist() == [32, 32, 32, 32, 1, 32, 32, 32]
    assert counts["divergent"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert {f.name: f.value for f in figures(counts, Level.SASS)}["smsp__inst_executed_op_branch.sum"] == 4


def test_an_access_that_no_lane_makes_is_executed_and_is_no_access() -> None:
    counts = counted("ISETP.NE.AND P0, PT, RZ, RZ, PT", "LDS R1, [RZ]", "@P0 LDS R2, [RZ]", "EXIT")
    assert counts["executed"].tolist() == [1, 1, 1, 1]
    assert {f.name: f.value for f in figures(counts, Level.SASS)}["smsp__sass_inst_executed_op_shared_ld.sum"] == 1
