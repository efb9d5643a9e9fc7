"""A sweep over variants that fail in every way: each costs its own record, and a cut-off run can be continued."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.known_ceilings import COMMAND
from workbench.catalog import load_catalog
from workbench.execute import server_of_workers
from workbench.store.record import Record, Status
from workbench.store.run_folder import RunFolder, open_run
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run

FAULTY = Path(__file__).parent / "faulty"


def selection(**fields: Any) -> Selection:
    base = {"kernels": str(FAULTY), "axes": (("n", (30_001,)),), "devices": ("cpu",), "preset": "small"}
    return Selection(**{**base, "timeout_s": 20.0, **fields})


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, dict[str, Record]]]:
    profiles = tmp_path_factory.mktemp("profiles")
    folder = start_run(selection(timeout_s=4.0), profiles, "all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OF_THIS_SWEEP", str(profiles))
        patch.setattr(server_of_workers, "_server", None)  # one that has the variable
        continue_run(folder, Silent())
        left = holding("OF_THIS_SWEEP", str(profiles))
        assert server_of_workers._server is not None
        assert left - {server_of_workers._server._process.pid} == set(), "processes of variants that outlive the sweep"
    yield folder, {r.variant: r for r in open_run(folder.path).records()}


def holding(name: str, value: str) -> set[int]:
    """Living processes that were started, however indirectly, with this variable."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            if state != b"Z" and f"{name}={value}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found


def test_right_variants_have_times_that_hang_together(swept: tuple[RunFolder, dict[str, Record]]) -> None:
    folder, records = swept
    for name in ("plain", "torch", "tuned", "prints", "leaves_children", "stops_its_server"):
        record = records[name]
        assert record.status is Status.OK and record.time is not None
        assert record.time.minimum_s <= record.time.median_s and record.time.low_s <= record.time.median_s
        assert record.time.count == len(record.samples_s) >= 3
        assert record.declared.bytes == 2 * 4 * 30_001 and record.machine == "cpu"
    assert len(records) == len(load_catalog(FAULTY).variants["double"])
    assert records["tuned"].settings["block"] in (1, 2, 4)
    machine = folder.run.machine("cpu")
    assert machine.noise_floor is not None and machine.noise_floor >= 0  # 0 where two medians tie
    assert machine.ceilings["copy_bytes_per_s"] > 1e8 and machine.host and machine.arch


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("wrong", Status.INCORRECT, "relative L2 error 0.5"),
        ("forgets", Status.INCORRECT, "1 of 30001 values are not finite, first at [30000]"),
        ("strays", Status.INCORRECT, "wrote outside y: 1 bytes behind its last element"),
        ("crashes", Status.CRASHED, "SIGSEGV"),
        ("raises", Status.CRASHED, "RuntimeError: no such luck (variants.py:"),
        ("hangs", Status.TIMEOUT, "no answer within 4 s"),
        ("broken", Status.COMPILE_ERROR, "broken.cpp:1"),
        ("refuses", Status.UNSUPPORTED, "only on Sundays"),
        ("lacks", Status.UNSUPPORTED, "pip install no-such-module"),
        ("half_a_message", Status.TIMEOUT, "no answer within 4 s"),
        ("half_a_message_and_stop", Status.TIMEOUT, "no answer within 4 s"),
        ("garbage", Status.CRASHED, "sent what is no answer"),
        ("forged_pickle", Status.CRASHED, "sent what is no answer"),
        ("forged_answer", Status.CRASHED, "an answer to no call"),
        ("closes_descriptors", Status.CRASHED, "ended with exit status 0"),
        ("dies_speaking", Status.CRASHED, "ended with exit status 3; it printed last: the last words\\x1b[31m"),
        ("leaves_children_and_dies", Status.CRASHED, "killed by SIGSEGV"),
        ("raises_unspeakable", Status.CRASHED, "Unspeakable (variants.py:"),
        ("exits", Status.CRASHED, "SystemExit: 7 (variants.py:"),
        ("changes_its_input", Status.INCORRECT, "changed its input x"),
        ("rounds_up", Status.INCORRECT, "the processor rounds upward"),
        ("wrong_shape", Status.INCORRECT, "y: shape (1, 30001) of float32 instead of (30001,) of float32"),
        ("kernel", Status.OK, None),
        ("kernel_wrong", Status.INCORRECT, "kernel_wrong.cu line "),
        ("kernel_broken", Status.COMPILE_ERROR, "undeclared"),
    ],
)
def test_each_failure_costs_its_own_record(
    swept: tuple[RunFolder, dict[str, Record]], name: str, status: Status, reason: str | None
) -> None:
    record = swept[1][name]
    assert record.status is status, record.reason
    assert record.time is None and not record.samples_s
    if reason is not None:
        assert reason in (record.reason or "")


def test_simulated_kernels_say_what_they_compile_to(swept: tuple[RunFolder, dict[str, Record]]) -> None:
    record = swept[1]["kernel"]
    assert record.backend == "simulated" and record.error is not None and record.error.relative_l2 < 1e-6
    assert [fact.arch for fact in record.build] == ["sm_90", "sm_89"]
    for fact in record.build:
        assert fact.registers and fact.spill_bytes == 0 and fact.occupancy_theoretical == 1.0


def run_command(profiles: Path, *more: str) -> list[str]:
    return [
        *COMMAND, "sweep", "--kernels", str(FAULTY), "--profiles", str(profiles),
        "--variants", "plain,torch,tuned,wrong", "--n", "100001,400001", "--device", "cpu", "--preset", "small", *more,
    ]  # fmt: skip


@pytest.mark.parametrize("wait_s", [0.05, pytest.param(0.4, marks=pytest.mark.thorough)])
def test_a_killed_sweep_goes_on_and_repeats_nothing(tmp_path: Path, wait_s: float) -> None:
    """SIGKILL once the first samples are on disk; then --resume. What was on disk stays, sample for sample."""
    process = subprocess.Popen(run_command(tmp_path, "--name", "cut"), stdout=subprocess.DEVNULL, text=True)
    run = tmp_path / "cut"
    deadline = time.monotonic() + 60
    while not (run / "journal.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut = open_run(run)
    finished = {r.key: r for r in cut.records()}
    journal: dict[str, list[float]] = {}
    for entry in cut.journal_entries():
        journal.setdefault(entry["key"], []).extend(entry["samples_s"])
    assert journal, "the kill came before anything was measured"
    done = warm.run("sweep", "--profiles", str(tmp_path), "--resume", "cut", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    after = {r.key: r for r in open_run(run).records()}
    assert len(after) == 8
    for key, record in finished.items():
        assert after[key] == record
    for key, samples in journal.items():
        if key not in finished:
            assert after[key].samples_s[: len(samples)] == samples
    assert not (run / "journal.jsonl").exists()


def test_workers_die_with_their_coordinator(tmp_path: Path) -> None:
    """A coordinator killed outright leaves no process behind, not even one that hangs."""
    command = [
        sys.executable, "-m", "workbench", "check", "--kernels", str(FAULTY), "--variants", "hangs",
        "--timeout", "60",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    seen = 0
    while seen < 5 and time.monotonic() < deadline:  # a while, for compilers that come and go are no worker
        seen = seen + 1 if len(group_of(process.pid)) >= 3 else 0
        time.sleep(0.2)
    assert seen == 5, "coordinator, server and worker should be there by now"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while group_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group_of(process.pid)


def group_of(leader: int) -> list[int]:
    """Living processes of the session that `leader` started."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_a_finished_run_is_left_alone(swept: tuple[RunFolder, dict[str, Record]]) -> None:
    folder = open_run(swept[0].path)
    before = (folder.path / "records.parquet").read_bytes()
    continue_run(folder, Silent())
    assert (folder.path / "records.parquet").read_bytes() == before


def test_a_selection_survives_the_run_file() -> None:
    one = selection(variants=("plain",), dtypes=("float32",))
    assert Selection.from_dict(json.loads(json.dumps(one.as_dict()))) == one
