"""Each integer form of SASS against Python's integers: carries, high words, tables, shifts, bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.simulate.sass_lines import LANES, operands, run

M, M64 = 1 << 32, 1 << 64


def signed(value: int, bits: int = 32) -> int:
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def shifted(low: int, high: int, by: int, left: bool, bits: int, is_signed: bool, wraps: bool, top: bool) -> int:
    pair = high << 32 | low
    count = by % bits if wraps else min(by, bits)
    moved = pair << count if left else (signed(pair, 64) if is_signed else pair) >> count
    return moved >> 32 & (M - 1) if top else moved & (M - 1)


def permuted(a: int, select: int, b: int) -> int:
    pair, made = b << 32 | a, 0
    for k in range(4):
        nibble = select >> 4 * k & 15
        byte = pair >> 8 * (nibble & 7) & 255
        made |= ((255 if byte & 128 else 0) if nibble & 8 else byte) << 8 * k
    return made


def table(lut: int, a: int, b: int, c: int) -> int:
    return sum((lut >> ((a >> k & 1) << 2 | (b >> k & 1) << 1 | (c >> k & 1)) & 1) << k for k in range(32))


def leading(x: int, is_signed: bool, shift: bool) -> int:
    if is_signed and x >> 31:
        x ^= M - 1
    return M - 1 if x == 0 else 32 - x.bit_length() if shift else x.bit_length() - 1


def extended(x: int, bits: int, zeros: bool) -> int:
    bits = min(bits, 32)
    return 0 if bits == 0 else (x % (1 << bits) if zeros else signed(x, bits))


ONE_RESULT: list[tuple[str, Callable[[int, int, int], int]]] = [
    ("MOV R0, R1", lambda a, b, c: a),
    ("IADD3 R0, R1, R2, R3", lambda a, b, c: a + b + c),
    ("IADD3 R0, -R1, R2, RZ", lambda a, b, c: b - a),
    ("IADD3 R0, R1, 0x7fffffff, -R3", lambda a, b, c: a + 0x7FFFFFFF - c),
    ("IADD3 R0, ~R1, R2, R3", lambda a, b, c: ~a + b + c),
    ("VIADD R0, R1, 0xffffffe", lambda a, b, c: a + 0xFFFFFFE),
    ("VIADD R0, R1, -R2", lambda a, b, c: a - b),
    ("IMAD R0, R1, R2, R3", lambda a, b, c: a * b + c),
    ("IMAD.MOV.U32 R0, RZ, RZ, R3", lambda a, b, c: c),
    ("IMAD.MOV R0, RZ, RZ, -R3", lambda a, b, c: -c),
    ("IMAD.IADD R0, R1, 0x1, R3", lambda a, b, c: a + c),
    ("IMAD.SHL.U32 R0, R1, 0x80, RZ", lambda a, b, c: a << 7),
    ("IMAD R0, R1, -R2, R3", lambda a, b, c: c - a * b),
    ("LEA R0, R1, R2, 0x5", lambda a, b, c: (a << 5) + b),
    ("LEA.HI R0, R1, R2, R3, 0x5", lambda a, b, c: ((c << 32 | a) << 5 >> 32) + b),
    ("LEA.HI.SX32 R0, R1, R2, 0x1d", lambda a, b, c: (signed(a) << 29 >> 32) + b),
    ("LOP3.LUT R0, R1, R2, R3, 0x96, !PT", lambda a, b, c: a ^ b ^ c),
    ("LOP3.LUT R0, R1, R2, R3, 0xe8, !PT", lambda a, b, c: (a & b) | (a & c) | (b & c)),
    ("LOP3.LUT R0, ~R1, R2, R3, 0x2a, !PT", lambda a, b, c: table(0x2A, ~a % M, b, c)),
    ("PRMT R0, R1, R2, R3", lambda a, b, c: permuted(a, b, c)),
    ("PRMT R0, R1, 0x5410, R3", lambda a, b, c: (a & 0xFFFF) | (c & 0xFFFF) << 16),
    ("SGXT R0, R1, 0x8", lambda a, b, c: extended(a, 8, False)),
    ("SGXT.U32 R0, R1, R2", lambda a, b, c: extended(a, b, True)),
    ("SGXT R0, R1, R2", lambda a, b, c: extended(a, b, False)),
    ("POPC R0, R1", lambda a, b, c: a.bit_count()),
    ("POPC R0, ~R1", lambda a, b, c: 32 - a.bit_count()),
    ("BREV R0, R1", lambda a, b, c: int(f"{a:032b}"[::-1], 2)),
    ("FLO.U32 R0, R1", lambda a, b, c: leading(a, False, False)),
    ("FLO R0, R1", lambda a, b, c: leading(a, True, False)),
    ("FLO.U32.SH R0, R1", lambda a, b, c: leading(a, False, True)),
    ("IABS R0, R1", lambda a, b, c: abs(signed(a))),
    ("IMNMX R0, R1, R2, PT", lambda a, b, c: min(signed(a), signed(b))),
    ("IMNMX R0, R1, R2, !PT", lambda a, b, c: max(signed(a), signed(b))),
    ("VIMNMX.U32 R0, R1, R2, PT", lambda a, b, c: min(a, b)),
    ("VIADDMNMX R0, R1, R2, R3, !PT", lambda a, b, c: max(signed(a + b), signed(c))),
    ("SHF.L.U32 R0, R1, 0x5, RZ", lambda a, b, c: a << 5),
    ("SHF.R.U32.HI R0, RZ, 0x1f, R3", lambda a, b, c: c >> 31),
    ("SHF.R.S32.HI R0, RZ, 0x1f, R3", lambda a, b, c: signed(c) >> 31),
    ("IDP.4A.S8.S8 R0, R1, R2, R3", lambda a, b, c: c + sum(
        signed(a >> k, 8) * signed(b >> k, 8) for k in (0, 8, 16, 24))),
    ("IDP.2A.LO.S16.S8 R0, R1, R2, R3", lambda a, b, c: c + sum(
        signed(a >> 2 * k, 16) * signed(b >> k, 8) for k in (0, 8))),
    ("VABSDIFF R0, R1, R2, R3", lambda a, b, c: abs(signed(a) - signed(b)) + c),
    ("VABSDIFF4.U8 R0, R1, R2, RZ", lambda a, b, c: sum(
        abs((a >> k & 255) - (b >> k & 255)) << k for k in (0, 8, 16, 24))),
]  # fmt: skip
ONE_RESULT += [
    (
        f"SHF.{'L' if left else 'R'}{'.W' if wraps else ''}.{'S' if is_signed else 'U'}{bits}{'.HI' if top else ''} "
        "R0, R1, R2, R3",
        lambda a, b, c, left=left, bits=bits, s=is_signed, w=wraps, top=top: shifted(a, c, b, left, bits, s, w, top),
    )
    for left in (True, False)
    for bits in (32, 64)
    for is_signed in ((False,) if left else (False, True))
    for wraps in (False, True)
    for top in (False, True)
]  # fmt: skip


@pytest.mark.parametrize(("line", "model"), ONE_RESULT, ids=[line for line, _ in ONE_RESULT])
def test_a_result_of_one_register(line: str, model: Callable[[int, int, int], int]) -> None:
    for seed in range(2):
        a, b, c = operands(3, seed)
        if line.startswith(("SHF", "SGXT")):
            b = np.where(np.arange(LANES) % 4 == 0, b, b % 70).astype(np.uint32)
        got = run([line], {1: a, 2: b, 3: c}).registers[0]
        want = [model(int(x), int(y), int(z)) % M for x, y, z in zip(a, b, c, strict=True)]
        assert got.tolist() == want


def test_every_table_of_three() -> None:
    a, b, c = (np.full(LANES, value, np.uint32) for value in (0xF0F0F0F0, 0xCCCCCCCC, 0xAAAAAAAA))
    for first in range(0, 256, 64):
        lines = [f"LOP3.LUT R{4 + k}, R1, R2, R3, {first + k:#x}, !PT" for k in range(64)]
        after = run(lines, {1: a, 2: b, 3: c}, results=range(4, 68))
        for k in range(64):
            assert after.registers[4 + k][0] == int(f"{first + k:02x}" * 4, 16)


@pytest.mark.parametrize("carries", [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("signs", ["R1, R2, R3", "-R1, R2, -R3", "RZ, -R2, RZ", "-R1, -R2, -R3"])
def test_carries_out_of_three_sources(signs: str, carries: tuple[int, int]) -> None:
    a, b, c = operands(3, 5)
    predicates = {4: [carries[0]] * LANES, 5: [carries[1]] * LANES}
    text = f"IADD3.X R0, P0, P1, {signs.replace('-', '~')}, P4, P5" if any(carries) else f"IADD3 R0, P0, P1, {signs}"
    after = run([text], {1: a, 2: b, 3: c}, predicates, result_predicates=(0, 1))
    for lane in range(LANES):
        values = {"R1": int(a[lane]), "R2": int(b[lane]), "R3": int(c[lane]), "RZ": 0}
        total = 0
        for word in signs.split(", "):
            value = values[word.lstrip("-")]
            total += (value ^ (M - 1)) + (not any(carries)) if word.startswith("-") else value
        total += sum(carries)
        assert int(after.registers[0][lane]) == total % M
        assert after.predicates[0][lane] == (total >> 32 > 0) and after.predicates[1][lane] == (total >> 32 > 1)


@pytest.mark.parametrize("low", ["IADD3 R4, P0, R1, R2, RZ", "IADD3 R4, P0, PT, R1, R2, RZ"])
@pytest.mark.parametrize("high", ["IADD3.X R5, R3, R6, RZ, P0, !PT", "IADD3.X R5, R3, RZ, R6, P0, !PT"])
@pytest.mark.parametrize("guard", ["", "@P3 "])
def test_sums_of_64_bits_carry_from_one_half_into_the_other(low: str, high: str, guard: str) -> None:
    a, b, c, d = operands(4, 13)
    b[::3] = ~a[::3]  # no carry by the least bit
    old = np.full(LANES, 7, np.uint32)
    after = run([guard + low, guard + high], {1: a, 2: b, 3: c, 6: d, 4: old, 5: old}, {3: [1, 0] * 16, 0: [0] * LANES},
                results=(4, 5), result_predicates=(0,))  # fmt: skip
    for lane in range(LANES):
        on = not guard or lane % 2 == 0
        total = int(a[lane]) + int(b[lane])
        whole = total + ((int(c[lane]) + int(d[lane])) << 32)
        assert int(after.registers[4][lane]) == (total % M if on else 7)
        assert int(after.registers[5][lane]) == (whole >> 32) % M if on else 7
        assert after.predicates[0][lane] == (on and total >= M)


def test_a_sum_takes_an_inverted_carry_and_keeps_it() -> None:
    a, b = operands(2, 14)
    after = run(
        ["IADD3.X R5, R1, R2, RZ, !P0, !PT"], {1: a, 2: b}, {0: [0, 1] * 16}, results=(5,), result_predicates=(0,)
    )
    expected = (a.astype(np.uint64) + b + np.array([1, 0] * 16, np.uint64)) % M
    np.testing.assert_array_equal(after.registers[5], expected)
    assert list(after.predicates[0]) == [False, True] * 16


def test_nothing_less_nothing_carries() -> None:
    after = run(["IADD3 R0, P0, RZ, -R1, RZ"], {1: np.zeros(LANES)}, result_predicates=(0,))
    assert all(after.predicates[0]) and not after.registers[0].any()


@pytest.mark.parametrize("unsigned", [True, False])
def test_wide_products_and_their_carry(unsigned: bool) -> None:
    a, b, low, high = operands(4, 7)
    kind = ".U32" if unsigned else ""
    lines = [
        f"IMAD.WIDE{kind} R4, R1, R2, R8",
        f"IMAD.HI{kind} R10, R1, R2, R8",
        f"IMAD.WIDE{kind} R6, P0, R1, R2, R8",
        f"IMAD.WIDE{kind} R8, R9, R2, R8",  # the result lies over two of its sources
    ]
    after = run(lines, {1: a, 2: b, 8: low, 9: high}, results=(4, 5, 6, 7, 8, 9, 10), result_predicates=(0,))
    r = {k: v.astype(object) for k, v in after.registers.items()}
    for lane in range(LANES):
        x, y, pair = int(a[lane]), int(b[lane]), int(high[lane]) << 32 | int(low[lane])
        value = lambda v: v if unsigned else signed(v)  # noqa: E731
        product = value(x) * value(y) % M64
        total = product + pair
        assert r[4][lane] | r[5][lane] << 32 == total % M64 == r[6][lane] | r[7][lane] << 32
        assert r[10][lane] == total % M64 >> 32
        assert after.predicates[0][lane] == (total >= M64)
        assert r[8][lane] | r[9][lane] << 32 == (value(int(high[lane])) * value(y) + pair) % M64


def test_addition_of_64_bits_by_lea_and_imad_x() -> None:
    a, a_high, b, b_high = operands(4, 9)
    lines = [
        "LEA R4, P0, R1, R2, 0x3",
        "LEA.HI.X R5, R1, R3, R6, 0x3, P0",
        "IADD3 R8, P1, R1, R2, RZ",
        "IMAD.X R9, R6, 0x1, R3, P1",
        "LEA R10, P2, R1, R2, 0x2",
        "LEA.HI.X.SX32 R11, R1, R3, 0x2, P2",
    ]
    after = run(lines, {1: a, 6: a_high, 2: b, 3: b_high}, results=(4, 5, 8, 9, 10, 11))
    r = {k: v.astype(object) for k, v in after.registers.items()}
    for lane in range(LANES):
        x, y = int(a_high[lane]) << 32 | int(a[lane]), int(b_high[lane]) << 32 | int(b[lane])
        assert r[4][lane] | r[5][lane] << 32 == ((x << 3) + y) % M64
        assert r[8][lane] | r[9][lane] << 32 == (x + y) % M64
        assert r[10][lane] | r[11][lane] << 32 == ((signed(int(a[lane])) << 2) + y) % M64


@pytest.mark.parametrize("by", [0, 1, 3])
def test_differences_of_64_bits_by_lea_of_a_negated_source(by: int) -> None:
    """b - (a << n), also where what is taken away has a low word of 0: its complement and one carry then."""
    a, a_high, b, b_high = operands(4, 17)
    a[::4] = 0
    a[1::4] <<= 29
    lines = [
        f"LEA R4, P0, -R1, R2, {by:#x}",
        f"SHF.L.U64.HI R7, R1, {by:#x}, R6",
        "IADD3.X R5, ~R7, R3, RZ, P0, !PT",
    ]
    after = run(lines, {1: a, 6: a_high, 2: b, 3: b_high}, results=(4, 5))
    r = {k: v.astype(object) for k, v in after.registers.items()}
    for lane in range(LANES):
        x, y = int(a_high[lane]) << 32 | int(a[lane]), int(b_high[lane]) << 32 | int(b[lane])
        assert r[4][lane] | r[5][lane] << 32 == (y - (x << by)) % M64


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "LT": lambda a, b: a < b, "LE": lambda a, b: a <= b, "GT": lambda a, b: a > b, "GE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b, "NE": lambda a, b: a != b,
}  # fmt: skip


@pytest.mark.parametrize("unsigned", [True, False])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons_of_32_and_of_64_bits(comparison: str, unsigned: bool) -> None:
    a, b, a_high, b_high = operands(4, 11)
    b_high[::3], b[::5] = a_high[::3], a[::5]
    kind = ".U32" if unsigned else ""
    other = [lane % 3 == 0 for lane in range(LANES)]
    lines = [
        f"ISETP.{comparison}.U32.AND P0, PT, R1, R2, PT",
        f"ISETP.{comparison}{kind}.AND.EX P1, P2, R3, R4, PT, P0",
        f"ISETP.{comparison}{kind}.OR P3, P4, R1, R2, !P5",
        f"ISETP.{comparison}{kind}.XOR P6, PT, R1, R2, P5",
    ]
    after = run(lines, {1: a, 2: b, 3: a_high, 4: b_high}, {5: other}, results=(), result_predicates=(1, 2, 3, 4, 6))
    holds = COMPARISONS[comparison]
    for lane in range(LANES):
        x, y = int(a[lane]), int(b[lane])
        wide = [int(h[lane]) << 32 | v for h, v in ((a_high, x), (b_high, y))]
        if not unsigned:
            x, y, wide = signed(x), signed(y), [signed(v, 64) for v in wide]
        p = {k: v[lane] for k, v in after.predicates.items()}
        assert p[1] == holds(*wide) and p[2] == (not holds(*wide))
        assert p[3] == (holds(x, y) or not other[lane]) and p[4] == (not holds(x, y) or not other[lane])
        assert p[6] == (holds(x, y) != other[lane])


def test_predicates_tables_and_rows() -> None:
    a = [lane & 1 for lane in range(LANES)]
    b = [lane >> 1 & 1 for lane in range(LANES)]
    c = [lane >> 2 & 1 for lane in range(LANES)]
    lines = [
        "PLOP3.LUT P3, P4, P0, !P1, P2, 0x1b, 0xe4",
        "P2R R0, PR, R1, 0x7",
        "R2P PR, R1, 0x60",
        "SEL R2, R1, 0x11, !P0",
    ]
    word = operands(1, 3)[0]
    after = run(lines, {1: word}, {0: a, 1: b, 2: c}, results=(0, 2), result_predicates=(3, 4, 5, 6))
    for lane in range(LANES):
        at = a[lane] << 2 | (1 - b[lane]) << 1 | c[lane]
        assert after.predicates[3][lane] == bool(0x1B >> at & 1) and after.predicates[4][lane] == bool(0xE4 >> at & 1)
        x = int(word[lane])
        assert after.registers[0][lane] == (x & ~7 % M) | a[lane] | b[lane] << 1 | c[lane] << 2
        assert after.predicates[5][lane] == bool(x >> 5 & 1) and after.predicates[6][lane] == bool(x >> 6 & 1)
        assert after.registers[2][lane] == (0x11 if a[lane] else x)


@pytest.mark.parametrize("line", ["R2P PR, R1.B2, 0x60", "R2P.B2 PR, R1, 0x60"])
def test_predicates_out_of_a_byte_of_a_row(line: str) -> None:
    word = operands(1, 3)[0]
    after = run([line], {1: word}, results=(), result_predicates=(5, 6))
    for lane in range(LANES):
        assert after.predicates[5][lane] == bool(word[lane] >> 21 & 1)
        assert after.predicates[6][lane] == bool(word[lane] >> 22 & 1)


def test_a_guard_keeps_the_other_lanes() -> None:
    a, b = operands(2, 4)
    odd = [lane & 1 for lane in range(LANES)]
    after = run(["MOV R0, R1", "@!P0 MOV R0, R2"], {1: a, 2: b}, {0: odd})
    assert after.registers[0].tolist() == np.where(np.arange(LANES) % 2 == 1, a, b).tolist()


def test_the_uniform_datapath_and_the_way_into_it() -> None:
    a = operands(1, 6)[0]
    lines = [
        "R2UR UR4, R1",
        "UIADD3 UR5, UR4, 0x7, URZ",
        "USHF.L.U32 UR6, UR5, 0x1, URZ",
        "MOV R0, UR6",
        "R2UR P0, UR7, R1",
    ]
    after = run(lines, {1: a}, result_predicates=(0,))
    assert set(after.registers[0].tolist()) == {(int(a[0]) + 7) * 2 % M}
    assert after.predicates[0] == [int(v) != int(a[0]) for v in a]
