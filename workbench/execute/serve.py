"""What a worker does: makes its object, then answers calls until the coordinator is gone.

Calls come pickled, from the coordinator, which is trusted. Answers go back as JSON: a variant lives in this process
and may write what it likes where answers are written, so nothing that is unpickled may come from here.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import importlib
import json
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.execute.channel import framed, receive_blocking
from workbench.execute.failures import CRASH, sent
from workbench.foreign import first_words

MAKE = ""
"""The method of the first call, whose arguments are a factory `module:Class` and its arguments."""


def serve(theirs: socket.socket, files: list[int]) -> None:
    """Returns when the coordinator is gone. `files`: descriptors that the object gets behind its arguments."""
    target: Any = None

    def make(factory: str, arguments: tuple[Any, ...]) -> None:
        nonlocal target
        module, _, name = factory.partition(":")
        target = getattr(importlib.import_module(module), name)(*arguments, *files)

    while True:
        try:
            message = receive_blocking(theirs)
            if message is None:
                return
            number, method, arguments = pickle.loads(message)
            function = make if method == MAKE else getattr(target, method)
            theirs.sendall(framed(_answer(number, function, arguments)))
        except OSError:  # the coordinator is gone, or the variant closed what is not its own
            return


def _answer(number: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """The call's outcome as JSON {call, kind, value}."""
    try:
        value = json.dumps({"call": number, "kind": "value", "value": function(*arguments)}, default=_plain)
    except BaseException as error:  # whatever a variant raises costs that variant its record
        value = _failure(number, error)
    _flush()
    return value.encode()


def _failure(number: int, error: BaseException) -> str:
    with contextlib.suppress(Exception):  # of a variant's own subclass nothing need be as it should
        known = sent(error) if isinstance(error, Exception) else None
        if known is not None:
            return json.dumps({"call": number, "kind": known[0], "value": known[1]})
    return json.dumps({"call": number, "kind": CRASH, "value": (_told(error),)})


def _told(error: BaseException) -> str:
    """Its type, its first words, and the line that raised it."""
    words = first_words(error)
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{name if words == name else f'{name}: {words}'}{place}"


def _plain(value: Any) -> Any:
    """What JSON has no form for: dataclasses, and numpy's numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not travel to the coordinator")


def _flush() -> None:
    """What was printed is on its way before the answer is: a process that is killed later loses none of it."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
