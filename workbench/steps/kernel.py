"""A launch of a CUDA kernel."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any

from workbench.declare import Kernel
from workbench.steps.arguments import at_turn, names_alone, names_in, turning
from workbench.steps.kind import Kind, Launch, Place, Source
from workbench.steps.source_checks import check_block, check_constants, check_grid, check_options, check_source


class KernelKind(Kind[Kernel]):
    """See `Kernel`."""

    step = Kernel

    def names(self, step: Kernel) -> Iterable[str]:
        return names_in(step.function, step.arguments)

    def alike(self, step: Kernel) -> Hashable:
        key = (step.function, step.grid, step.block, step.shared_bytes)
        try:
            hash(key)
        except TypeError:  # a user wrote a list
            return id(step)
        return key

    def check(self, step: Kernel) -> None:
        check_source(step.source, step.function, step.defines)
        check_options(step.function, step.options)
        check_constants(step.function, step.constants)
        check_grid(step.function, step.grid)
        check_block(step.function, step.block)
        if type(step.shared_bytes) is not int or step.shared_bytes < 0:
            raise TypeError(f"gives {step.function} shared_bytes = {step.shared_bytes!r}: write a whole number from 0")

    def source(self, step: Kernel) -> Source:
        return Source("cuda", step.source, step.function, step.defines, options=step.options, constants=step.constants)

    def compiled(self, step: Kernel) -> Hashable:
        """Block and shared memory decide about occupancy."""
        return self.source(step), step.block, step.shared_bytes

    def launch(self, step: Kernel) -> Launch:
        return Launch(step.grid, step.block, step.shared_bytes, step.arguments)

    def _bound(self, step: Kernel, place: Place) -> tuple[list[Any], Callable[[], None]]:
        arguments = [place.argument(argument) for argument in step.arguments]
        return arguments, place.kernel(self.source(step), self.launch(step), arguments)

    def bind(self, step: Kernel, place: Place) -> Callable[[], None]:
        return self._bound(step, place)[1]

    def bind_turns(self, step: Kernel, place: Place) -> Callable[[int], Any]:
        arguments, run = self._bound(step, place)
        return turning(step.arguments, place.argument, arguments, run)

    def at_turn(self, step: Kernel, turn: int) -> Kernel:
        return replace(step, arguments=tuple(at_turn(a, turn) for a in step.arguments))

    def shown(self, step: Kernel) -> str:
        return step.function

    def signature(self, step: Kernel) -> Hashable:
        return step.source, step.function, step.defines, names_alone(step.arguments)
