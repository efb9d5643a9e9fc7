"""What a kind of step answers, and the registry of kinds by the class of their steps."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from workbench.declare import Argument, Defines, Dim3

Language = Literal["cuda", "c++", "triton"]


@dataclass(frozen=True)
class Source:
    """What is compiled for a step: a function of a file, in a language that `build` has a compiler for."""

    language: Language
    path: Path
    function: str
    defines: Defines = ()
    types: tuple[str, ...] = ()
    """Of a language that is compiled for given types (Triton): those of the function's arguments, `io` for the dtype of
    the shape."""
    options: tuple[str, ...] = ()
    """Further options of its compiler."""
    constants: tuple[tuple[str, bytes], ...] = ()
    """What variables of constant memory hold when the function is launched, by their names."""


@dataclass(frozen=True)
class Launch:
    """How a kernel is launched."""

    grid: Dim3
    block: Dim3
    shared_bytes: int
    """Dynamic shared memory per block."""
    arguments: tuple[Argument, ...]
    """As declared; those of turn 0."""


class CompiledStep(Protocol):
    """What every step that is compiled from a file has."""

    @property
    def source(self) -> Path: ...
    @property
    def function(self) -> str: ...
    @property
    def defines(self) -> Defines: ...


class Place(Protocol):
    """Where a plan is loaded: memory with the plan's tensors in it, and what can be run over it. There is one for the
    CPU, one for a GPU and one for the simulator."""

    later: Sequence[Any]
    """The steps that come after the one that is being bound."""

    def argument(self, argument: Argument) -> Any:
        """A kernel's argument as this place passes it: an address, or a scalar of C. `At` and `Turn` are those of turn
        0."""

    def host_argument(self, argument: Argument) -> Any:
        """The same for a function on the host."""

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        """A launch, with whatever stands in `arguments` when it is called. Raises Problem where no kernel runs here."""

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], Any]:
        """A call of a host function, with what stands in `arguments` then, where they are a list. Raises Problem where
        none runs here."""

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        """A call of a Python function over torch tensors; what it returns becomes `outputs`."""

    def clear(self, tensor: str) -> Callable[[], Any]:
        """Every byte of the tensor to zero."""

    def together(self, branches: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
        """All of the calls, at the same time where the place can; done when each of them is."""


S = TypeVar("S")


class Kind(ABC, Generic[S]):
    """One kind of step. Methods say what the workbench needs of any step; the defaults are those of a step that
    compiles nothing, holds no other steps, and does the same at every turn of a loop around it."""

    step: ClassVar[type]
    """The class of its steps, which `declare` holds."""

    # ------------------------------------------------------------------------------------------------- declared

    @abstractmethod
    def names(self, step: S) -> Iterable[str]:
        """The tensors that it reads or writes. Raises TypeError, with the word to change, where they cannot be told."""

    def addressed(self, step: S) -> Iterable[str]:
        """Those of them whose address is taken: they must lie in the buffers that the plan was given."""
        return self.names(step)

    def alike(self, step: S) -> Hashable:
        """What steps share whose `check` finds the same: a plan may hold many that differ in arguments alone."""
        return id(step)

    @abstractmethod
    def check(self, step: S) -> None:
        """Raises what is wrong with the declaration, with the word to change."""

    # ------------------------------------------------------------------------------------------------- compiled

    def source(self, step: S) -> Source | None:
        """What is compiled for it."""
        return None

    def compiled(self, step: S) -> Hashable:
        """What tells it from other steps that are compiled of the same source: what facts are shown of."""
        return self.source(step)

    def launch(self, step: S) -> Launch | None:
        """How it is launched on a GPU; None for what is no launch."""
        return None

    # ------------------------------------------------------------------------------------------- bound and run

    @abstractmethod
    def bind(self, step: S, place: Place) -> Callable[[], Any]:
        """The step on this place's memory, ready to be called any number of times."""

    def bind_turns(self, step: S, place: Place) -> Callable[[int], Any]:
        """The same inside a loop: called with the number of the turn."""
        run = self.bind(step, place)
        return lambda turn: run()

    def at_turn(self, step: S, turn: int) -> S:
        """The step as it is at a turn of the loop around it."""
        return step

    def parts(self, step: S) -> tuple[Any, ...]:
        """The steps that it is made of; none for one that does its work itself."""
        return ()

    def parts_otherwise(self, step: S) -> tuple[Any, ...]:
        """The same in another order that must give the same."""
        return self.parts(step)

    # ------------------------------------------------------------------------------------------ counted, shown

    def turns(self, step: S) -> int:
        """How many times its parts are done."""
        return 1

    def shown(self, step: S) -> str:
        """One or two words for it: a function's name."""
        return type(step).__name__

    def signature(self, step: S) -> Hashable:
        """What it does to which tensors, whatever the sizes: by which a part of a chain is found again. None where it
        does nothing of its own."""
        return None

    def python_source(self, step: S) -> Callable[..., Any] | None:
        """The Python function whose text shows what it does."""
        return None


@functools.cache
def _kinds() -> Mapping[type, Kind[Any]]:
    """Every kind of this folder by the class of its steps."""
    package = __name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    for module in pkgutil.iter_modules(folder):
        importlib.import_module(f"{package}.{module.name}")
    found: dict[type, Kind[Any]] = {}
    for kind in _concrete(Kind):  # type: ignore[type-abstract]
        found[kind.step] = kind()
    return found


def _concrete(kind: type[Kind[Any]]) -> Iterable[type[Kind[Any]]]:
    for derived in kind.__subclasses__():
        if "step" in vars(derived):
            yield derived
        yield from _concrete(derived)


def kind_of(step: Any) -> Kind[Any]:
    """The kind of a step. Raises TypeError for what is no step."""
    kind = _kinds().get(type(step))
    if kind is None:
        words = sorted(known.__name__ for known in _kinds())
        raise TypeError(f"has the step {short(step)}: a step is a {', '.join(words[:-1])} or {words[-1]}")
    return kind


def short(value: Any) -> str:
    """A value as a message has room for it."""
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"
