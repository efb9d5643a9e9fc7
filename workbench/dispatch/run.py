"""A variant on torch tensors, where they are: host functions on the CPU, kernels on torch's current stream of a GPU."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.arguments import c_argument
from workbench.catalog import Catalog, load_catalog
from workbench.declare import DTYPE_BYTES, FORWARD, Argument, At, Plan, Setting, Shape, Step, Tensor, variant_key
from workbench.dispatch.native import host_function
from workbench.host_steps import bound_steps
from workbench.problem import Problem
from workbench.steps import Launch, Source

if TYPE_CHECKING:
    from workbench.compile import Binary

Tensors = dict[str, Any]
"""torch tensors by the names that the plan knows, contiguous; None for an optional input that is absent."""


@functools.lru_cache(maxsize=1024)
def prepare(
    operation: str,
    variant: str,
    settings: tuple[tuple[str, Setting], ...],
    shape: Shape,
    device: str,
    pass_: str = FORWARD,
) -> Callable[[Tensors], None]:
    """A function that runs the variant of a pass on tensors of this shape: outputs are among them, written in place.

    Compiling and loading happen here, so that the function itself can be captured into a CUDA graph. Scratch memory is
    torch's. Raises Problem for a variant that cannot run so: one that is made of library calls, or does not fit.
    """
    found = _catalog().variant(variant_key(operation, variant, pass_))
    reason = found.supports(shape)
    if reason is not None:
        raise Problem(f"{found.key} at {shape}: unsupported, {reason}")
    plan = found.plan(shape, {**found.default_settings(), **dict(settings)})
    return bind(plan, shape.dtype, _catalog().operation_of(found).tensors(shape), device)


def bind(plan: Plan, dtype: str, tensors: Sequence[Tensor], device: str) -> Callable[[Tensors], None]:
    """The same of a plan that no variant has: `tensors` are what it reads and writes beside its scratch."""
    item_bytes = {t.name: DTYPE_BYTES[t.dtype] for t in (*tensors, *plan.scratch)}
    bound = _OfThread(plan, dtype, item_bytes, device)

    def run(tensors: Tensors) -> None:
        place = bound.place
        place.tensors = _scratch(plan, tensors, device) if plan.scratch else tensors
        for step in bound.steps:
            step()
        place.tensors = {}

    return run


class _OfThread(threading.local):
    """The plan's steps for one thread: a backward pass has its own, and steps of a loop change their arguments."""

    def __init__(self, plan: Plan, dtype: str, item_bytes: Mapping[str, int], device: str) -> None:
        self.place = TensorPlace(dtype, item_bytes, device)
        self.steps = list(bound_steps(plan, self.place))


@functools.cache
def _catalog() -> Catalog:
    return load_catalog()


def _scratch(plan: Plan, tensors: Tensors, device: str) -> Tensors:
    import torch

    made = {t.name: torch.empty(t.shape, dtype=getattr(torch, t.dtype), device=device) for t in plan.scratch}
    return {**tensors, **made}


class TensorPlace:
    """See `workbench.steps.Place`: its memory are the tensors of the evaluation that is going on."""

    def __init__(self, dtype: str, item_bytes: Mapping[str, int], device: str) -> None:
        self.tensors: Tensors = {}
        self.later: Sequence[Step] = ()
        self._dtype, self._item_bytes, self._device = dtype, item_bytes, device

    def argument(self, argument: Argument) -> Argument:
        """As it is declared: only an evaluation has the address."""
        return argument

    host_argument = argument

    def _passed(self, argument: Argument) -> Any:
        return c_argument(argument, self._address, self._item_bytes.__getitem__)

    def _address(self, name: str) -> int | None:
        tensor = self.tensors[name]
        return None if tensor is None else int(tensor.data_ptr())

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        if self._device == "cpu":
            raise self._refused("Kernel")
        from workbench.execute.cuda_kernel import launcher, passed
        from workbench.execute.on_cuda import torch_stream

        run = launcher(source, _compiled(source, self._dtype), launch)
        return lambda: run(torch_stream(), [passed(argument, self._passed(argument)) for argument in arguments])

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], None]:
        if self._device != "cpu":
            raise self._refused("Host")
        signature = _signature(arguments) if isinstance(arguments, tuple) else None  # a list's change between calls
        function = host_function(
            source.path, source.function, self._dtype, source.defines, signature or "", source.options
        )
        if signature is not None:
            return self._with_addresses(function, arguments)

        def call() -> None:
            function(*map(self._passed, arguments))

        return call

    def _with_addresses(self, function: Any, arguments: Sequence[Argument]) -> Callable[[], None]:
        """The function on pointers and integers: a call looks up where tensors lie and nothing else, as a layer that is
        called step by step waits for all that a call does."""
        values = [argument if isinstance(argument, int) else None for argument in arguments]
        places = []
        for position, argument in enumerate(arguments):
            if isinstance(argument, At):
                places.append((position, argument.tensor, argument.offset * self._item_bytes[argument.tensor]))
            elif isinstance(argument, str):
                places.append((position, argument, 0))

        def call() -> None:
            tensors = self.tensors
            for position, name, offset in places:
                tensor = tensors[name]
                values[position] = None if tensor is None else tensor.data_ptr() + offset
            function(*values)

        return call

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        raise self._refused("Call")

    def clear(self, tensor: str) -> Callable[[], Any]:
        return lambda: self.tensors[tensor].zero_()

    def together(self, branches: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
        raise self._refused("Concurrent")

    def _refused(self, step: str) -> Problem:
        return Problem(f"a plan with a {step} cannot run on {self._device} tensors")


def _signature(arguments: Sequence[Argument]) -> str | None:
    """See host_function; None where there is an argument that is neither a pointer nor an integer of 64 bits."""
    letters = ["i" if type(a) is int else "p" if a is None or isinstance(a, str | At) else "" for a in arguments]
    return "".join(letters) if all(letters) else None


@functools.cache
def _compiled(source: Source, dtype: str) -> Binary:
    """A kernel compiled for torch's current GPU, whose context is made current."""
    import torch
    from cuda.core import Device

    from workbench.compile import build_or_raise, unit_of_source
    from workbench.execute.on_cuda import current_arch

    torch.cuda.init()
    Device(torch.cuda.current_device()).set_current()
    unit = unit_of_source(source, dtype, current_arch())
    return build_or_raise([unit], f"{source.path.name} does not compile")[unit]
