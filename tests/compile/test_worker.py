"""Processes that compile: an interrupt of the group passes them by, and one that ends costs its own unit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from workbench.compile import worker as module
from workbench.compile.worker import Worker

SOURCE = 'extern "C" __global__ void twice(float *x) { x[threadIdx.x] *= 2; }'


def compile_with(worker: Worker, target: Path) -> str | None:
    made = worker.compile("twice.cu", SOURCE, ("--gpu-architecture=sm_90",), (), "", target)
    return None if made.code is not None else made.log


def test_an_interrupt_passes_it_by(tmp_path: Path) -> None:
    worker = Worker()
    assert compile_with(worker, tmp_path / "first.cubin") is None
    os.kill(worker._process.pid, signal.SIGINT)
    assert compile_with(worker, tmp_path / "second.cubin") is None
    assert (tmp_path / "second.cubin").read_bytes() == (tmp_path / "first.cubin").read_bytes()
    worker.close()


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("import sys; sys.stdin.readline()", "ended with status 0"),
        ("import sys; sys.stdin.readline(); print('{\"ok\": tr'); sys.exit(4)", "ended with status 4"),
        ("import sys, os; sys.stdin.readline(); os.write(1, bytes([255, 10])); os.kill(os.getpid(), 9)", "status -9"),
    ],
    ids=["nothing", "half an answer", "no text"],
)
def test_one_that_ends_costs_its_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: str, reason: str) -> None:
    monkeypatch.setattr(module, "START", start)
    worker = Worker()
    log = compile_with(worker, tmp_path / "x.cubin")
    assert log is not None and log.startswith("twice.cu: the compiler itself ended") and reason in log
    assert not worker.alive
    worker.close()


def test_it_ends_in_silence_when_nobody_reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    worker = Worker()
    assert worker._process.stdin is not None and worker._process.stdout is not None
    request = {"name": "x", "text": "", "options": ["--gpu-architecture=sm_90"], "include": [], "instance": ""}
    worker._process.stdin.write(json.dumps(request | {"target": str(tmp_path / "x")}) + "\n")
    worker._process.stdout.close()
    worker.close()
    assert capfd.readouterr().err == ""
