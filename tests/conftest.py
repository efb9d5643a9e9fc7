"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is no fault of what is tested: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_width_of_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as in a pipe, whatever terminal the tests were started from; a test may set COLUMNS."""
    monkeypatch.delenv("COLUMNS", raising=False)
