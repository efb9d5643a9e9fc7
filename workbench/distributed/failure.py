"""How a rank failed: written by itself, read by the one who started it."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.durable import write_whole
from workbench.foreign import first_words
from workbench.problem import Problem

WAITED = (
    "Connection closed",
    "Timed out",
    "timed out",
    "Connection reset",
    "Broken pipe",
    "not reached",
    "Wait timeout",
)
"""Signs in an error's text that the rank waited for another: in a collective, or for it to come at all."""


@dataclass(frozen=True)
class Failure:
    """What a rank ended with."""

    rank: int
    own: bool
    """What the user can mend: the same after a restart."""
    text: str
    waited: bool
    """Its end is that of another rank, which it waited for."""
    place: str
    """Where in the training, such as `all_reduce of step 7`; empty where that is not known."""

    @classmethod
    def of(cls, error: Exception, rank: int) -> Failure:
        own = isinstance(error, Problem)
        text = str(error) if own else f"{type(error).__name__}: {first_words(error)}"
        waited = not own and any(sign in str(error) for sign in WAITED)
        step = next(iter(getattr(error, "__notes__", [])), "")
        return cls(rank, own, text, waited, " of ".join(filter(None, (_collective(error), step))))

    def write(self, folder: str) -> None:
        write_whole(_file(folder, self.rank), json.dumps(asdict(self)).encode())

    @staticmethod
    def forget(folder: str, rank: int) -> None:
        """What an earlier attempt of the rank ended with is no longer of interest."""
        _file(folder, rank).unlink(missing_ok=True)

    @staticmethod
    def all_of(folder: str) -> list[Failure]:
        found = []
        for file in sorted(Path(folder).glob("failed-*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Failure(**json.loads(file.read_text())))
        return found


def told(failures: Sequence[Failure], count: int, log: Path) -> str:
    """The first cause, in one line: a user's own problem, what a rank raised by itself, a rank that did not come."""
    more = f"(all that the ranks wrote: {log})"
    own = next((f for f in failures if f.own), None)
    if own is not None:
        return own.text
    raised = next((f for f in failures if not f.waited), None)
    if raised is not None:
        return f"rank {raised.rank}: {raised.text} {more}"
    lost = sorted(set(range(count)) - {f.rank for f in failures})
    first = failures[0]
    if not lost:
        return f"rank {first.rank}: {first.text} {more}"
    names = f"rank {lost[0]}" if len(lost) == 1 else f"ranks {', '.join(map(str, lost))}"
    where = f" in {first.place}" if first.place else ""
    return f"{names} did not come: rank {first.rank} waited{where}: {first.text} {more}"


def _file(folder: str, rank: int) -> Path:
    return Path(folder) / f"failed-{rank}.json"


def _collective(error: Exception) -> str:
    """The function of torch.distributed that raised it; `backward` for the gradients' sum, which has no frame."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        if frame.filename.endswith("distributed_c10d.py") and not frame.name.startswith(("_", "wrapper")):
            return frame.name
    return "backward" if any(frame.name == "backward" for frame in frames) else ""
