"""The ceilings of this machine, measured once per session of tests, and over arrays that a large cache holds: gigabytes
take most of a small sweep's time, and what is tested of a sweep is seldom their values. Their measuring has tests of
its own (tests/measure, tests/kernels)."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench.execute.this_machine import gpu_name
from workbench.execute.worker import Worker
from workbench.measure.ceilings import Measured

COMMAND = (sys.executable, str(Path(__file__).with_name("command.py")))
"""`workbench`, with the ceilings that the session has measured."""
BRIEFLY = """
import sys
from pydantic import TypeAdapter
from workbench.measure import ceilings_cpu
from workbench.measure.ceilings import Measured
ceilings_cpu.array_bytes = lambda cache, free: 1 << 26
sys.stdout.buffer.write(TypeAdapter(Measured).dump_json(ceilings_cpu.measure_cpu_ceilings(0.1)))
"""
TRIES = 5
FOLDER = "CEILINGS_OF_THIS_SESSION"
"""The variable that tells every process of a session of tests where they are kept."""


def measured_briefly() -> bytes:
    """As JSON, by a process that a test which kills those of a sweep may hit: it is started anew then."""
    for _ in range(TRIES):
        done = subprocess.run([sys.executable, "-c", BRIEFLY], stdout=subprocess.PIPE, check=False)
        if done.returncode >= 0:
            break
    done.check_returncode()
    return done.stdout


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
                if gpu_name() is None:
                    measured = measured_briefly()
                else:  # it may be the GPU's that are asked for
                    measured = adapter.dump_json(call(worker, method, *arguments, timeout_s=timeout_s, returns=returns))
                half = known.with_name("half")  # whoever is killed as it writes leaves nothing broken
                half.write_bytes(measured)
                half.replace(known)
        return adapter.validate_json(known.read_bytes())

    Worker.call = remembered
