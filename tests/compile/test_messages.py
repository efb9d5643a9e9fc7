"""A compiler's message in one line: its first errors, where the rest is, and what to do about the known ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.compile import CompileFailure, Unit, first_errors

UNIT = Unit(Path("/k/mine.cu"), "float32", (), "host")
G_PLUS_PLUS = """In file included from /k/mine.cu:1:
/k/mine.cu:4:9: error: 'a' was not declared in this scope
    4 |         a[i] = 0;
      |         ^
/k/mine.cu:5:9: error: 'b' was not declared in this scope
/k/mine.cu:5:9: error: 'b' was not declared in this scope
/k/mine.cu:6:9: error: 'c' was not declared in this scope
"""


def test_the_first_errors_and_where_the_rest_is() -> None:
    line = first_errors(CompileFailure(UNIT, G_PLUS_PLUS, Path("/cache/x.failed.txt")))
    assert line == (
        "/k/mine.cu:4:9: error: 'a' was not declared in this scope; "
        "/k/mine.cu:5:9: error: 'b' was not declared in this scope (and 1 more, all in /cache/x.failed.txt)"
    )


def test_what_only_counts_the_errors_is_none() -> None:
    said = '/k/mine.cu(3): error: identifier "oops" is undefined\n1 error detected in the compilation of "/k/mine.cu".'
    assert first_errors(CompileFailure(UNIT, said)) == '/k/mine.cu(3): error: identifier "oops" is undefined'


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ('/k/mine.cu(1): catastrophic error: cannot open source file "stdio.h"', "leave this include out"),
        ('/k/mine.cu(1): catastrophic error: cannot open source file "cstdint"', "leave this include out"),
        ('/k/mine.cu(1): error: identifier "INFINITY" is undefined', "write __int_as_float(0x7f800000)"),
        ('/k/mine.cu(1): error: identifier "FLT_MAX" is undefined', "#include <cuda/std/limits>"),
        ('/k/mine.cu(1): error: identifier "uint" is undefined', "write unsigned int"),
        ('/k/mine.cu(1): catastrophic error: cannot open source file "curand_kernel.h"', "or a step of the plan"),
        ('/k/mine.cu(1): catastrophic error: cannot open source file "tile.h"', "put it beside the source"),
        ('/k/mine.cu(1): error: identifier "__shfl_down" is undefined', "write __shfl_down_sync(mask"),
        ("/k/mine.cu(1): error: device-side kernel launch could not be processed", "each a step of the plan"),
        ("/k/mine.cu(1): error: dynamic initialization is not supported for a __device__ variable", "with a constant"),
        ("ptxas error   : Entry function 'k' uses too much shared data", "the Kernel's shared_bytes"),
    ],
)
def test_what_is_often_met_says_what_to_do(said: str, hint: str) -> None:
    line = first_errors(CompileFailure(UNIT, said))
    assert hint in line and "/k/mine.cu" in line


def test_a_message_without_an_error_is_its_first_line() -> None:
    assert first_errors(CompileFailure(UNIT, "\ncc1plus: killed\nmore")) == "/k/mine.cu: cc1plus: killed"
