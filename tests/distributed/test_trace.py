"""Traces of anybody's torch.profiler: bubbles, clocks, one trace for Perfetto, uploads, and files that are none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.traced import ALPHA_S, BETA_S, recorded, traced
from workbench.distributed import links
from workbench.distributed.perfetto import together
from workbench.distributed.timeline import arrivals, carries, shares
from workbench.distributed.trace import aligned, read, traces
from workbench.distributed.upload import store_traces
from workbench.durable import PART
from workbench.problem import Problem


def event(name: str, begin: float, end: float, kind: str = "user_annotation", **more: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": kind, "name": name, "ts": begin * 1e6, "dur": (end - begin) * 1e6, "pid": 7, **more}


def write(folder: Path, rank: int, *events: dict[str, Any], **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"trace-{rank}.json"
    file.write_text(json.dumps({"distributedInfo": {"rank": rank}, "traceEvents": events, **more}))
    return file


def test_the_bubble_is_a_stages_time_without_a_part(tmp_path: Path) -> None:
    write(
        tmp_path, 0, event("pipeline:step", 0, 8), event("pipeline:part", 1, 3), event("pipeline:part", 4, 8),
        event("aten::mm", 1, 3, "cpu_op"), event("aten::add_", 3.2, 3.6, "cpu_op"),
        event("gloo:recv", 0.5, 1.5), event("gloo:send", 3, 5), event("optimizer", 8, 10),
    )  # fmt: skip
    found = shares(traces(tmp_path), (2, 4)).iloc[0]
    assert found["computing"] == pytest.approx(0.24)
    assert found["bubble"] == pytest.approx(0.16) and found["bubble_of_steps"] == pytest.approx(0.2)
    assert found["bubble_modelled"] == pytest.approx(0.2)
    assert found["exposed"] == pytest.approx(0.1), "communication in the bubble is the bubble's"
    assert found["host_share"] == pytest.approx(0.5)
    assert found["overlap"] == pytest.approx(0.9 / 3)


def test_kernels_of_a_gpu_and_collectives_of_nccl(tmp_path: Path) -> None:
    write(
        tmp_path, 0, event("aten::mm", 0, 9, "cpu_op"), event("gemm", 1, 5, "kernel", pid=0),
        event("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevComm*)", 3, 9, "kernel", pid=0),
        event("ncclDevKernel_SendRecv(ncclDevComm*)", 9, 10, "kernel", pid=0),
        event("nccl:all_reduce", 0, 2), event("nccl:all_reduce", 2.5, 9, "gpu_user_annotation", pid=0),
    )  # fmt: skip
    (trace,) = traces(tmp_path)
    found = shares([trace]).iloc[0]
    assert found["computing"] == pytest.approx(0.4) and found["exposed"] == pytest.approx(0.5)
    assert found["overlap"] == pytest.approx(2 / 7)
    assert [call.begin_s for call in trace.collectives] == [3.0], "when it runs, not when the host asks for it"
    write(tmp_path, 0, event("aten::mm", 0, 2, "cpu_op"), event("nccl:all_reduce", 2, 3))
    (trace,) = traces(tmp_path)
    assert [call.begin_s for call in trace.collectives] == [2.0], "of a trace without kernels that is all there is"


def test_an_operator_that_waits_for_its_input_does_not_compute_meanwhile(tmp_path: Path) -> None:
    """What DTensor gives before it is there is waited for inside of the operator that needs it."""
    write(
        tmp_path, 0, event("gloo:all_reduce", 0, 6, tid=2), event("aten::add", 1, 8, "cpu_op", tid=1),
        event("_c10d_functional::wait_tensor", 2, 6, "cpu_op", tid=1), event("aten::mm", 3, 4, "cpu_op", tid=3),
        event("c10d::allreduce_", 8, 10, "cpu_op", tid=1),
    )  # fmt: skip
    found = shares(traces(tmp_path)).iloc[0]
    assert found["computing"] == pytest.approx(0.4), "before and after the wait, and on another thread"
    assert found["exposed"] == pytest.approx(0.4) and found["overlap"] == pytest.approx(2 / 6)


def test_states_passed_in_steps_stand_beside_their_model(tmp_path: Path) -> None:
    recorded(tmp_path / "t")
    for rank, late in ((0, 0.0), (1, 0.5)):
        spans = [event("carry:gather 4096", begin + late, begin + 1.0) for begin in (1, 3, 5)]
        write(tmp_path / "t", rank, *spans)
    found = carries(traces(tmp_path / "t"), links.read(tmp_path / "t"))
    row = found[found["taken_in"] == "3 in steps"].iloc[0]
    assert (row["carry"], row["state_bytes"]) == ("gather", 4096)
    assert row["carry_s"] == pytest.approx(0.5), "who came first did not pass anything before the other came"
    assert row["carry_modelled_s"] == pytest.approx(ALPHA_S + 8192 * BETA_S)
    assert found["taken_in"].tolist()[:4] == ["links alone"] * 4


def test_clocks_that_differ_are_set_right_by_the_ends_of_collectives(tmp_path: Path) -> None:
    """The second machine's clock is 1000 s behind: its collectives seem to end before the first rank came."""
    for rank, clock in ((0, 0.0), (1, -1000.0)):
        calls = [event("gloo:all_reduce", clock + t + 0.1 * rank, clock + t + 0.5) for t in (2000, 2001, 2002)]
        write(tmp_path, rank, *calls)
    ranks, later = aligned(traces(tmp_path))
    assert later == {0: 0.0, 1: pytest.approx(1000.0)}
    assert arrivals(ranks)["last"].tolist() == [0, 3] and arrivals(ranks)["late_s"][1] == pytest.approx(0.1)
    made = json.loads(gzip.decompress(together(tmp_path)))
    begins = sorted(e["ts"] for e in made["traceEvents"] if e["ph"] == "X")
    assert begins == pytest.approx([0, 1e5, 1e6, 1.1e6, 2e6, 2.1e6])
    traced(tmp_path / "one-machine")
    assert aligned(traces(tmp_path / "one-machine"))[1] == {}


def test_one_trace_of_all_ranks_opens_in_perfetto(tmp_path: Path) -> None:
    write(tmp_path, 0, event("aten::mm", 1, 2, "cpu_op"), event("gemm", 1, 2, "kernel", pid=3))
    write(tmp_path, 5, event("aten::mm", 1, 3, "cpu_op", args={"odd": float("nan")}), baseTimeNanoseconds=2e9)
    made = json.loads(gzip.decompress(together(tmp_path)), parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))
    names = {e["pid"]: e["args"]["name"] for e in made["traceEvents"] if e["name"] == "process_name"}
    spans = [(names[e["pid"]], e["ts"], e["dur"]) for e in made["traceEvents"] if e["ph"] == "X"]
    assert spans == [("rank 0", 0, 1e6), ("rank 0, device 3", 0, 1e6), ("rank 5", 2e6, 2e6)]


NONE = [
    b"", b"{", b"[]", b"3", b"\x00\xff\xfe", b"{}", b'{"traceEvents": 3}', b'{"traceEvents": [3]}',
    b'{"traceEvents": [{"ph": "X", "ts": "soon", "dur": 1}]}', b'{"traceEvents": [{"ph": "X", "ts": NaN, "dur": 1}]}',
    b'{"traceEvents": [{"ph": "X", "ts": 1, "dur": Infinity}]}', b'{"traceEvents": [{"ph": "X", "dur": 1}]}',
    b'{"traceEvents": [], "distributedInfo": {"rank": -1}}', b'{"traceEvents": [], "distributedInfo": [1]}',
    b'{"traceEvents": [], "distributedInfo": {"rank": 1e99}}', b'{"traceEvents": [], "baseTimeNanoseconds": {}}',
    b"[" * 100_000, gzip.compress(b"{}", mtime=0), gzip.compress(b"[]" * 99, mtime=0)[:-9],
]  # fmt: skip


@pytest.mark.parametrize("content", NONE, ids=lambda content: repr(content[:50]))
def test_a_file_that_is_no_trace_is_one_line(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Problem) as end:
        store_traces([("mine.json", content)], tmp_path, "traces")
    assert str(end.value).startswith("mine.json: ") and "\n" not in str(end.value) and len(str(end.value)) < 400
    assert list(tmp_path.iterdir()) == [], "nothing is stored"


def good(rank: int) -> bytes:
    found = {"distributedInfo": {"rank": rank}, "traceEvents": [event("aten::mm", 0, 1, "cpu_op")]}
    return json.dumps(found).encode()


def test_traces_that_somebody_made_are_stored_and_read(tmp_path: Path) -> None:
    plain = json.dumps({"traceEvents": [event("aten::mm", 0, 1, "cpu_op")]}).encode()
    folder = store_traces(
        [("host_1.pt.trace.json", good(1)), ("b.json.gz", gzip.compress(good(0))), ("rank7.json", plain)],
        tmp_path, "../my traces",
    )  # fmt: skip
    assert folder == tmp_path / "my-traces"
    assert [trace.rank for trace in traces(folder)] == [0, 1, 7]
    assert not list(tmp_path.glob(f"{PART}*"))


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (lambda: [("a.json", good(1)), ("b.json", good(1))], "b.json: of rank 1, as a.json is"),
        (lambda: [("rank1.json", good(1)), ("x/rank1.json", good(2))], "x/rank1.json: of the rank that rank1.json is"),
        (lambda: [("a.json", b'{"traceEvents": []}')], "a.json: no event with a duration"),
        (lambda: [("a.json", good(0)), ("b.json", b"{")], "b.json: corrupt, not a Chrome trace"),
    ],
)
def test_traces_that_do_not_belong_together_are_one_line(
    files: Callable[[], list[tuple[str, bytes]]], line: str, tmp_path: Path
) -> None:
    with pytest.raises(Problem) as end:
        store_traces(files(), tmp_path, "traces")
    assert str(end.value).startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_one_line(tmp_path: Path) -> None:
    store_traces([("a.json", good(0))], tmp_path, "traces")
    with pytest.raises(Problem, match="traces is there already: choose another name"):
        store_traces([("a.json", good(0))], tmp_path, "traces")
    assert read(tmp_path / "traces" / "trace-0.json").rank == 0
