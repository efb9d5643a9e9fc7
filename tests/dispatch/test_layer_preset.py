"""The preset by which a CPU's table is made: every operation that a layer asks the table for, both ways."""

from __future__ import annotations

from kernel_variants.modules import cells
from tests.kernels.executed import catalog
from workbench.sweep.selection import Selection, cases_of

CATALOG = catalog()
ON_CPU = {"unrolled_streaming", "blocks_cached", "pipelined_threads"}


def test_it_times_all_that_layers_choose_among() -> None:
    cases = cases_of(Selection(preset="layers", variants=("simd", "streaming"), devices=("cpu",)), CATALOG)
    found = {case.operation.key: {variant.name for variant in case.variants} for case in cases}
    asked = {"scan", "gated_scan", *cells.CELLS}
    assert found == {key: {"simd", "streaming"} for name in asked for key in (name, f"{name}/backward")}
    dtypes = {(case.operation.key, case.shape.dtype) for case in cases}
    assert dtypes == {(key, dtype) for key in found for dtype in ("float32", "bfloat16")}


def test_it_times_the_ways_to_parallelise_a_stack_both_ways() -> None:
    cases = cases_of(Selection(operations=("stack",), preset="layers", devices=("cpu",)), CATALOG)
    assert {case.operation.key for case in cases} == {"stack", "stack/training"}
    for case in cases:
        assert {v.name for v in case.variants} >= ON_CPU
    assert {case.shape["directions"] for case in cases} == {1, 2} and all(case.shape["layers"] > 1 for case in cases)
