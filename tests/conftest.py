"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is no fault of what is tested: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables are as wide as in a pipe, whatever terminal the tests were started from; a test may set the width itself.
os.environ.pop("COLUMNS", None)
