"""An operation that a preset leaves out takes part where it is named."""

from __future__ import annotations

from workbench.catalog import load_catalog
from workbench.declare import Shape
from workbench.sweep.selection import Selection, cases_of


def test_an_operation_that_a_preset_leaves_out_has_its_usual_sizes_where_it_is_named() -> None:
    catalog = load_catalog()
    assert "minlstm_scan" not in {case.operation.name for case in cases_of(Selection(preset="quick"), catalog)}
    named = Selection(preset="quick", operations=("minlstm_scan/forward",), axes=(("T", (64, 128)),))
    shapes = [case.shape for case in cases_of(named, catalog)]
    assert shapes == [Shape.of(B=4, T=T, H=1024) for T in (64, 128)]
    assert cases_of(Selection(preset="experiment", operations=("minlstm_scan",)), catalog) == []
