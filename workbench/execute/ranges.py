"""NVTX ranges in the domain `workbench`, named by the record's key: what joins a profiler's launches to records.

Push/pop ranges belong to the thread that pushed them; work that another thread launches (autograd runs a
backward pass in its own) lies outside. Start/end ranges belong to the process and take that in.

With no profiler attached a range costs well under a microsecond (`make bench` shows it): each is made once, and
does nothing.
"""

from __future__ import annotations

import functools
import re
from types import TracebackType
from typing import Any

from workbench.problem import Problem

DOMAIN = "workbench"
KEY = re.compile(r"[a-z0-9_.-]+")
RECORD_KEY = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+){4,}\.cuda")
"""What a sweep's key on a GPU looks like: `scan.serial.b4-t4096-h1024.float32.normal.forward.cuda`."""


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


class _Quiet:
    """The range of a process that no profiler is attached to."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


QUIET = _Quiet()


@functools.cache
def _domain() -> Any:
    """The domain, or None where nobody listens: no profiler attached when NVTX started, or no nvtx package."""
    try:
        import nvtx
    except ImportError:
        return None
    domain = nvtx.get_domain(DOMAIN)
    return domain if isinstance(domain, nvtx.Domain) else None


def push_pop(key: str, domain: Any) -> PushPop:
    """`with push_pop(key, domain): …` around work that this thread launches."""
    return PushPop(domain, domain.get_event_attributes(message=key))


def start_end(key: str, domain: Any) -> StartEnd:
    """`with start_end(key, domain): …` around work that other threads launch too."""
    return StartEnd(domain, domain.get_event_attributes(message=key))


@functools.cache
def marked(key: str, pass_: str = "forward") -> PushPop | StartEnd | _Quiet:
    """`with marked(record.key, record.pass_): …`: the range of a record.

    Push/pop for a forward pass, start/end for one that autograd may run on another thread. Raises Problem for a
    key that ncu's filter could not name.
    """
    name, domain = range_name(key), _domain()
    if domain is None:
        return QUIET
    return push_pop(name, domain) if pass_ == "forward" else start_end(name, domain)
