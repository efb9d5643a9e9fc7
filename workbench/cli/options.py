"""Options that several commands share, and the free `--AXIS values` ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.axes import parse_axis
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.sweep.selection import Selection

AXES = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context settings of a command that takes `--T 1024:65536:x2` for whatever axes the operations have."""


def whole_number(text: str) -> int:
    """An option's whole number in plain digits: `int` also takes other scripts' digits and underscores."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", str(text)):
        raise typer.BadParameter(f"{text or 'nothing'} is not a whole number")
    return int(text)


def positive_number(text: str) -> int:
    """A whole number of at least 1."""
    if (number := whole_number(text)) < 1:
        raise typer.BadParameter(f"{text} is not a count; counts start at 1")
    return number


def decimal_number(text: str) -> float:
    """An option's number in plain digits, such as 0.5 or 1e3; see `whole_number`."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf|nan", str(text), re.IGNORECASE):
        raise typer.BadParameter(f"{text or 'nothing'} is not a number")
    return float(text)


def words(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, each once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def named(context: typer.Context, option: typer.CallbackParam, text: str) -> str:
    """A comma-separated list as it was typed. Problem where it was typed and names nothing: all is what is meant by
    leaving the option out, and an empty text is a script's variable that nobody has set."""
    source = context.get_parameter_source(str(option.name))
    if source is not None and source.name == "COMMANDLINE" and not words(text):
        what = f"{option.opts[0]} {text}".strip()
        raise Problem(f"{what}: names nothing; write one word or several with commas between", exit_status=2)
    return text


Operations = Annotated[
    list[str] | None, typer.Argument(help="Operations; all where none is named.", metavar="OPERATION")
]
Variants = Annotated[str, typer.Option(callback=named, help="Variants, by name or operation/name, comma-separated.")]
Kernels = Annotated[Path | None, typer.Option(help="A folder of your own with operations and variants.")]
Profiles = Annotated[Path, typer.Option(help="Where runs are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Passes = Annotated[
    str,
    typer.Option(
        "--pass",
        callback=named,
        help="forward, backward and whatever operations declare, comma-separated; all where none is named.",
    ),
]
Dtype = Annotated[str, typer.Option(callback=named, help="float32, bfloat16, comma-separated.")]
Device = Annotated[
    str,
    typer.Option(
        callback=named, help="cuda, cpu, simulated, comma-separated; the GPU where there is one, else the CPU."
    ),
]
Timeout = Annotated[
    float, typer.Option(parser=decimal_number, metavar="SECONDS", help="Seconds that one variant may take to answer.")
]

Seed = Annotated[int, typer.Option(parser=whole_number, metavar="N", help="Seed of the inputs' values.")]

LONGEST_TIMEOUT_S = 7 * 86400.0
SHORTEST_TIMEOUT_S = 0.01


def check_timeout(seconds: float, option: str = "--timeout") -> float:
    """The seconds themselves; Problem where nothing can be waited for so long, or so short a time."""
    if not SHORTEST_TIMEOUT_S <= seconds <= LONGEST_TIMEOUT_S:  # false for NaN too
        limits = f"seconds must be positive: from {SHORTEST_TIMEOUT_S} to {LONGEST_TIMEOUT_S:.0f}"
        raise Problem(f"{option} {seconds:g}: {limits}", exit_status=2)
    return seconds


def split_axes(words_given: list[str] | None) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Operations, and sizes by axis, out of what typer left over: `scan --T 1,2 --H=64`.

    Options that typer does not know land among the arguments, with their values, in the order written.
    """
    operations: list[str] = []
    axes: dict[str, tuple[int, ...]] = {}
    rest = list(words_given or ())
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            operations.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals:
            if not rest:
                raise Problem(f"{word}: takes sizes, as in {word} 1024 or {word} 64:4096:x2", exit_status=2)
            value = rest.pop(0)
        if name in axes:
            raise Problem(f"--{name} {value}: --{name} is given twice; write --{name} A,B for several", exit_status=2)
        axes[name] = parse_axis(name, value)
    return tuple(operations), tuple(axes.items())


def selection_of(
    operations: list[str] | None,
    variants: str,
    passes: str,
    dtype: str,
    kernels: Path | None,
    timeout: float,
    **more: Any,
) -> Selection:
    """What the shared options select; `more` are the fields that a command decides for itself."""
    from workbench.sweep.selection import Selection

    chosen, axes = split_axes(operations)
    return Selection(
        operations=chosen,
        variants=words(variants),
        passes=words(passes),
        axes=axes,
        dtypes=words(dtype),
        kernels=str(kernels.resolve()) if kernels else "",
        timeout_s=check_timeout(timeout),
        **more,
    )


def one_size_each(axes: tuple[tuple[str, tuple[int, ...]], ...], command: str) -> dict[str, int]:
    """Axis → its size. Problem where several were given for one."""
    if several := [name for name, values in axes if len(values) != 1]:
        raise Problem(
            f"--{several[0]}: {command} takes one size of each axis; workbench sweep takes several", exit_status=2
        )
    return {name: values[0] for name, values in axes}
