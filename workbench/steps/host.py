"""A call of a C++ function on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any

from workbench.declare import Host
from workbench.steps.arguments import at_turn, names_alone, names_in, turning
from workbench.steps.kind import Kind, Place, Source
from workbench.steps.source_checks import check_options, check_source


class HostKind(Kind[Host]):
    """See `Host`."""

    step = Host

    def names(self, step: Host) -> Iterable[str]:
        return names_in(step.function, step.arguments)

    def alike(self, step: Host) -> Hashable:
        return step.function

    def check(self, step: Host) -> None:
        check_source(step.source, step.function, step.defines)
        check_options(step.function, step.options)

    def source(self, step: Host) -> Source:
        return Source("c++", step.source, step.function, step.defines, options=step.options)

    def bind(self, step: Host, place: Place) -> Callable[[], Any]:
        return place.host(self.source(step), tuple(map(place.host_argument, step.arguments)))

    def bind_turns(self, step: Host, place: Place) -> Callable[[int], Any]:
        arguments = [place.host_argument(argument) for argument in step.arguments]
        run = place.host(self.source(step), arguments)
        return turning(step.arguments, place.host_argument, arguments, run)

    def at_turn(self, step: Host, turn: int) -> Host:
        return replace(step, arguments=tuple(at_turn(a, turn) for a in step.arguments))

    def shown(self, step: Host) -> str:
        return step.function

    def signature(self, step: Host) -> Hashable:
        return step.source, step.function, step.defines, names_alone(step.arguments)
