"""What is looked at in every step that is compiled from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.problem import slips
from workbench.steps.kind import short

MOST_THREADS, MOST_THREADS_IN_Z = 1024, 64
MOST_BLOCKS_IN_X, MOST_BLOCKS = 2**31 - 1, 65535
"""Of every NVIDIA GPU that can be compiled for: threads per block, blocks per grid."""

_ARCH = "the architecture is chosen by whoever compiles (--arch)"
_OUTPUT = "where it goes is chosen by the workbench"
DECIDED = {
    "--gpu-architecture": _ARCH, "-arch": _ARCH, "--gpu-code": _ARCH, "-gencode": _ARCH, "-march": "it is native",
    "-o": _OUTPUT, "--output-file": _OUTPUT, "-c": _OUTPUT, "-E": _OUTPUT, "-S": _OUTPUT,
}  # fmt: skip
"""Options of compilers that are not a step's, and why."""


def check_source(source: Any, function: Any, defines: Any, what: str = "defines") -> None:
    """Raises what is wrong with a step's file, the function in it, or what it is compiled with."""
    if not isinstance(source, Path):
        raise TypeError(f'has the source {short(source)}: write a path, as in Path(__file__).parent / "name.cu"')
    if not isinstance(function, str):
        raise TypeError(f"has the function {short(function)}: write its name as a text")
    if not isinstance(defines, tuple) or not all(isinstance(d, tuple) and len(d) == 2 for d in defines):
        raise TypeError(f'gives {function} the {what} {short(defines)}: write pairs, such as (("TILE", 64),)')
    if not source.is_file():
        raise FileNotFoundError(_no_source(source))


def check_options(function: str, options: Any) -> None:
    """Raises where options of a compiler are none, or take from the workbench what it decides."""
    if not isinstance(options, tuple) or not all(isinstance(o, str) and o.startswith("-") for o in options):
        raise TypeError(f'gives {function} the options {short(options)}: write texts, such as ("--use_fast_math",)')
    for option in options:
        if option.split("=")[0] in DECIDED:
            raise ValueError(f"gives {function} the option {option}: {DECIDED[option.split('=')[0]]}")


def check_constants(function: str, constants: Any) -> None:
    """Raises where contents of constant memory are none."""
    if not isinstance(constants, tuple) or not all(
        isinstance(c, tuple) and len(c) == 2 and isinstance(c[0], str) and isinstance(c[1], bytes) for c in constants
    ):
        raise TypeError(
            f'gives {function} the constants {short(constants)}: write pairs, such as (("weights", array.tobytes()),)'
        )
    if len({name for name, _ in constants}) < len(constants):
        raise ValueError(f"gives {function} a constant twice: {', '.join(name for name, _ in constants)}")


def check_grid(function: str, grid: Any) -> None:
    """Raises where a grid is none, or has more blocks than can be launched."""
    _check_triple(function, "grid", grid)
    x, y, z = grid
    if x > MOST_BLOCKS_IN_X or max(y, z) > MOST_BLOCKS:
        most = f"at most {MOST_BLOCKS:,} in y and z, {MOST_BLOCKS_IN_X:,} in x"
        raise ValueError(f"gives {function} a grid of {x:,} x {y:,} x {z:,} blocks: {most}")


def check_block(function: str, block: Any) -> None:
    """Raises where a block is none, or has more threads than one may."""
    _check_triple(function, "block", block)
    x, y, z = block
    if x * y * z > MOST_THREADS or z > MOST_THREADS_IN_Z:
        most = f"at most {MOST_THREADS}, and {MOST_THREADS_IN_Z} in z"
        raise ValueError(f"gives {function} a block of {x} x {y} x {z} threads: {most}")


def _check_triple(function: str, field: str, value: Any) -> None:
    if not (isinstance(value, tuple) and len(value) == 3 and all(type(v) is int and v > 0 for v in value)):
        raise TypeError(
            f"gives {function} the {field} {value!r}: write three whole numbers, as in (blocks, 1, 1); "
            "// divides to whole numbers"
        )


def _no_source(source: Path) -> str:
    """A source that is not there, and the one in its folder that is nearly called so."""
    beside = [p.name for p in source.parent.glob(f"*{source.suffix}")] if source.parent.is_dir() else []
    near = min(beside, key=lambda name: slips(source.name, name), default="")
    hint = f": did you mean {near}?" if near and slips(source.name, near) <= 3 else ""
    return f"names {source}: no such source{hint}"
