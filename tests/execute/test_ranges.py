"""Ranges: which kind for which pass, names that ncu takes, and nothing at all where nobody listens."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.execute import ranges
from workbench.problem import Problem

KEY = "scan.serial.b4-t4096-h1024.float32.normal.forward.cuda"


class Recorder:
    """A domain that notes what was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def get_event_attributes(self, message: str) -> str:
        return message

    def push_range(self, attributes: str) -> None:
        self.calls.append(("push", attributes))

    def pop_range(self) -> None:
        self.calls.append(("pop", None))

    def start_range(self, attributes: str) -> int:
        self.calls.append(("start", attributes))
        return 7

    def end_range(self, token: int) -> None:
        self.calls.append(("end", token))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(ranges, "_domain", lambda: recorder)
    monkeypatch.setattr(ranges, "marked", ranges.marked.__wrapped__)  # type: ignore[attr-defined]
    return recorder


def test_a_forward_pass_is_pushed_and_popped(recorder: Recorder) -> None:
    with ranges.marked(KEY):
        pass
    assert recorder.calls == [("push", KEY), ("pop", None)]


def test_a_backward_pass_is_started_and_ended(recorder: Recorder) -> None:
    with ranges.marked(KEY, "backward"):
        pass
    assert recorder.calls == [("start", KEY), ("end", 7)]


def test_a_range_closes_when_the_work_fails(recorder: Recorder) -> None:
    with pytest.raises(ZeroDivisionError), ranges.marked(KEY):
        _ = 1 / 0
    assert recorder.calls[-1] == ("pop", None)


def test_nothing_happens_where_nobody_listens() -> None:
    assert ranges.marked(KEY) is ranges.QUIET
    with ranges.marked(KEY):
        pass


@pytest.mark.parametrize("key", ["scan/serial", "Scan.serial", "a@b", "a,b", "", "a b", "a[0]", "é"])
def test_names_that_ncu_would_read_otherwise(key: str) -> None:
    with pytest.raises(Problem, match="a range's name has only"):
        ranges.range_name(key)


def test_the_real_domain_takes_what_is_called() -> None:
    """The nvtx package's own class has these methods: a stand-in must not hide that one was renamed."""
    nvtx = pytest.importorskip("nvtx")
    for method in ("get_event_attributes", "push_range", "pop_range", "start_range", "end_range"):
        assert callable(getattr(nvtx.Domain, method))
