"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import settings

from tests.chosen import chosen_files
from tests.known_ceilings import remember_ceilings

# A busy machine is no fault of what is tested: no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables are as wide as in a pipe, whatever terminal the tests were started from; a test may set the width itself.
os.environ.pop("COLUMNS", None)

# Tests run beside each other, each with a thread per core: who waits for the others must not keep a core busy with it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

remember_ceilings()

# What a shell starts in the background ignores interruptions, and what nohup starts hangups; so would every command
# that a test ends by them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    chosen_files.update(item.nodeid.partition("::")[0] for item in items)
    # One process begins with all that looks at pages: each other one would start a dashboard and a browser of its own.
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


def pytest_collection() -> None:
    """Five thousand tests and what they import stay to the end: they are not searched for garbage, now or later. And a
    kernel that is read leaves a hundred thousand objects: what is new is searched more seldom."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
