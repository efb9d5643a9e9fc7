"""A sweep's progress as a bar on stderr; lines where stderr is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class ProgressBar:
    """See `Progress`. Use as a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}"),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._bar = sys.stderr.isatty()

    def __enter__(self) -> ProgressBar:
        if self._bar:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._progress.stop()

    def stage(self, title: str, total: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, text="")
        self._task = self._progress.add_task(title, total=total, text="")
        if not self._bar:
            self._console.print(f"{title}: {total}", highlight=False)

    def step(self, text: str, parts: float = 1.0) -> None:
        if self._task is not None:
            self._progress.update(self._task, advance=parts, text=text)

    def note(self, text: str) -> None:
        self._console.print(f"note: {text}", highlight=False, markup=False, soft_wrap=True)
