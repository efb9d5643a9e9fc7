"""Machines that are processes here, in a Ray cluster of their own; and holders that tell a recorded run again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.sweep.test_replay import record
from workbench.cluster.connect import HEALTH, STORE_BYTES, connected
from workbench.cluster.holder import Holder
from workbench.cluster.runner import ClusterRunner
from workbench.measure.ceilings import Measured
from workbench.store.record import Record
from workbench.store.run_folder import RunFolder, open_run
from workbench.sweep.events import Event
from workbench.sweep.jobs import CaseJob
from workbench.sweep.replay import Replay
from workbench.sweep.selection import Selection

FAULTY = Path(__file__).parents[1] / "sweep" / "faulty"


class Machines:
    """A cluster whose head times nothing."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES, "_system_config": HEALTH}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self.cluster.address
        self.nodes: dict[str, Any] = {}
        self._silent: list[Any] = []

    def add(self, name: str, kind: str = "fake", **more: Any) -> None:
        self.nodes[name] = self.cluster.add_node(
            num_cpus=1, object_store_memory=STORE_BYTES, resources={"machine": 1},
            labels={"name": name, "kind": kind}, **more,
        )  # fmt: skip

    def lose(self, name: str, silently: bool = False) -> None:
        """Without a farewell. `silently`: nothing on it ends and no connection is closed, as where a network is cut: it
        answers nobody any more."""
        node = self.nodes.pop(name)
        if silently:
            raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
            for process in (raylet, *raylet.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            self._silent.append(node)
        else:
            self.cluster.remove_node(node, allow_graceful=False)

    def bury(self) -> None:
        """Ends what was lost silently."""
        while self._silent:
            self.cluster.remove_node(self._silent.pop(), allow_graceful=False)

    def mend(self) -> int:
        """Starts anew what is there and was taken for dead, as on one busy machine that is all of them: how many."""
        with connected(self.address):
            import ray

            alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        dead = [name for name, node in self.nodes.items() if node.node_id not in alive]
        for name in dead:
            self.lose(name)
            self.add(name)
        return len(dead)

    def close(self) -> None:
        self.bury()
        self.cluster.shutdown()


def selection(sizes: tuple[int, ...], variants: tuple[str, ...] = ("plain", "torch", "tuned")) -> Selection:
    return Selection(
        kernels=str(FAULTY), variants=variants, preset="small", axes=(("n", sizes),), devices=("cpu",), seed=3,
        seed_order=4,
    )  # fmt: skip


def recorded_run(cases: int, profiles: Path) -> RunFolder:
    return record(selection(tuple(range(3000, 3000 + cases))), profiles)


def retelling(recorded: Path, seconds: float, stuck: Path | None = None) -> type[Holder]:
    """Holders whose cases last `seconds`, in which they sleep, and give what was recorded. `stuck`: a file; one of the
    holders writes there which machine it is on, and comes no further than half of a case."""

    class Retelling(Holder):
        def __init__(self, own_kernels: bool) -> None:
            super().__init__(own_kernels)
            self._replay = Replay(open_run(recorded))

        def case(self, job: CaseJob) -> Iterator[Any]:
            yield from self._told(f"{job.case} on {job.device}", lambda tell: self._retell(job, tell))

        def _retell(self, job: CaseJob, tell: Any) -> None:
            begun = [
                dataclasses.replace(one, begun=one.begun and dataclasses.replace(one.begun, machine=""))
                for one in job.variants
            ]
            events: list[Event] = []
            self._replay.time([dataclasses.replace(job, variants=tuple(begun))], lambda _, event: events.append(event))
            began = time.monotonic()
            for place, event in enumerate(events):
                tell(event)
                if stuck is not None and place == len(events) // 2:
                    _be_stuck(stuck)
                time.sleep(max(0.0, began + seconds * (place + 1) / len(events) - time.monotonic()))

        def ceilings(self, device: str, seconds: float, timeout_s: float) -> Iterator[Any]:
            yield CEILINGS

    return Retelling


def _be_stuck(file: Path) -> None:
    import ray

    with contextlib.suppress(FileExistsError), file.open("x") as created:
        created.write(ray.get_runtime_context().get_node_id() + "\n")
        created.flush()
        time.sleep(600.0)


CEILINGS = Measured({"copy_bytes_per_s": 2e10})
"""Measuring what a machine gives takes longer than all the rest of a small sweep."""


class Real(Holder):
    """Times what there is."""

    def ceilings(self, device: str, seconds: float, timeout_s: float) -> Iterator[Any]:
        yield CEILINGS


@contextlib.contextmanager
def runner_on(
    address: str, holder: type[Any], on: tuple[str, ...] = (), folder: RunFolder | None = None
) -> Iterator[ClusterRunner]:
    known = folder.run.machines if folder is not None else []
    with connected(address, FAULTY), ClusterRunner(FAULTY, ("cpu",), on, known, holder) as runner:
        yield runner


def by_key(folder: RunFolder) -> dict[str, Record]:
    """Each once, less where and at which attempt it was made."""
    records = folder.records()
    found = {record.key: record.model_copy(update={"machine": "cpu", "attempt": 1}) for record in records}
    assert len(found) == len(records), "one of each"
    return found
