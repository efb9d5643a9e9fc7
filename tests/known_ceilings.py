"""The ceilings of this machine, measured once per session of tests: they take most of a small sweep's time, and what is
tested of a sweep is seldom their values. Their measuring has tests of its own (tests/measure, tests/kernels)."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench.execute.worker import Worker
from workbench.measure.ceilings import Measured

COMMAND = (sys.executable, str(Path(__file__).with_name("command.py")))
"""`workbench`, with the ceilings that the session has measured."""
FOLDER = "CEILINGS_OF_THIS_SESSION"
"""The variable that tells every process of a session of tests where they are kept."""


def remember_ceilings() -> None:
    """From now on workers of this process measure ceilings at most once per session of tests."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="ceilings-of-tests-")
        atexit.register(shutil.rmtree, os.environ[FOLDER], True)
    call = Worker.call

    def remembered(worker: Worker, method: str, *arguments: Any, timeout_s: float, returns: Any = Any) -> Any:
        if returns is not Measured:
            return call(worker, method, *arguments, timeout_s=timeout_s, returns=returns)
        known, adapter = Path(os.environ[FOLDER]) / "measured.json", TypeAdapter(Measured)
        with known.with_name("lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not known.exists():
                found = call(worker, method, *arguments, timeout_s=timeout_s, returns=returns)
                half = known.with_name("half")  # whoever is killed as it writes leaves nothing broken
                half.write_bytes(adapter.dump_json(found))
                half.replace(known)
        return adapter.validate_json(known.read_bytes())

    Worker.call = remembered
