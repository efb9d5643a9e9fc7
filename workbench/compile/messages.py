"""What a compiler said, in one line: its first errors, how many there are, and what to do about known ones."""

from __future__ import annotations

import re

from workbench.compile.units import CompileFailure

SHOWN = 2
"""Errors that a line has room for."""
LENGTH = 240
"""Characters of one of them."""

_ERROR = re.compile(r"\b(?:error|catastrophic error|fatal error)\b|\bundefined reference\b|^Error:")
_SUMMARY = re.compile(r"^\d+ (?:catastrophic )?errors? detected|^Compilation terminated|returned \d+ exit status$")

KNOWN = (
    (
        r'cannot open source file "(?:c?std\w+|c?math|c?float|c?limits|c?assert|c?string|iostream)(?:\.h)?"',
        "a GPU source is compiled without the C and C++ libraries: leave this include out (printf, assert and the "
        "functions of math.h are there without it), or take cuda/std/",
    ),
    (
        r'cannot open source file "(?:cu(?:rand|blas|fft|sparse|solver|dnn)|npp|nccl)\w*(?:\.hp?p?)?"',
        "this library's headers are no part of what a GPU source is compiled with: make what it gives an input, or a "
        "step of the plan",
    ),
    (
        r"cannot open source file",
        "put it beside the source, or into the folder include/ beside the source's folder",
    ),
    (
        r'identifier "__(?:shfl|any|all|ballot)\w*" is undefined',
        "write __shfl_down_sync(mask, ...) and the like: the mask names the lanes that take part",
    ),
    (
        r"device-side kernel launch",
        "a kernel cannot launch another here: make each a step of the plan",
    ),
    (
        r"dynamic initialization is not supported",
        "initialise it with a constant that needs no constructor, or in the kernel",
    ),
    (
        r"(?:no|without) execution space annotations|host functions are not allowed",
        "host code has no place in a kernel's source: leave main() and launches out (the plan launches), and write "
        "__device__ before functions that kernels call",
    ),
    (r'identifier "INFINITY" is undefined', "write __int_as_float(0x7f800000) in its place"),
    (r'identifier "(?:FLT|DBL|INT|UINT)_\w+" is undefined', "#include <cuda/std/limits>, or write the number"),
    (r'identifier "u(?:int|short|long|char)" is undefined', "write unsigned int and the like"),
    (
        r"too much shared data",
        "more than 48 KiB of shared memory must be extern __shared__, its size the Kernel's shared_bytes",
    ),
)  # fmt: skip
"""What is often met, in the words of NVRTC, ptxas, g++ or the assembler, and what to do."""


def errors_of(message: str) -> list[str]:
    """The lines of a compiler's message that tell of an error, each on one line; its first where none does."""
    lines = [" ".join(line.split()) for line in message.splitlines()]
    errors = [line for line in lines if _ERROR.search(line) and not _SUMMARY.search(line)]
    return list(dict.fromkeys(errors)) or [line for line in lines if line][:1]


def first_errors(failure: CompileFailure) -> str:
    """The first errors in one line; how many more there are and where all is; and a hint where one is known."""
    errors = errors_of(failure.message)
    shown = "; ".join(error if len(error) <= LENGTH else error[:LENGTH] + "…" for error in errors[:SHOWN])
    if failure.unit.source.name not in shown:  # ptxas and the linker name functions alone
        shown = f"{failure.unit.source}: {shown}"
    more = len(errors) - SHOWN
    if more > 0:
        where = f", all in {failure.log}" if failure.log else ""
        shown += f" (and {more} more{where})"
    hint = hint_of(errors)
    return f"{shown}; {hint}" if hint else shown


def hint_of(errors: list[str]) -> str:
    """What to do about the first error that is known; empty where none is."""
    for error in errors:
        for pattern, hint in KNOWN:
            if re.search(pattern, error):
                return hint
    return ""
