"""A launch of a Triton function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any

from workbench.arguments import NUMBERS
from workbench.declare import DTYPE_BYTES, At, TritonKernel
from workbench.steps.arguments import at_turn, names_alone, names_in, turning
from workbench.steps.kind import Kind, Launch, Place, Source, short
from workbench.steps.source_checks import check_block, check_grid, check_source

WARP = 32
ALIGNED = "@16"
"""Behind the type of a pointer to a tensor's first element, which is aligned for the widest loads."""


class TritonKind(Kind[TritonKernel]):
    """See `TritonKernel`."""

    step = TritonKernel

    def names(self, step: TritonKernel) -> Iterable[str]:
        return names_in(step.function, step.arguments)

    def check(self, step: TritonKernel) -> None:
        check_source(step.source, step.function, step.defines, "constants")
        check_grid(step.function, step.grid)
        if type(step.warps) is not int or step.warps not in (1, 2, 4, 8, 16, 32):
            raise ValueError(f"gives {step.function} warps = {step.warps!r}: write a power of two up to 32")
        check_block(step.function, (WARP * step.warps, 1, 1))
        for name, dtype in step.dtypes:
            if dtype not in DTYPE_BYTES:
                raise ValueError(f"gives {name} the dtype {short(dtype)}: a dtype is {', '.join(DTYPE_BYTES)}")

    def source(self, step: TritonKernel) -> Source:
        defines = (*step.defines, ("num_warps", step.warps))
        return Source("triton", step.source, step.function, defines, tuple(self._type(step, a) for a in step.arguments))

    def _type(self, step: TritonKernel, argument: Any) -> str:
        """A pointer's dtype is a declared one, `io` for that of the shape; scalars are in Triton's words."""
        if isinstance(argument, str | At):
            name = argument if isinstance(argument, str) else argument.tensor
            dtype = dict(step.dtypes).get(name)
            aligned = ALIGNED if isinstance(argument, str) else ""
            return f"*{dtype or 'io'}{aligned}"
        if argument is None:
            return "*io"
        word = NUMBERS[type(argument)][0]
        return "i1" if isinstance(argument, bool) else word.replace("f", "fp")

    def launch(self, step: TritonKernel) -> Launch:
        """Shared memory is what the compiler found: it is the binary's."""
        return Launch(step.grid, (WARP * step.warps, 1, 1), 0, step.arguments)

    def bind(self, step: TritonKernel, place: Place) -> Callable[[], None]:
        return place.kernel(self.source(step), self.launch(step), [place.argument(a) for a in step.arguments])

    def bind_turns(self, step: TritonKernel, place: Place) -> Callable[[int], Any]:
        arguments = [place.argument(argument) for argument in step.arguments]
        run = place.kernel(self.source(step), self.launch(step), arguments)
        return turning(step.arguments, place.argument, arguments, run)

    def at_turn(self, step: TritonKernel, turn: int) -> TritonKernel:
        return replace(step, arguments=tuple(at_turn(a, turn) for a in step.arguments))

    def shown(self, step: TritonKernel) -> str:
        return step.function

    def signature(self, step: TritonKernel) -> Hashable:
        return step.source, step.function, step.defines, names_alone(step.arguments)
