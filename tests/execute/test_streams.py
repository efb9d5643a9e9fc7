"""Branches on streams of a GPU, with streams that only write down what they are asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from workbench.execute import on_cuda


class Stream:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self._log = name, log

    def wait_stream(self, other: Stream) -> None:
        self._log.append(f"{self.name} waits for {other.name}")


def test_branches_have_streams_that_wait_for_the_evaluation_and_it_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    current = [Stream("main", log)]
    names = iter(("first", "second"))

    @contextlib.contextmanager
    def on(stream: Stream) -> Iterator[None]:
        current.append(stream)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream(next(names), log))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(on_cuda, "current_arch", lambda: "sm_90")
    monkeypatch.setattr(on_cuda, "torch_stream", lambda: current[-1])
    monkeypatch.setattr("cuda.core.Device", lambda number: type("Device", (), {"set_current": lambda self: None})())
    target = on_cuda.CudaTarget()

    def no_source(source: Any) -> Any:
        raise AssertionError(source)

    place = target.place(target.buffers(), no_source)
    branches = [lambda n=n: log.append(f"{n} on {target.stream.name}") for n in range(3)]
    run = place.together(branches)
    place.together(branches[:2])()
    assert log == ["first waits for main", "0 on main", "1 on first", "main waits for first"]
    log.clear()
    run()
    assert log == [
        "first waits for main", "second waits for main", "0 on main", "1 on first", "2 on second",
        "main waits for first", "main waits for second",
    ]  # fmt: skip
    assert target.stream.name == "main"
