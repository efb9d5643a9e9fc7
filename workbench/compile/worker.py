"""A process that compiles CUDA sources, one after another, for a parent that wants several at once.

NVRTC lets one thread of a process compile at a time (twenty kernels took 1.95 s on one thread and 1.95 s on two),
so compiling in parallel takes processes; and a compiler that crashes then costs its own unit alone.

Each line on its standard input is a request in JSON {name, text, options, include, instance, target}; each line on its
standard output is the answer {ok, log}; the cubin is written to `target`, its PTX beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.compile.nvrtc import Compilation, compile_cuda
from workbench.problem import Problem


def serve() -> None:
    try:
        _answer_all()
    except BrokenPipeError:  # the parent is gone, and with it whoever could read an answer or a complaint
        os._exit(0)


def _answer_all() -> None:
    # Whatever a library prints must not land among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        target = Path(request.pop("target"))
        try:
            made = compile_cuda(**request)
        except Problem as problem:
            answers.write(json.dumps({"problem": str(problem)}) + "\n")
            continue
        if made.code is not None:
            target.write_bytes(made.code)
            target.with_suffix(".ptx").write_bytes(made.ptx)
        answers.write(json.dumps({"ok": made.code is not None, "log": made.log}) + "\n")


START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from workbench.compile.worker import serve; serve()"
)
"""Interrupts are passed over from the first line on: importing a compiler takes a while."""


class Worker:
    """The parent's end of one such process."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parent.parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def compile(
        self,
        name: str,
        text: str,
        options: Sequence[str],
        include: Sequence[str],
        instance: str,
        target: Path,
    ) -> Compilation:
        """As compile_cuda; the cubin is in `target`, its PTX beside it, and their bytes are left empty here."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {
            "name": name,
            "text": text,
            "options": list(options),
            "include": list(include),
            "instance": instance,
            "target": str(target),
        }
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):  # no answer, or half of one
            try:
                status = self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                status = self._process.wait()
            return Compilation(None, f"{name}: the compiler itself ended with status {status}")
        if "problem" in answer:
            raise Problem(answer["problem"])
        return Compilation(b"" if answer["ok"] else None, answer["log"])

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
