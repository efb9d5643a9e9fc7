"""Arguments of kernels and host functions: whose tensors they are, what may be passed, how they follow a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from workbench.arguments import NUMBERS, c_number
from workbench.declare import Argument, At, Scalar, Struct, Turn
from workbench.steps.kind import short

WORDS = (
    "a tensor's name, At(name, offset), int (64 bits), float (32 bits), bool, None, Turn(), "
    "I32(int), F64(float) and the like, or Struct((member, …))"
)
WIDEST = 1 << 63


def names_in(function: str, arguments: Any) -> Iterator[str]:
    """The tensors among a function's arguments. Raises TypeError for what cannot be passed."""
    if type(arguments) is not tuple:
        raise TypeError(f"gives {function} the arguments {short(arguments)}: write a tuple")
    for argument in arguments:
        held = type(argument)
        if held is str:
            yield argument
        elif held is At:
            yield argument.tensor
        elif held is int and -WIDEST <= argument < WIDEST:
            continue  # nearly all of them
        elif held in NUMBERS:
            _check_number(argument)
        elif held is Struct:
            if not argument.members:
                raise TypeError(f"passes {function} a Struct without members")
            yield from names_in(function, argument.members)
        elif argument is not None:
            raise TypeError(f"passes an argument of type {held.__name__}: an argument is {WORDS}")


def _check_number(argument: Any) -> None:
    """The number fits its C type: ctypes would cut it off."""
    kind = type(argument).__name__
    if isinstance(argument, Turn):
        for part in (argument.first, argument.per_turn):
            if type(part) is not int or not -WIDEST <= part < WIDEST:
                raise TypeError(f"passes {argument}: write two whole numbers of 64 bits")
        return
    value = argument.value if isinstance(argument, Scalar) else argument
    wanted = (int, float) if kind in ("F64", "float") else (int,)
    if not isinstance(value, wanted):
        raise TypeError(f"passes {kind}({value!r}): write a number of that type")
    if float not in wanted and c_number(argument).value != value:
        raise ValueError(f"passes {kind}({value}), which that type cannot hold: take a wider one")


def names_alone(arguments: Sequence[Argument]) -> tuple[str, ...]:
    """The tensors among arguments, without where in them."""
    found: list[str] = []
    for argument in arguments:
        if isinstance(argument, Struct):
            found += names_alone(argument.members)
        elif isinstance(argument, str | At):
            found.append(argument.tensor if isinstance(argument, At) else argument)
    return tuple(found)


def at_turn(argument: Argument, turn: int) -> Argument:
    """The argument as it is at a turn of the loop around its step."""
    if isinstance(argument, At) and argument.per_turn:
        return At(argument.tensor, argument.offset + turn * argument.per_turn)
    if isinstance(argument, Turn):
        return argument.first + turn * argument.per_turn
    if isinstance(argument, Struct):
        return Struct(tuple(at_turn(member, turn) for member in argument.members))
    return argument


def _moves(argument: Argument) -> bool:
    """Whether it differs from turn to turn."""
    if isinstance(argument, Struct):
        return any(map(_moves, argument.members))
    return isinstance(argument, Turn) or (isinstance(argument, At) and argument.per_turn != 0)


def turning(
    declared: Sequence[Argument], passed: Callable[[Argument], Any], arguments: list[Any], run: Callable[[], Any]
) -> Callable[[int], Any]:
    """`run`, before which `arguments` are set to what those `declared` are at the turn that it is called with;
    `passed` makes of an argument what is passed."""
    moving = [(index, argument) for index, argument in enumerate(declared) if _moves(argument)]
    if not moving:
        return lambda turn: run()

    def run_turn(turn: int) -> None:
        for index, argument in moving:
            arguments[index] = passed(at_turn(argument, turn))
        run()

    return run_turn
