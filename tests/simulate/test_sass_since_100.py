"""Forms that machine code has since sm_100 and since sm_120, each against Python's integers or numpy's floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.simulate.one_opcode import HEAD
from tests.simulate.sass_lines import LANES, facts, operands, run, state_of
from workbench.simulate.launch import Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.program import Special
from workbench.simulate.ptx import read_module
from workbench.simulate.sass.lower import lower_line
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.registers import SHARED_WINDOW, Registers, front_of

M64 = 1 << 64
LATE = {"arch": "sm_120", "parameter_base": 0x380}
EDGES64 = (0, 1, 2, 3, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, 1 << 63, M64 - 1, M64 - 16, M64 - 15)


def signed(value: int) -> int:
    value %= M64
    return value - M64 if value >> 63 else value


def pairs(count: int, seed: int) -> list[list[int]]:
    """Values of 64 bits for each lane: edges beside anything, and equal ones."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        words = random.integers(0, 1 << 64, LANES, np.uint64)
        rows.append([int(w) if lane % 3 else EDGES64[random.integers(len(EDGES64))] for lane, w in enumerate(words)])
    rows[1][::5] = rows[0][::5]
    return rows


def halves(first: int, values: list[int]) -> dict[int, Any]:
    return {first: [v & 0xFFFFFFFF for v in values], first + 1: [v >> 32 for v in values]}


def wide(after: Any, first: int) -> list[int]:
    low, high = after.registers[first], after.registers[first + 1]
    return [int(a) | int(b) << 32 for a, b in zip(low, high, strict=True)]


WIDE: list[tuple[str, Callable[[int, int, bool], int]]] = [
    ("IADD.64 R8, R2, R4", lambda a, b, p: a + b),
    ("IADD.64 R8, R2, -R4", lambda a, b, p: a - b),
    ("IADD.64 R8, -R2, R4", lambda a, b, p: b - a),
    ("IADD.64 R8, R2, 0x1c", lambda a, b, p: a + 0x1C),
    ("IADD.64 R8, R2, -0x1", lambda a, b, p: a - 1),
    ("MOV.64 R8, R2", lambda a, b, p: a),
    ("MOV.64 R8, 0xffffffffffffffe8", lambda a, b, p: 0xFFFFFFFFFFFFFFE8),
    ("SEL.64 R8, R2, R4, P0", lambda a, b, p: a if p else b),
    ("SEL.64 R8, R2, -0x1, !P0", lambda a, b, p: M64 - 1 if p else a),
    ("IMNMX.S64 PT, PT, R8, R2, R4, PT, !PT", lambda a, b, p: min(a, b, key=signed)),
    ("IMNMX.S64 PT, PT, R8, R2, R4, !PT, !PT", lambda a, b, p: max(a, b, key=signed)),
    ("IMNMX.U64 PT, PT, R8, R2, R4, PT, !PT", lambda a, b, p: min(a, b)),
    ("IMNMX.U64 PT, PT, R8, R2, 0x4, !PT, !PT", lambda a, b, p: max(a, 4)),
]


@pytest.mark.parametrize(("line", "expected"), WIDE, ids=[line for line, _ in WIDE])
def test_integers_of_64_bits(line: str, expected: Callable[[int, int, bool], int]) -> None:
    a, b = pairs(2, seed=len(line))
    holds = [lane % 2 for lane in range(LANES)]
    after = run([line], {**halves(2, a), **halves(4, b)}, {0: holds}, results=(8, 9), **LATE)
    assert wide(after, 8) == [expected(x, y, bool(p)) % M64 for x, y, p in zip(a, b, holds, strict=True)]


COMPARED: list[tuple[str, Callable[[int, int], bool]]] = [
    ("ISETP.GE.S64.AND P1, PT, R2, R4, PT", lambda a, b: signed(a) >= signed(b)),
    ("ISETP.LT.U64.AND P1, PT, R2, R4, PT", lambda a, b: a < b),
    ("ISETP.GT.U64.AND P1, PT, R2, -0x10, PT", lambda a, b: a > M64 - 16),
    ("ISETP.LE.S64.AND P1, PT, R2, 0x1, PT", lambda a, b: signed(a) <= 1),
    ("ISETP.EQ.U64.AND P1, PT, R2, R4, PT", lambda a, b: a == b),
    ("ISETP.NE.S64.AND P1, PT, R2, RZ, PT", lambda a, b: a != 0),
]


@pytest.mark.parametrize(("line", "expected"), COMPARED, ids=[line for line, _ in COMPARED])
def test_comparisons_of_64_bits(line: str, expected: Callable[[int, int], bool]) -> None:
    a, b = pairs(2, seed=len(line))
    after = run([line], {**halves(2, a), **halves(4, b)}, result_predicates=(1,), **LATE)
    assert after.predicates[1] == [expected(x, y) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("joined", ["AND", "OR", "XOR"])
def test_a_comparison_of_64_bits_is_joined_with_a_predicate_and_has_a_complement(joined: str) -> None:
    a, b = pairs(2, seed=7)
    before = [lane % 3 == 0 for lane in range(LANES)]
    line = f"ISETP.LT.S64.{joined} P1, P2, R2, R4, !P3"
    after = run([line], {**halves(2, a), **halves(4, b)}, {3: before}, result_predicates=(1, 2), **LATE)
    join = {"AND": lambda x, y: x and y, "OR": lambda x, y: x or y, "XOR": lambda x, y: x != y}[joined]
    less = [signed(x) < signed(y) for x, y in zip(a, b, strict=True)]
    assert after.predicates[1] == [join(one, not p) for one, p in zip(less, before, strict=True)]
    assert after.predicates[2] == [join(not one, not p) for one, p in zip(less, before, strict=True)]


def test_sums_of_two_words_carry_out_and_in() -> None:
    """IADD and IADD.X: a difference of 64 bits, as ptxas writes it for sm_120."""
    a, b = pairs(2, seed=3)
    lines = ["IADD R8, P1, R2, -R4", "IADD.X R9, R3, ~R5, P1"]
    after = run(lines, {**halves(2, a), **halves(4, b)}, results=(8, 9), **LATE)
    assert wide(after, 8) == [(x - y) % M64 for x, y in zip(a, b, strict=True)]
    plain = run(["IADD R8, R2, -R4", "IADD R9, R3, 0x7"], {**halves(2, a), **halves(4, b)}, results=(8, 9), **LATE)
    assert list(plain.registers[8]) == [(x - y) % (1 << 32) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("sign", ["", "-"])
def test_sums_of_64_bits_carry(sign: str) -> None:
    """A difference borrows nothing where it carries: 0 - 0 does."""
    (a, b), before = pairs(2, seed=6), [lane % 2 for lane in range(LANES)]
    lines = [f"IADD.64 R8, P1, R2, {sign}R4", "IADD.64.X R10, P2, R2, ~R4, P0"]
    after = run(lines, {**halves(2, a), **halves(4, b)}, {0: before}, (8, 9, 10, 11), (1, 2), **LATE)
    sums = [x + (y if not sign else (M64 - 1 - y) + 1) for x, y in zip(a, b, strict=True)]
    assert wide(after, 8) == [s % M64 for s in sums] and after.predicates[1] == [s >= M64 for s in sums]
    sums = [x + (M64 - 1 - y) + p for x, y, p in zip(a, b, before, strict=True)]
    assert wide(after, 10) == [s % M64 for s in sums] and after.predicates[2] == [s >= M64 for s in sums]


def test_sums_without_carries_are_written_with_pt_since_sm_100() -> None:
    a, b, c = operands(3, seed=5)
    lines = ["IADD3 R8, PT, PT, R2, -R3, R4", "IADD3 R9, PT, PT, R2, R3, R4"]
    after = run(lines, {2: a, 3: b, 4: c}, results=(8, 9), arch="sm_100", parameter_base=0x380)
    assert (after.registers[8] == a - b + c).all() and (after.registers[9] == a + b + c).all()


def test_the_uniform_datapath_adds_64_bits_and_moves_them() -> None:
    a, b = [M64 - 3] * LANES, [0x1234567890] * LANES
    lines = [
        "R2UR UR4, R2", "R2UR UR5, R3", "R2UR UR6, R4", "R2UR UR7, R5",
        "UIADD3.64 UR8, UPT, UPT, -UR4, UR6, URZ", "UMOV.64 UR10, 0xfffffffffffffffa",
        "UIADD3.64 UR8, UPT, UPT, UR8, 0x8, UR10", "MOV.64 R8, UR8",
    ]  # fmt: skip
    after = run(lines, {**halves(2, a), **halves(4, b)}, results=(8, 9), **LATE)
    assert wide(after, 8) == [(y - x + 8 - 6) % M64 for x, y in zip(a, b, strict=True)]


def test_the_uniform_datapath_converts() -> None:
    a = [4_000_000_001] * LANES
    after = run(["R2UR UR4, R2", "UI2F.U32.RP UR5, UR4", "UF2I.FTZ.U32.TRUNC.NTZ UR6, UR5", "MOV R8, UR6"],
                {2: a}, results=(8,), **LATE)  # fmt: skip
    assert set(after.registers[8].tolist()) == {4_000_000_256}


def test_a_uniform_register_is_kept_in_another_and_taken_back() -> None:
    lines = ["R2UR UR4, R2", "MOV.SPILL R7, UR4", "UMOV UR4, 0x5", "R2UR.FILL UR4, R7", "MOV R8, UR4"]
    assert set(run(lines, {2: [77] * LANES}, results=(8,), **LATE).registers[8].tolist()) == {77}


@pytest.mark.parametrize("kind", ["", ".U32"])
def test_least_and_most_of_three_integers(kind: str) -> None:
    a, b, c = operands(3, seed=9)
    lines = [f"VIMNMX3{kind} R8, R2, R3, R4, PT", f"VIMNMX3{kind} R9, R2, R3, R4, !PT",
             f"VIMNMX{kind} R10, PT, PT, R2, R3, !PT"]  # fmt: skip
    after = run(lines, {2: a, 3: b, 4: c}, results=(8, 9, 10), arch="sm_100")
    of = np.stack([a, b, c]).view(np.uint32 if kind else np.int32)
    assert (after.registers[8] == of.min(0).view(np.uint32)).all()
    assert (after.registers[9] == of.max(0).view(np.uint32)).all()
    assert (after.registers[10] == of[:2].max(0).view(np.uint32)).all()


def test_sums_held_to_a_signed_word() -> None:
    a, b = operands(2, seed=11)
    after = run(["VIADD.S32.ISAT R8, R2, R3", "VIADD.S32.ISAT R9, R2, -R3"], {2: a, 3: b}, results=(8, 9), **LATE)
    x, y = (of.view(np.int32).astype(np.int64) for of in (a, b))
    for number, exact in ((8, x + y), (9, x - y)):
        assert (after.registers[number].view(np.int32) == np.clip(exact, -(1 << 31), (1 << 31) - 1)).all()


def test_least_and_most_of_parts_of_words() -> None:
    a, b = operands(2, seed=12)
    bytes_of = run(["VIMNMX.U8x4 R8, R2, R3, PT", "VIMNMX.S8x4 R9, R2, R3, !PT"], {2: a, 3: b}, results=(8, 9), **LATE)
    assert (bytes_of.registers[8].view(np.uint8) == np.minimum(a.view(np.uint8), b.view(np.uint8))).all()
    assert (bytes_of.registers[9].view(np.int8) == np.maximum(a.view(np.int8), b.view(np.int8))).all()
    summed = run(["VIADD.U8x4 R8, R2, -R3"], {2: a, 3: b}, results=(8,), **LATE).registers[8]
    assert (summed.view(np.uint8) == a.view(np.uint8) - b.view(np.uint8)).all()
    halves_of = run(["VIMNMX.S16x2 R8, PT, PT, R2, R3, !PT"], {2: a, 3: b}, results=(8,), arch="sm_100")
    assert (halves_of.registers[8].view(np.int16) == np.maximum(a.view(np.int16), b.view(np.int16))).all()


def floats(count: int, seed: int) -> Any:
    """Rows of floats, some of them zeros, infinities, denormals and no numbers."""
    random = np.random.default_rng(seed)
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1.0], np.float32)
    rows = random.standard_normal((count, LANES)).astype(np.float32)
    return np.where(random.random((count, LANES)) < 0.4, random.choice(edges, (count, LANES)), rows).astype(np.float32)


@pytest.mark.parametrize("nan", ["", ".NAN"])
def test_least_and_most_of_three_floats(nan: str) -> None:
    rows = floats(3, seed=2)
    a, b, c = rows.view(np.uint32)
    after = run([f"FMNMX3{nan} R8, R2, -R3, |R4|, PT", f"FMNMX3{nan} R9, R2, R3, R4, !PT"],
                {2: a, 3: b, 4: c}, results=(8, 9), arch="sm_100")  # fmt: skip
    changed = np.stack([rows[0], -rows[1], abs(rows[2])])
    least, most = (np.minimum, np.maximum) if nan else (np.fmin, np.fmax)
    for number, of, take in ((8, changed, least), (9, rows, most)):
        made, expected = after.registers[number].view(np.float32), take.reduce(of, axis=0)
        assert np.array_equal(made, expected, equal_nan=True), (made, expected)


PAIRS: list[tuple[str, Callable[[Any, Any, Any], Any]]] = [
    ("FADD2 R8, R2.F32x2.HI_LO, -R4.F32x2.HI_LO", lambda a, b, c: a - b),
    ("FMUL2 R8, R2.F32x2.HI_LO, R4.F32x2.HI_LO", lambda a, b, c: a * b),
    ("FFMA2 R8, R2.F32x2.HI_LO, R4.F32x2.HI_LO, -R6.F32x2.HI_LO",
     lambda a, b, c: (a.astype(np.float64) * b - c).astype(np.float32)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), PAIRS, ids=[line.split()[0] for line, _ in PAIRS])
def test_two_floats_in_a_pair_of_registers(line: str, expected: Callable[[Any, Any, Any], Any]) -> None:
    rows = np.random.default_rng(4).integers(-999, 999, (6, LANES)).astype(np.float32) / 8  # exact in every order
    given = {2 + k: row.view(np.uint32) for k, row in enumerate(rows)}
    after = run([line], given, results=(8, 9), arch="sm_100")
    for half in (0, 1):
        a, b, c = rows[half], rows[2 + half], rows[4 + half]
        assert np.array_equal(after.registers[8 + half].view(np.float32), expected(a, b, c))


def test_where_the_driver_leaves_a_launch() -> None:
    """As ptxas addresses blockDim, gridDim, the stack and the window of local memory, before sm_100 and since."""
    for arch, block, grid, stack, window in (("sm_90", 0x0, 0xC, 0x28, 0x20), ("sm_120", 0x360, 0x370, 0x37C, 0x2F8)):
        registers = Registers(facts(1, arch=arch, parameter_base=0x380, local_bytes=48), 8, 0)
        file = registers.file
        sizes = [registers.constant_word(0, at + 4 * k) for at in (block, grid) for k in range(3)]
        assert sizes == [file.specials[Special(what)] for what in (3, 4, 5, 9, 10, 11)]
        assert registers.constant_word(0, stack) == file.constant(48)
        assert registers.constant_pair(0, window) == file.constant(0x7D_0000_0000, 2)
        with pytest.raises(Refusal, match="a word of the driver that is not known"):
            registers.constant_word(0, 0x150)
    assert front_of(89).words(0)[0x1C] == SHARED_WINDOW >> 32 and front_of(121) == front_of(100)


def test_constants_are_loaded_four_words_at_a_time() -> None:
    lines = ["LDCU.128 UR4, c[0x0][0x380]", "MOV.64 R8, UR4", "MOV.64 R10, UR6"]
    one_by_one = ["LDC.64 R12, c[0x0][0x380]", "MOV R2, 0x8", "LDC.64 R14, c[0x0][R2+0x380]"]
    after = run([*lines, *one_by_one], results=range(8, 16), **LATE)
    assert wide(after, 8) == wide(after, 12) != wide(after, 10) == wide(after, 14) and all(wide(after, 10))


def test_eight_words_are_stored_late_as_well() -> None:
    """The longest access there is, held back as long as the memory model allows."""
    at = "mov.u32 %n, %tid.x; mul.wide.u32 %at, %n, 32; add.s64 %in, %in, %at; add.s64 %out, %out, %at;"
    words = ", ".join(f"%w{k}" for k in range(8))
    text = f"""{HEAD.replace("sm_90", "sm_100")}
.visible .entry k(.param .u64 k_in, .param .u64 k_out)
{{
    .reg .b32 %n, {words}; .reg .b64 %in, %out, %at;
    ld.param.u64 %in, [k_in]; ld.param.u64 %out, [k_out]; {at}
    ld.global.v8.b32 {{{words}}}, [%in]; st.global.v8.b32 [%out], {{{words}}};
    ret;
}}
"""
    memory, given = Memory(), np.arange(8 * LANES, dtype=np.uint32)
    memory.put("in", given)
    memory.put("out", np.zeros_like(given), writable=True)
    parameters = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    simulate(read_module(text).program("k"), (1, 1, 1), (LANES, 1, 1), parameters, memory, options=Options(delays=True))
    assert (memory.array("out") == given).all()


def test_accesses_of_eight_words_name_two_groups_of_registers() -> None:
    """Of a load the upper four words come first, of a store the lower: as ptxas writes ld and st of .v8.f32."""
    lines = ["LDG.E.ENL2.256 R12, R8, desc[UR4][R2.64]", "STG.E.ENL2.256 desc[UR4][R4.64], R8, R12"]
    kernel = state_of(lines, arch="sm_100")
    load, store = (lower_line(line, kernel) for line in kernel.lines)
    rows = [kernel.registers.register(8 + k) for k in range(8)]
    assert [list(one.operands[1:]) for one in (load, store)] == [rows, rows]
    assert (load.form, store.form) == (
        "load",
        "store",
    ) and load.elements * load.bytes == store.elements * store.bytes == 32


REFUSED = [
    ("IADD.64 R8, R2, R4", "sm_90", "known from sm_120 on"),
    ("IMNMX.S64 P0, PT, R8, R2, R4, PT, !PT", "sm_120", "operand 1 is not what the form has"),
    ("IMNMX.S64 PT, PT, R8, R2, R4, PT, P2", "sm_120", "operand 7 is not what the form has"),
    ("IMNMX.S64 PT, PT, R8, R2, R4, PT, PT", "sm_120", "operand 7 is not what the form has"),
    ("UIADD3.64 UR8, UP0, UPT, UR4, UR6, URZ", "sm_120", "operand"),
    ("FADD2 R8, R2.F32x2.HI_LO, R4", "sm_100", "operand with a modifier"),
    ("LDG.E.ENL2.256 R8, desc[UR4][R2.64]", "sm_100", "operands are not what the form has"),
    ("UTCATOMSWS.FIND_AND_SET.ALIGN UP0, UR4, UR8", "sm_100", "opcode UTCATOMSWS is not run: tensor memory"),
    ("UTMALDG.2D [UR8], [UR4]", "sm_100", "opcode UTMALDG is not run: the tensor memory accelerator"),
]


@pytest.mark.parametrize(("line", "arch", "why"), REFUSED, ids=[line.split()[0] + arch for line, arch, _ in REFUSED])
def test_what_is_not_known_is_refused_by_name(line: str, arch: str, why: str) -> None:
    kernel = state_of([line, "MOV R9, UR9"], arch=arch)
    with pytest.raises(Refusal, match=why):
        lower_line(kernel.lines[0], kernel)
