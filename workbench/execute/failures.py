"""What a call of a worker may raise, and how it crosses from the worker to the coordinator: as its kind and fields.

A kind is a type; nothing is told from a text, which a variant writes. What comes back is made anew from fields whose
types are checked: the process that sent it runs a variant, and may have sent anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from workbench.declared import DeclarationError
from workbench.execute.bound import Violation
from workbench.execute.host_memory import GuardBroken
from workbench.problem import Problem, SourceError


class WorkerCrashed(Exception):
    """The process ended, or the method raised what nobody foresaw; the text says how."""


class WorkerTimeout(Exception):
    """The method did not come back in time; the process was killed."""


class LacksModule(Exception):
    """A Python function of the plan imports what is not installed."""

    def __init__(self, module: str) -> None:
        super().__init__(f"no module {module}")
        self.module = module


FAILURES = (WorkerCrashed, WorkerTimeout, Violation, LacksModule, Problem)
"""What a call may raise on account of what it runs."""


@dataclass(frozen=True)
class _Kind:
    raised: type[Exception]
    fields: Callable[[Any], tuple[Any, ...]]
    """Of an exception, what it is made of again: the arguments of its type."""
    types: Any
    """Of these fields."""


def _text(error: Exception) -> tuple[str]:
    return (str(error),)


CRASH = "crash"
"""What nobody foresaw."""
KINDS: dict[str, _Kind] = {
    "declaration": _Kind(DeclarationError, _text, tuple[str]),
    "source": _Kind(SourceError, _text, tuple[str]),
    "problem": _Kind(Problem, _text, tuple[str]),
    "guard": _Kind(GuardBroken, _text, tuple[str]),
    "violation": _Kind(Violation, _text, tuple[str]),
    "module": _Kind(LacksModule, lambda error: (error.module,), tuple[str]),
    CRASH: _Kind(WorkerCrashed, _text, tuple[str]),
}
"""By the word that stands for each between the processes; a type stands before those that it is one of."""


def sent(error: Exception) -> tuple[str, tuple[Any, ...]] | None:
    """The kind of a failure and its fields, as they travel; None for what is none of these."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        error = LacksModule(error.name)
    for word, kind in KINDS.items():
        if isinstance(error, kind.raised):
            return word, kind.fields(error)
    return None


def received(word: str, fields: Any) -> Exception:
    """The failure that was sent. Raises KeyError for no kind, ValidationError for other fields than its own."""
    kind = KINDS[word]
    return kind.raised(*TypeAdapter(kind.types).validate_python(fields))
