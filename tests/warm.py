"""`workbench …` as a copy of a process that has imported everything: a start takes milliseconds and no seconds.

    run("sweep", "--preset", "small", folder=tmp_path)

A process of its own is kept for that and copied for each command: it has imported torch and computed nothing, so that
its copies may. The server of a command's workers is a copy too. What a test ends by signals, looks for among processes
or starts in another environment is started anew (tests/known_ceilings.py has the command).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
MOST_REQUEST = 1 << 17
COMMON = (
    "kernel_variants.modules", "workbench.cli.ladder_table", "workbench.execute.preload", "workbench.execute.server",
    "workbench.show.report", "workbench.sweep.session", "workbench.views.query",
)  # fmt: skip
"""What takes long to import and many commands do."""
SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
"""What a Python process begins with."""


def run(
    *arguments: str, folder: Path, timeout_s: float = 300.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in `folder`, in the environment that this process has now and what is added to it: its status, its
    output and its errors. What Python and the C library read as they start comes too late."""
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        request = {"arguments": arguments, "folder": str(folder), "environment": {**os.environ, **environment}}
        with theirs:
            files = [theirs.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(_kept(), [json.dumps(request).encode()], files)
        ours.settimeout(timeout_s)
        status = ours.recv(16)
        texts = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    assert status, f"the process that commands are copied from has ended: {texts}"
    return subprocess.CompletedProcess(arguments, int(status), *texts)


@functools.cache
def _kept() -> socket.socket:
    """The end of a process that takes requests; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(theirs.fileno())], cwd=ROOT, pass_fds=(theirs.fileno(),)
        )
    return ours


def _serve(requests: socket.socket) -> NoReturn:
    from tests.known_ceilings import remember_ceilings
    from workbench.catalog import load_catalog
    from workbench.cli import make_app

    for module in COMMON:
        importlib.import_module(module)
    make_app()
    load_catalog()
    remember_ceilings()
    # Copies look through their own garbage, and leave the pages that they share as they are.
    gc.collect()
    gc.freeze()
    atexit._clear()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        packet, files, _, _ = socket.recv_fds(requests, MOST_REQUEST, 3)
        if not packet:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            _watch(json.loads(packet), *files)
        for file in files:
            os.close(file)


def _watch(request: dict[str, Any], answer: int, out: int, err: int) -> NoReturn:
    """Does a request in a copy and sends its status; ends it where nobody waits for it any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    command = os.fork()
    if command == 0:
        os.close(answer)
        _command(request, out, err)
    ready = select.select([answer, pidfd := os.pidfd_open(command)], [], [])[0]
    if pidfd not in ready:
        os.kill(command, signal.SIGKILL)
    _, status = os.waitpid(command, 0)
    with contextlib.suppress(OSError):
        os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _command(request: dict[str, Any], out: int, err: int) -> NoReturn:
    from workbench.cli import main
    from workbench.execute import server_of_workers

    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.argv = ["workbench", *request["arguments"]]
    # No module, but all of it that the server of workers is started with.
    server_of_workers.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=Copy, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
    )
    _end_with(main, out, err)


def _end_with(function: Callable[[], object], out: int, err: int) -> NoReturn:
    """Does it with these files as its output and its errors, and ends as a process of Python does."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, out, err)):
        os.dup2(file, place)
    # Open until the process ends, as those of Python itself are.
    sys.stdout, sys.stderr = (open(place, "w", buffering=1, closefd=False) for place in (1, 2))  # noqa: SIM115
    status: object = 0
    try:
        function()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


class Copy:
    """As subprocess.Popen of a server of workers, of which this process is copied."""

    def __init__(self, command: list[str], *, stdout: int, stderr: int, env: dict[str, str], **_: Any) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            served = int(command[3])
            os.environ.update(env)
            for number, handler in SIGNALS.items():
                signal.signal(number, handler)
            for file in {int(file.name) for file in Path("/proc/self/fd").iterdir()} - {
                0,
                1,
                2,
                served,
                stdout,
                stderr,
            }:
                with contextlib.suppress(OSError):
                    os.close(file)
            atexit._clear()
            from workbench.execute.server import main

            _end_with(lambda: main(served), stdout, stderr)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.poll() is None and not select.select([os.pidfd_open(self.pid)], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a copy", timeout)
        return self.poll() or 0

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
