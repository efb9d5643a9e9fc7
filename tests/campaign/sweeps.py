"""A small sweep as a process group of its own, started in milliseconds: the same stages and the same processes as any.

It is forked from this process, which has imported what a coordinator needs, and it does without torch, whose import
takes longer than all the rest. Its patience is a hundredth of the preset's.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.known_ceilings import FOLDER, remember_ceilings
from workbench.cli import main
from workbench.measure.stopping import StopRule
from workbench.sweep.presets import PRESETS, Budget

ROOT = Path(__file__).parents[2]
VARIANTS = "plain,tuned,wrong"
SIZES = (3000, 4000, 5000)
RECORDS = 3 * len(SIZES)
NEW = (
    "--kernels", str(ROOT / "tests" / "sweep" / "faulty"), "--variants", VARIANTS, "--preset", "small",
    "--n", ",".join(map(str, SIZES)), "--device", "cpu", "--timeout", "30",
)  # fmt: skip
BRIEF = Budget(StopRule(min_samples=3, min_seconds=0.002, cap_seconds=0.01), 0.001, 0.005, 0.001, 0.02, thorough=False)
PRELOADED = (
    "pyarrow.parquet", "workbench.cli.import_", "workbench.cli.ladder_table", "workbench.cli.progress",
    "workbench.profile.import_report", "workbench.store.table", "workbench.sweep.session", "workbench.sweep.start",
)  # fmt: skip
LONGEST_S = 240.0
"""What takes longer hangs."""


@dataclass
class Started:
    """A command in a session of its own."""

    pid: int
    errors: Path
    status: int | None = None

    def signal(self, number: int, group: bool = False) -> bool:
        """Whether it was still there to get it."""
        if self.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number) if group else os.kill(self.pid, number)
        return True

    def poll(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self) -> int | None:
        """Its exit status, and None where it hangs, which ends it."""
        deadline = time.monotonic() + LONGEST_S
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL, group=True)
                return None
            time.sleep(0.01)
        return self.status

    def said(self) -> str:
        return self.errors.read_text(errors="replace")


def start(arguments: Iterable[str], folder: Path) -> Started:
    """`workbench` with these arguments; temporary files go to `folder`/tmp, what it says on stderr beside."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "without").mkdir(exist_ok=True)
    (folder / "without" / "torch.py").write_text("raise ImportError('left out')\n")
    errors = folder / f"stderr-{time.monotonic_ns()}"
    errors.touch()
    for name in PRELOADED:
        importlib.import_module(name)
    pid = os.fork()
    if not pid:
        _be_the_command(list(arguments), folder, errors)
    return Started(pid, errors)


def _be_the_command(arguments: list[str], folder: Path, errors: Path) -> None:
    """The forked process; it never comes back."""
    status = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(ROOT)
        os.environ["TMPDIR"] = str(folder / "tmp")
        sys.path.insert(0, str(folder / "without"))
        sys.modules["torch"] = None  # type: ignore[assignment]
        PRESETS["small"] = BRIEF
        if FOLDER in os.environ:  # among other tests: most of a sweep's time, which the campaign itself lets it take
            remember_ceilings()
        sys.argv = ["workbench", *arguments]
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)


def alive_in(group: int) -> list[int]:
    """Living processes of the session that a command has started."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            state, _, _, session = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:4]
            if int(session) == group and state != b"Z":
                found.append(int(entry.name))
    return found
