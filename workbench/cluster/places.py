"""The machines of a cluster that take part: each held by a holder, found when they come and missed when they go."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workbench.cluster.connect import labels_of, name_of
from workbench.cluster.holder import Greeting, Holder, versions_here
from workbench.declare import Device
from workbench.problem import Problem, unknown
from workbench.store.record import Machine
from workbench.sweep.progress import Progress, Silent

LOOK_S = 0.5
"""Between two looks at who is there."""
MOST_STARTS = 3
"""Of a holder on one machine that is there all the time: what ends it so often will end it again."""
FREE_S = 60.0
"""That machines may be busy with somebody else's work when a sweep begins."""


@dataclass
class Place:
    """A machine, or one GPU of it, and its holder."""

    node: str
    """Ray's id of the machine."""
    name: str
    """The label `name` that the machine was started with, else its host's."""
    labels: Mapping[str, str]
    share: Mapping[str, float]
    """What it holds of the machine: CPUs, GPUs, and of the resource `machine`."""
    parts: int
    """Holders on the machine: one, or one for each of its GPUs."""
    holder: Any
    greeted: Any
    """Ray's reference to the greeting, until it is there."""
    greeting: Greeting | None = None
    ids: dict[str, str] = field(default_factory=dict)
    """By device, the id of the machine in the run."""
    task: Any = None
    """What it does now."""

    def machine(self, device: str) -> Machine:
        """As the run's table has it."""
        assert self.greeting is not None
        return self.greeting.machines[device].model_copy(update={"id": self.ids[device], "host": self.host})

    @property
    def host(self) -> str:
        assert self.greeting is not None
        host = self.greeting.host
        return host if self.name == host else f"{self.name} ({host})"

    @property
    def is_ready(self) -> bool:
        return bool(self.ids)


class Places:
    """Those of a cluster. `on`: words for the kinds wanted; all where there is none."""

    def __init__(
        self, devices: tuple[str, ...], on: tuple[str, ...], own_kernels: bool, holder: type[Any] = Holder
    ) -> None:
        self.devices = devices
        self.progress: Progress = Silent()
        self._on = on
        self._own_kernels = own_kernels
        self._actor = ray.remote(holder)
        self._places: list[Place] = []
        self._starts: dict[str, int] = {}
        self._left_out: set[str] = set()
        """Machines that no holder is started on any more."""
        self._looked = 0.0
        self._token = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"

    @property
    def ready(self) -> list[Place]:
        return [place for place in self._places if place.is_ready]

    def gather(self) -> None:
        """Waits for the machines that are there. Problem where none fits, or one differs in a version."""
        deadline = time.monotonic() + FREE_S
        self._look()
        while any(not place.is_ready for place in self._places) and time.monotonic() < deadline:
            self._greet(0.5, self._refuse)
        if not self.ready:
            if not self._places:
                self._complain()
            raise Problem(
                f"no machine of the cluster was free within {FREE_S:.0f} s; workbench cluster status says why"
            )

    def look(self) -> None:
        """Takes in machines that have come; those that are ready take jobs. At most every LOOK_S."""
        if time.monotonic() - self._looked > LOOK_S:
            self._look()
            self._greet(0.0, self._pass_over)

    def lost(self, place: Place) -> None:
        """Its holder does not answer any more; where the machine is there, another one is started."""
        ray.kill(place.holder)
        self._places.remove(place)

    def close(self) -> None:
        for place in self._places:
            ray.kill(place.holder)
        self._places.clear()

    # ------------------------------------------------------------------------------------------------ coming

    def _look(self) -> None:
        self._looked = time.monotonic()
        alive = [node for node in ray.nodes() if node["Alive"]]
        ids = {node["NodeID"] for node in alive}
        for place in [one for one in self._places if one.node not in ids and one.task is None]:
            self.progress.note(f"{place.name} was lost")
            self.lost(place)
        held = {place.node for place in self._places}
        for node in alive:
            fresh = node["NodeID"] not in held | self._left_out
            shares = self._shares(node["Resources"]) if fresh else []
            for share in shares:
                self._start(node, share, len(shares))

    def _shares(self, has: Mapping[str, float]) -> list[dict[str, float]]:
        """What each holder on a machine holds: all of it, or, where GPUs are timed and it has several, one of them
        and its part of the rest."""
        cpus, gpus, whole = int(has.get("CPU", 0)), int(has.get("GPU", 0)), has.get("machine", 0.0)
        if "cuda" in self.devices and gpus:
            part = 1 / gpus
            return [{"CPU": cpus // gpus, "GPU": 1, "machine": min(1.0, whole) * part}] * gpus
        return [{"CPU": cpus, "GPU": 0, "machine": min(1.0, whole)}] if cpus and "cpu" in self.devices else []

    def _start(self, node: Mapping[str, Any], share: Mapping[str, float], parts: int) -> None:
        id_ = node["NodeID"]
        self._starts[id_] = self._starts.get(id_, 0) + 1
        labels = labels_of(node)
        holder = self._actor.options(
            num_cpus=share["CPU"],
            num_gpus=share["GPU"],
            resources={"machine": share["machine"]} if share["machine"] else None,
            max_concurrency=2,  # what it does, and what it says of it
            max_restarts=0,
            name=f"{self._token} {id_[:8]} {self._starts[id_]}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(id_, soft=False),
        ).remote(self._own_kernels)
        name = name_of(node)
        self._places.append(Place(id_, name, labels, share, parts, holder, holder.greet.remote()))
        if self._starts[id_] >= MOST_STARTS * parts:
            self._left_out.add(id_)

    def _greet(self, seconds: float, differs: Any) -> None:
        """Takes the greetings that come within this time."""
        waiting = {place.greeted: place for place in self._places if not place.is_ready}
        if not waiting:
            return
        for reference in ray.wait(list(waiting), num_returns=1, timeout=seconds)[0]:
            place = waiting[reference]
            try:
                place.greeting = ray.get(reference)
            except ray.exceptions.RayError as error:
                self.lost(place)
                self.progress.note(f"{place.name} cannot take part: {_first_line(error)}")
                continue
            reason = _difference(place)
            if not any(device in place.greeting.machines for device in self.devices):
                reason = f"{place.name} has no NVIDIA GPU or no driver, and --device names nothing else"
            if not self._is_wanted(place):
                self._leave_out(place)
            elif reason is not None:
                self._leave_out(place)
                differs(reason)
            else:
                self._name(place)

    def _leave_out(self, place: Place) -> None:
        self.lost(place)
        self._left_out.add(place.node)

    def _name(self, place: Place) -> None:
        """Ids are the same whenever the sweep goes on: by name; by UUID where a machine has several GPUs."""
        assert place.greeting is not None
        for device, machine in place.greeting.machines.items():
            if device not in self.devices or (device == "cpu" and place.parts > 1):
                continue  # the processor of several GPUs' machine is nobody's alone
            id_ = f"{device}@{place.name}" + (f"-{machine.uuid[4:12]}" if place.parts > 1 else "")
            taken = {one.ids.get(device) for one in self._places}
            numbers = (f"{id_}-{number}" for number in range(2, len(self._places) + 3))
            place.ids[device] = id_ if id_ not in taken else next(one for one in numbers if one not in taken)

    # ------------------------------------------------------------------------------------------------ kinds

    def _is_wanted(self, place: Place) -> bool:
        return not self._on or any(_is(place, word) for word in self._on)

    def _refuse(self, reason: str) -> None:
        raise Problem(f"{reason}; or leave it out, naming the others with --on")

    def _pass_over(self, reason: str) -> None:
        self.progress.note(f"left out: {reason}")

    def _complain(self) -> None:
        """Nobody is here: whoever was left out was not wanted."""
        if self._on and self._left_out:
            kinds = sorted({kind for node in ray.nodes() if node["Alive"] for kind in _kinds(node)})
            raise unknown("kind of machine", self._on[0], kinds)
        devices = " and ".join(self.devices)
        raise Problem(f"no machine of the cluster has a {devices} to time on; see `ray status` and docs/cluster.md")


def _is(place: Place, word: str) -> bool:
    """Whether a word for a kind fits: it is whole words of the machine's name, a label, or the name of its device, with
    or without the spaces: rtx4090 of NVIDIA GeForce RTX 4090."""
    assert place.greeting is not None
    names = (place.name, *place.labels.values(), *(machine.name for machine in place.greeting.machines.values()))
    return any(_plain(word) in _runs_of_words(name) for name in names)


def _runs_of_words(name: str) -> set[str]:
    parts = [part for part in re.split(r"[^a-z0-9]+", name.lower()) if part]
    return {"".join(parts[first:end]) for first in range(len(parts)) for end in range(first + 1, len(parts) + 1)}


def _kinds(node: Mapping[str, Any]) -> Iterable[str]:
    return labels_of(node).values() or [node["NodeManagerHostname"]]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _difference(place: Place) -> str | None:
    """In words, what is installed there in another version than here."""
    assert place.greeting is not None
    here, there = versions_here(), place.greeting.versions
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            one, other = here.get(name, "none"), there.get(name, "none")
            return f"{place.name} has {name} {other}, this machine {one}: install the same on both"
    return None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if "Traceback" in str(error) else lines[0])[:200] if lines else type(error).__name__


def devices_there() -> tuple[Device, ...]:
    """What can be timed in the cluster; GPUs first."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return ("cuda", "cpu") if any(node.get("GPU", 0) >= 1 for node in nodes) else ("cpu",)
