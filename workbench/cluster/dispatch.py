"""Jobs over machines: each goes to whoever is free, and again to another where its machine was lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from workbench.cluster.places import Place, Places
from workbench.problem import Problem

MOST_ATTEMPTS = 3
"""At a job: one that has lost so many machines is left for a sweep that goes on, and named."""
NOBODY_S = 30.0
"""That jobs wait where no machine can do them: one may come back."""
WAIT_S = 0.1


@dataclass
class Task:
    """A job, and what is to be done with what its machine tells."""

    name: str
    call: Callable[[Place], tuple[str, tuple[Any, ...]]]
    """The holder's method and its arguments, asked at each attempt."""
    take: Callable[[Place, int, Any], bool]
    """Of the machine, the attempt (from 1) and what was told; whether that was the last of it."""
    suits: Callable[[Place], bool]
    prefers: str = ""
    """The id of the machine that does it wherever that is there."""
    attempt: int = 1
    lost: list[str] = field(default_factory=list)
    """Names of the machines that went while they did it."""


@dataclass
class _Running:
    place: Place
    task: Task
    told: bool = False
    """Whether anything has come of this attempt."""
    ended: bool = False
    """Whether all has: a machine that is lost now costs nothing."""


class Dispatch:
    """Does tasks; `run` names them to whoever asks a holder."""

    def __init__(self, places: Places, tasks: Sequence[Task], run: str = "") -> None:
        self._places = places
        self._waiting = list(tasks)
        self._run = run
        self._running: dict[Any, _Running] = {}
        """By the stream of what is told."""
        self._given_up: list[Task] = []

    def do_all(self) -> None:
        """Problem where a task fails on account of the user, or where some could not be done: the others are done
        before."""
        able = time.monotonic()
        while self._waiting or self._running:
            self._places.look()
            self._start_waiting()
            if self._running or any(t.suits(place) for t in self._waiting for place in self._places.ready):
                able = time.monotonic()
            elif time.monotonic() - able > NOBODY_S:
                raise Problem(f"{len(self._waiting)} jobs are left, and no machine of the cluster can do them")
            if self._running:
                self._take_one()
            else:
                time.sleep(WAIT_S)
        if self._given_up:
            task = self._given_up[0]
            raise Problem(
                f"{len(self._given_up)} jobs lost {MOST_ATTEMPTS} machines each and are not done, the first "
                f"{task.name} ({', '.join(task.lost)}); what is done is recorded"
            )

    def _start_waiting(self) -> None:
        for place in self._places.ready:
            task = self._next_for(place) if place.task is None else None
            if task is not None:
                self._waiting.remove(task)
                method, arguments = task.call(place)
                place.task = task
                place.holder.begin.remote(self._run, len(self._waiting))
                stream = getattr(place.holder, method).options(num_returns="streaming").remote(*arguments)
                self._running[stream] = _Running(place, task)

    def _next_for(self, place: Place) -> Task | None:
        there = {id_ for one in self._places.ready for id_ in one.ids.values()}
        for task in self._waiting:
            if task.suits(place) and (task.prefers in place.ids.values() or task.prefers not in there):
                return task
        return None

    def _take_one(self) -> None:
        """The next thing that any of them tells."""
        for stream in ray.wait(list(self._running), num_returns=1, timeout=WAIT_S)[0]:
            one = self._running.pop(stream)
            try:
                told = ray.get(next(stream))
            except StopIteration:
                one.place.task = None
            except (ray.exceptions.RayActorError, ray.exceptions.RaySystemError, ray.exceptions.ObjectLostError):
                self._lose(one)
            else:
                one.told = True
                one.ended = one.task.take(one.place, one.task.attempt, told)
                self._running[stream] = one  # behind the others: nobody's words wait for ever

    def _lose(self, one: _Running) -> None:
        task, name = one.task, one.place.name
        self._places.lost(one.place)
        if one.ended:
            return
        if one.told:
            task.attempt += 1
            task.lost.append(name)
        if len(task.lost) >= MOST_ATTEMPTS:
            self._given_up.append(task)
            self._places.progress.note(f"{name} was lost, the {MOST_ATTEMPTS}rd with {task.name}, which is left")
        else:
            self._waiting.insert(0, task)
            self._places.progress.note(f"{name} was lost; {task.name} is done again on another machine")
