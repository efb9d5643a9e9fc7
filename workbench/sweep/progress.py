"""What a sweep tells whoever watches it: stages, and progress within them."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of progress; a progress bar, a log, or nothing."""

    def stage(self, title: str, total: int) -> None:
        """A stage of `total` parts begins."""

    def step(self, text: str, parts: float = 1.0) -> None:
        """`parts` of the stage are done; `text` says what comes or came."""

    def note(self, text: str) -> None:
        """Something that a person should see even after the bar is gone."""


class Silent:
    """Nobody watches."""

    def stage(self, title: str, total: int) -> None: ...

    def step(self, text: str, parts: float = 1.0) -> None: ...

    def note(self, text: str) -> None: ...
