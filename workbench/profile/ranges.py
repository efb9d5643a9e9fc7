"""NVTX ranges in the domain `workbench`, named by the record's key: what joins a profiler's launches to records.

Push/pop ranges belong to the thread that pushed them; work that another thread launches (autograd runs a
backward pass in its own) lies outside. Start/end ranges belong to the process and take that in.

With no profiler attached a range costs well under a microsecond (`make bench` shows it): the domain and each
key's attributes are made once, and the nvtx package then does nothing at all. Where that package is not
installed, ranges do nothing.
"""

from __future__ import annotations

import functools
import re
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from workbench.problem import Problem

DOMAIN = "workbench"
KEY = re.compile(r"[a-z0-9_.-]+")


def range_name(key: str) -> str:
    """The key, once it is certain that ncu's filter takes it as it stands: `@ , [ ] / * +` would need escaping."""
    if not KEY.fullmatch(key):
        raise Problem(f"key {key}: a range's name has only a-z 0-9 _ . -; rename what the key is made of")
    return key


class PushPop:
    """A range on this thread, for work that this thread launches."""

    __slots__ = ("_attributes", "_pop", "_push")

    def __init__(self, domain: Any, attributes: Any) -> None:
        self._push, self._pop, self._attributes = domain.push_range, domain.pop_range, attributes

    def __enter__(self) -> None:
        self._push(self._attributes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pop()


class StartEnd:
    """A range of the whole process, for work that leaves this thread. Not to be entered twice at once."""

    __slots__ = ("_attributes", "_domain", "_token")

    def __init__(self, domain: Any, attributes: Any) -> None:
        self._domain, self._attributes = domain, attributes

    def __enter__(self) -> None:
        self._token = self._domain.start_range(self._attributes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._domain.end_range(self._token)


class _NoDomain:
    """Stands in where the nvtx package is not installed."""

    def get_event_attributes(self, message: str) -> None:
        return None

    def push_range(self, attributes: None) -> None:
        return None

    def pop_range(self) -> None:
        return None

    def start_range(self, attributes: None) -> int:
        return 0

    def end_range(self, token: int) -> None:
        return None


@functools.cache
def _domain() -> Any:
    try:
        import nvtx
    except ImportError:
        return _NoDomain()
    return nvtx.get_domain(DOMAIN)


@functools.cache
def push_pop(key: str) -> PushPop:
    """`with push_pop(key): …` around work that this thread launches. Raises Problem for a key ncu cannot name."""
    domain = _domain()
    return PushPop(domain, domain.get_event_attributes(message=range_name(key)))


@functools.cache
def start_end(key: str) -> StartEnd:
    """`with start_end(key): …` around work that other threads launch too."""
    domain = _domain()
    return StartEnd(domain, domain.get_event_attributes(message=range_name(key)))


def marked(key: str, pass_: str = "forward") -> AbstractContextManager[None]:
    """The range of a record: push/pop for a forward pass, start/end for one that autograd may run elsewhere."""
    return push_pop(key) if pass_ == "forward" else start_end(key)
