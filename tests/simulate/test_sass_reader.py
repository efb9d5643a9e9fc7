"""SASS as text and as ELF: what is read, what is refused, and that refusals name kernel, address and instruction."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from tests.simulate.sass_lines import facts, printed, run, state_of
from workbench.catalog import load_catalog
from workbench.compile import Binary, build_units, unit_of
from workbench.declare import Kernel, Shape
from workbench.problem import Problem
from workbench.simulate.sass.coverage import coverage
from workbench.simulate.sass.cubin import kernel_of, kernels_of
from workbench.simulate.sass.lower import load_kernel, lower, lower_line, without_padding
from workbench.simulate.sass.operands import Address, Kind, UnknownOperand, double_bits, float_bits, parse_operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.text import sections_of


@pytest.fixture(scope="module")
def cubin() -> Path:
    catalog = load_catalog()
    operation, variant = catalog.operation("scan"), catalog.variant("scan/warp_shuffle")
    plan = variant.plan(Shape.of("float32", **operation.small), variant.default_settings())
    step = next(step for step in plan.steps if isinstance(step, Kernel))
    unit = unit_of(step, "float32", "sm_90")
    built = build_units([unit])[unit]
    assert isinstance(built, Binary)
    return built.path


def test_operands() -> None:
    found = parse_operand("-|R12|.H1_H1")
    assert (found.kind, found.number, found.negated, found.absolute, found.suffixes) == (
        Kind.REGISTER,
        12,
        True,
        True,
        ("H1_H1",),
    )
    assert parse_operand("~UR4").inverted and parse_operand("!UP3").negated and parse_operand("PT").number == 255
    assert parse_operand("desc[UR4][R2.64+UR6+-0x10]").address == Address(2, 2, 0, 6, -16)
    assert parse_operand("[R3.X8+0x40]").address == Address(3, 1, 3, 255, 0x40)
    constant = parse_operand("c[0x2][R4+0x18]")
    assert (constant.number, constant.address) == (2, Address(4, 1, 0, 255, 0x18))
    assert float_bits("-INF") == 0xFF800000 and float_bits("1.4426950216293334961") == 0x3FB8AA3B
    assert double_bits("+INF") == 0x7FF0000000000000 and double_bits("1") == 0x3FF0000000000000


@pytest.mark.parametrize(
    "text", ["R1.H2_H2", "|R1", "R1.Q", "[R1+R2]", "[R1*4]", "c[0x0]", "Rpc.HI", "P9x", "1.2.3", "`(", "cx[UR4][0x0]"]
)
def test_operands_that_the_grammar_does_not_hold(text: str) -> None:
    with pytest.raises(UnknownOperand):
        parse_operand(text)


def test_control_codes() -> None:
    # Stall 5, no yield, write barrier 2, read barrier none, waits for counters 0 and 3.
    high = (5 | 1 << 4 | 2 << 5 | 7 << 8 | 0b001001 << 11) << 41
    line = sections_of(printed([("MOV R0, R1", high << 64)]), "test")["k"].lines[0]
    control = line.control
    assert (control.stall, control.yields, control.write_barrier, control.read_barrier, control.wait) == (
        5,
        False,
        2,
        7,
        9,
    )


UNKNOWN = {
    "IADD4 R0, R1, R2, R3": "opcode IADD4 is not known",
    "IADD3.SAT R0, R1, R2, R3": "modifier .SAT is not known",
    "IADD3 R0, R1, R2": "operand 4 is not what the form has there",
    "IADD3 R0, R1, R2, R3, R4": "1 operands too many",
    "IADD3 R0, |R1|, R2, R3": "operand with a modifier",
    "PRMT R0, -R1, R2, R3": "operand with a modifier",
    "SHF.L R0, R1, R2, R3": "is missing",
    "LDG.E.256 R0, [R2.64]": "operands are not what the form has",
    "LDG.E.512 R0, [R2.64]": "modifier .512 is not known",
    "LDG.E R0, R2": "an address is missing",
    "BRA `(.L_x_7)": "label .L_x_7 is not in this kernel",
    "MOV R0, c[0x0][0x120]": "a word of the driver that is not known",
    "MOV R0, c[0x3][0x0]": "behind the 0 bytes of that bank",
    "S2R R0, SR_NOSUCH": "special register SR_NOSUCH is not known",
    "MUFU.ERF R0, R1": "modifier .ERF is not known",
    "MOV R0, cx[UR4][0x0]": "operand cx[UR4][0x0] is not known",
    "UTMALDG.2D [UR8], [UR4]": "opcode UTMALDG is not run: the tensor memory accelerator",
    "MOV P0, R1": "operand 1 is not what the form has there",
    "IADD3 R0, !R1, R2, R3": "operand !R1 is not known",
    "MOV R0, R1 junk": "operand",
}


@pytest.mark.parametrize("line", UNKNOWN)
def test_what_is_not_known_is_refused_by_name_and_address(line: str) -> None:
    lines = ["MOV R1, R2", line, "EXIT"]
    section = sections_of(printed(lines), "test")["k"]
    with pytest.raises(Problem) as refused:
        lower(facts(len(lines)), section)
    text = str(refused.value)
    assert UNKNOWN[line] in text and "kernel k" in text and "\n" not in text
    assert "at 0x10: " + line.split()[0] in text


def test_text_that_nvdisasm_does_not_print_is_refused() -> None:
    text = printed(["MOV R0, R1", "EXIT"])
    for broken in (text.replace("MOV R0, R1 ;", "mov r0"), text.replace("/*0010*/", "/*001"), text + "what is this"):
        with pytest.raises(Problem, match="not understood"):
            sections_of(broken, "test")
    with pytest.raises(Problem, match="second half"):
        sections_of("\n".join(text.splitlines()[:-1]) + "\n.L_x_1:\n", "test")
    with pytest.raises(Problem, match="inside an instruction"):
        sections_of("\n".join(text.splitlines()[:-1]), "test")


def test_every_register_that_a_line_may_name_has_a_row() -> None:
    kernel = state_of(["LDG.E.128 R248, [R2.64]", "MOV UR62, UR4", "EXIT"])
    assert lower_line(kernel.lines[0], kernel).operands[4] < kernel.registers.file.words
    with pytest.raises(Refusal, match="register R300"):
        kernel.registers.register(300)
    with pytest.raises(Refusal, match="register UR66, of 66"):
        kernel.registers.uniform(66)


def test_padding_behind_the_last_exit_is_no_instruction_of_the_kernel() -> None:
    section = sections_of(printed(["MOV R0, R1", "EXIT", "BRA `(.L_x_0)", "NOP", "NOP"]), "test")["k"]
    section.labels[".L_x_0"] = 0x20
    assert [line.base for line in without_padding(section)] == ["MOV", "EXIT"]


def test_a_jump_through_a_register_lands_on_an_instruction() -> None:
    lines = ["MOV R4, 0x40", "BRX R4 -0x20", "MOV R0, 0x1", "EXIT", "MOV R0, 0x2"]
    assert set(run(lines, {1: [0] * 32}).registers[0].tolist()) == {2}


def test_facts_of_a_cubin(cubin: Path) -> None:
    found = kernel_of(cubin, "scan_warp_shuffle")
    assert found.arch == "sm_90" and found.parameter_base == 0x210 and found.registers > 16
    offsets = [offset for offset, _ in found.parameters]
    assert offsets == sorted(offsets) and found.parameters[-1][0] + found.parameters[-1][1] == found.parameter_bytes
    assert found.static_shared >= found.reserved_shared == 0x400
    with pytest.raises(Problem, match="kernel"):
        kernel_of(cubin, "no_such_kernel")


def test_every_instruction_of_a_cubin_is_known_and_has_its_source_line(cubin: Path) -> None:
    known = coverage(cubin)
    assert not known.unknown and known.kernels == {"scan_warp_shuffle": True} and known.known["EXIT"] > 0
    loaded = load_kernel(cubin)
    assert len(loaded.lines) == len(loaded.program.instructions) == sum(known.known.values())
    assert all(line.source_line > 0 for line in loaded.lines if line.base == "SHFL")
    assert any(line.source_file.endswith("warp_shuffle.cu") for line in loaded.lines)


def test_a_cubin_cut_short_or_changed_gives_one_line(cubin: Path, tmp_path: Path) -> None:
    whole = cubin.read_bytes()
    broken = tmp_path / "broken.cubin"
    chooser = random.Random(3)
    cuts = [0, 1, 15, 63, 64, 500, len(whole) // 2, len(whole) - 1]
    for cut in cuts:
        broken.write_bytes(whole[:cut])
        with pytest.raises(Problem) as refused:
            kernels_of(broken)
        assert "\n" not in str(refused.value) and str(broken) in str(refused.value)
    for _ in range(200):
        changed = bytearray(whole)
        for _ in range(8):
            changed[chooser.randrange(len(changed)) if chooser.random() < 0.3 else chooser.randrange(0x40)] = (
                chooser.randrange(256)
            )
        broken.write_bytes(changed)
        try:
            kernels_of(broken)
        except Problem as refused:
            assert "\n" not in str(refused)


def test_a_cubin_that_a_driver_has_loaded_is_read_without_its_elf(cubin: Path, tmp_path: Path) -> None:
    """Older drivers put the address on the device into a kernel's symbol; nvdisasm then finds no code."""
    code = bytearray(cubin.read_bytes())
    (table,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    for k in range(count):
        _, kind, _, _, offset, length = struct.unpack_from("<IIQQQQ", code, table + k * size)
        for at in range(offset, offset + length - 23, 24) if kind == 2 else ():
            if code[at + 4] & 15 == 2:  # a function
                struct.pack_into("<Q", code, at + 8, 0x7F5E16FB2900)
    loaded = tmp_path / "loaded.cubin"
    loaded.write_bytes(code)
    one, other = load_kernel(cubin).program, load_kernel(loaded).program
    plain = [[(i.form, i.operands, i.flow, i.target, i.guard) for i in p.instructions] for p in (one, other)]
    assert (
        plain[0] == plain[1] and any(i.line for i in one.instructions) and not any(i.line for i in other.instructions)
    )
