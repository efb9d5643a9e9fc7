"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no fault of what is tested: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
