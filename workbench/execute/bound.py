"""The form in which check, measure and profile meet a variant: a plan with memory, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Inputs = Mapping[str, Any]
"""Input arrays by name, in their declared dtypes; an absent optional one is None or missing."""


class Violation(Exception):
    """A variant did what no right one does: wrote outside its buffers, changed its inputs, handed over what cannot be
    compared. Its record is `incorrect`; the text says what it was."""


class Bound(Protocol):
    """A plan with memory for one or several sets of inputs and outputs. Outputs and scratch hold nothing in particular
    until `poison` or `run`."""

    sets: int

    def run(self, index: int = 0) -> None:
        """One evaluation on set `index`; on a GPU it may still be running when this returns."""

    def synchronize(self) -> None:
        """Waits until everything that was started is done."""

    def poison(self, index: int = 0) -> None:
        """Fills the outputs and scratch of a set with NaN, and what is worked on in place with the values given."""

    def load(self, inputs: Inputs, index: int = 0) -> None:
        """Writes other inputs into the buffers of a set, where they stay what they are: same addresses, new values."""

    def inputs(self, index: int = 0) -> dict[str, Any]:
        """A set's inputs as they are now, by name, as numpy arrays that hold until it runs again."""

    def outputs(self, index: int = 0) -> dict[str, Any]:
        """A set's outputs, by name, as numpy arrays that hold until it runs again. Raises Violation after a stray
        write."""

    def memory(self, index: int = 0) -> list[tuple[int, int]]:
        """Address and bytes of each buffer of a set, of a plan loaded on a CPU."""

    def close(self) -> None:
        """Releases the memory."""
