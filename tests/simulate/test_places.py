"""What messages call a module's variables and functions, and which line they name of an instruction that has none."""

from __future__ import annotations

import pytest

from tests.simulate.one_opcode import HEAD
from workbench.problem import Problem
from workbench.simulate.found import place
from workbench.simulate.launch import Options, SimulationFault
from workbench.simulate.memory import OF_MODULE, Memory
from workbench.simulate.plan import Loaded
from workbench.simulate.ptx import read_module

BODY = ".visible .entry k()\n{{\n.reg .b64 %at; .reg .b32 %n;\n{}\nret;\n}}\n"
LINES = (
    ".loc 1 7 0\nmov.u64 %at, lut;\n.loc 1 0 0\nmov.u32 %n, 1;\n.loc 1 9 0\nmov.u32 %n, 2;\n.loc 1 0 0\nmov.u32 %n, 3;"
)
LUT = HEAD + ".visible .const .align 1 .b8 lut[8];\n"


def test_a_variable_is_named_without_its_file() -> None:
    loaded = Loaded(
        read_module(LUT + BODY.format("mov.u64 %at, lut; ld.const.u32 %n, [%at+8];")), Memory(), f"0a1b{OF_MODULE}"
    )
    with pytest.raises(SimulationFault, match="behind the end of lut "):
        loaded.launch_packed(loaded.program("k"), b"", (1, 1, 1), (1, 1, 1), 0, Options())


def test_a_function_whose_address_is_taken_is_an_indirect_call() -> None:
    text = f"{HEAD}.func f()\n{{\nret;\n}}\n.global .align 8 .u64 table[1] = {{f}};\n"
    with pytest.raises(Problem, match="the address of function f is taken: indirect and virtual calls are not"):
        Loaded(read_module(text + BODY.format("")), Memory(), f"0a1b{OF_MODULE}")


def test_what_has_no_line_is_near_the_one_behind_it_or_else_the_one_before() -> None:
    program = read_module(LUT + BODY.format(LINES) + '.file 1 "/k/mine.cu"\n').program("k")
    told = [place(program, at).rpartition(":")[0] for at in range(4)]
    assert told == ["mine.cu line 7", "mine.cu near line 9", "mine.cu line 9", "mine.cu near line 9"]
