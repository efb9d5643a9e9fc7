"""The torch rungs of the scan and the gated scan, on torch's CPU."""

from __future__ import annotations

import pytest

from tests.kernels.covering import of_kind
from tests.kernels.executed import Case, check, run
from tests.kernels.scan_cases import cases
from workbench.declare import Call, Shape

pytestmark = pytest.mark.sliced

LOSES_DIGITS = "scan/log_space"
VARIANTS = [v for operation in ("scan", "gated_scan") for v in of_kind(operation, Call) if v.key != LOSES_DIGITS]


@pytest.mark.parametrize("case", cases(VARIANTS, orders=("in_order",)), ids=str)
def test_is_right(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("T", (1, 2, 33))
@pytest.mark.parametrize("absent", ((), ("h0",)))
def test_log_space_is_right_while_short(T: int, absent: tuple[str, ...]) -> None:
    for result in run(Case(LOSES_DIGITS, Shape.of(B=2, T=T, H=5), absent=absent)).values():
        assert result.error <= 2e-6


def test_log_space_loses_digits_with_length() -> None:
    """The cumulative sum of log a grows with T while its digits do not; a linear-space scan stays flat."""

    def error(variant: str, T: int) -> float:
        return run(Case(variant, Shape.of(B=1, T=T, H=8)))["h"].error

    assert error(LOSES_DIGITS, 8192) > 20 * error(LOSES_DIGITS, 32)
    assert error("scan/eager", 8192) < 3 * error("scan/eager", 32) < 1e-6
