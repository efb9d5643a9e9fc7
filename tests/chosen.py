"""Which files of tests this run has: what several of them need can then be made once for all."""

from __future__ import annotations

chosen_files: set[str] = set()
"""As paths from the project's root. Filled when the tests are collected."""
