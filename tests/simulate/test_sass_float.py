"""Float, half, double and conversion forms of SASS against exact rational arithmetic and numpy."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16

from tests.simulate.sass_lines import LANES, operands, run

FLOAT_EDGES = (
    0, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 1, 0x80000001, 0x7F7FFFFF, 0x00800000,
    0x3F800001, 0x33800000, 0x4B000001, 0x3EFFFFFF, 0x4F000000, 0xCF000000, 0x4F800000,
)  # fmt: skip


def floats(count: int, seed: int) -> list[Any]:
    """Rows of floats: edges, and numbers within reach of each other."""
    random = np.random.default_rng(seed)
    return [
        np.where(random.random(LANES) < 0.4, operands(1, seed + k, FLOAT_EDGES)[0].view(np.float32),
                 (random.standard_normal(LANES) * 2.0 ** random.integers(-8, 9, LANES)).astype(np.float32))
        for k in range(count)
    ]  # fmt: skip


def words(row: Any) -> Any:
    return np.asarray(row, np.float32).view(np.uint32)


def same(got: Any, want: Any) -> None:
    """Bit for bit, any NaN for any."""
    got, want = np.asarray(got), np.asarray(want)
    either = np.isnan(want.astype(np.float64))
    assert np.isnan(got.astype(np.float64))[either].all()
    view = {2: np.uint16, 4: np.uint32, 8: np.uint64}[want.dtype.itemsize]
    np.testing.assert_array_equal(got.view(view)[~either], want.view(view)[~either])


def fused(a: Any, b: Any, c: Any, dtype: Any = np.float32) -> Any:
    """a * b + c rounded once; what is not finite by numpy."""
    with np.errstate(all="ignore"):
        out = np.array(a * b + c, dtype)
        for k in range(LANES):
            if np.isfinite([a[k], b[k], c[k]]).all():
                exact = Fraction(float(a[k])) * Fraction(float(b[k])) + Fraction(float(c[k]))
                if exact != 0:
                    out[k] = nearest(exact, dtype)
    return out


def nearest(exact: Fraction, dtype: Any) -> Any:
    """The value of the type that is nearest to an exact number, ties to even."""
    with np.errstate(all="ignore"):
        guess = np.array(float(exact) if abs(exact) < Fraction(2) ** 1023 else np.inf, dtype)
    around = [guess, np.nextafter(guess, np.array(np.inf, dtype)), np.nextafter(guess, np.array(-np.inf, dtype))]
    finite = [v for v in around if np.isfinite(v)]
    best = min(
        finite,
        key=lambda v: (
            abs(Fraction(float(v)) - exact),
            int(v.view(np.uint32 if dtype is np.float32 else np.uint64)) & 1,
        ),
    )
    return best if np.isfinite(guess) else guess


ARITHMETIC: list[tuple[str, Callable[[Any, Any, Any], Any]]] = [
    ("FADD R0, R1, R2", lambda a, b, c: a + b),
    ("FADD R0, -R1, |R2|", lambda a, b, c: -a + np.abs(b)),
    ("FADD R0, R1, 1.5", lambda a, b, c: a + np.float32(1.5)),
    ("FMUL R0, R1, -R2", lambda a, b, c: a * -b),
    ("FMUL R0, |R1|, 2.8853900432586669922", lambda a, b, c: np.abs(a) * np.float32(2.8853900432586669922)),
    ("FFMA R0, R1, R2, R3", fused),
    ("FFMA R0, -R1, R2, R3", lambda a, b, c: fused(-a, b, c)),
    ("FFMA R0, R1, R2, -R3", lambda a, b, c: fused(a, b, -c)),
    ("FSEL R0, R1, -R2, PT", lambda a, b, c: a),
    ("FSEL R0, R1, -R2, !PT", lambda a, b, c: -b),
]


@pytest.mark.parametrize(("line", "model"), ARITHMETIC, ids=[line for line, _ in ARITHMETIC])
def test_arithmetic_rounds_once(line: str, model: Callable[[Any, Any, Any], Any]) -> None:
    for seed in range(3):
        a, b, c = floats(3, 10 * seed)
        with np.errstate(all="ignore"):
            want = np.asarray(model(a, b, c), np.float32)
        same(run([line], {1: words(a), 2: words(b), 3: words(c)}).registers[0].view(np.float32), want)


def test_directed_rounding_and_saturation() -> None:
    a, b = (np.abs(row) for row in floats(2, 3))
    a, b = (np.where(np.isfinite(r) & (r < 1e30) & (r > 1e-30), r, np.float32(1.25)).astype(np.float32) for r in (a, b))
    lines = ["FADD.RM R4, R1, R2", "FADD.RP R5, R1, R2", "FADD.RZ R6, -R1, -R2", "FADD.SAT R7, R1, -R2"]
    after = run(lines, {1: words(a), 2: words(b)}, results=(4, 5, 6, 7))
    r = {k: v.view(np.float32) for k, v in after.registers.items()}
    for lane in range(LANES):
        exact = Fraction(float(a[lane])) + Fraction(float(b[lane]))
        low, high = Fraction(float(r[4][lane])), Fraction(float(r[5][lane]))
        assert low <= exact <= high and (
            low == exact == high or np.nextafter(r[4][lane], np.float32(np.inf)) == r[5][lane]
        )
        assert r[6][lane] == -r[4][lane]
        assert r[7][lane] == min(max(np.float32(a[lane] - b[lane]), np.float32(0)), np.float32(1))


def test_ftz_takes_denormals_for_nothing() -> None:
    a = np.full(LANES, 0x00400000, np.uint32)
    after = run(["FADD.FTZ R4, R1, R1", "FADD R5, R1, R1"], {1: a}, results=(4, 5))
    assert set(after.registers[4].tolist()) == {0} and set(after.registers[5].tolist()) == {0x00800000}


def test_least_most_and_comparisons_with_what_is_no_number() -> None:
    a, b = floats(2, 5)
    a[:4], b[:4] = [np.nan, 1, np.nan, 0.0], [1, np.nan, np.nan, -0.0]
    names = {"LT": np.less, "LE": np.less_equal, "GT": np.greater, "GE": np.greater_equal, "EQ": np.equal}
    lines = ["FMNMX R4, R1, R2, PT", "FMNMX R5, R1, R2, !PT"]
    after = run(lines, {1: words(a), 2: words(b)}, results=(4, 5))
    rest = slice(4, None)
    same(after.registers[4].view(np.float32)[rest], np.fmin(a, b)[rest])
    same(after.registers[5].view(np.float32)[rest], np.fmax(a, b)[rest])
    assert after.registers[4].view(np.float32)[:2].tolist() == [1, 1] and np.isnan(
        after.registers[4].view(np.float32)[2]
    )
    assert after.registers[4][3] == 0x80000000 and after.registers[5][3] == 0
    either = np.isnan(a) | np.isnan(b)
    for name, model in names.items():
        got = run([f"FSETP.{name}.AND P0, P1, R1, R2, PT", f"FSETP.{name}U.AND P2, PT, R1, R2, PT"],
                  {1: words(a), 2: words(b)}, results=(), result_predicates=(0, 1, 2)).predicates  # fmt: skip
        holds = model(a, b)
        assert got[0] == holds.tolist() and got[1] == (~holds).tolist() and got[2] == (holds | either).tolist()
    got = run(["FSETP.NEU.AND P0, PT, R1, R2, PT", "FSETP.NE.AND P1, PT, R1, R2, PT",
               "FSETP.NUM.AND P2, PT, R1, R2, PT",
               "FSET.BF.GT.AND R4, R1, R2, PT"], {1: words(a), 2: words(b)}, results=(4,),
              result_predicates=(0, 1, 2))  # fmt: skip
    assert got.predicates[0] == (a != b).tolist() and got.predicates[1] == ((a != b) & ~either).tolist()
    assert got.predicates[2] == (~either).tolist()
    assert got.registers[4].view(np.float32).tolist() == (a > b).astype(np.float32).tolist()


SPECIAL: list[tuple[str, Callable[[Any], Any], float]] = [
    ("EX2", np.exp2, 2.0), ("LG2", lambda x: np.log2(np.abs(x)), 1.0), ("RCP", lambda x: 1 / x, 1.0),
    ("RSQ", lambda x: 1 / np.sqrt(np.abs(x)), 2.0), ("SQRT", lambda x: np.sqrt(np.abs(x)), 1.0), ("TANH", np.tanh, 2.0),
    ("SIN", lambda x: np.sin(2 * np.pi * x), 16.0), ("COS", lambda x: np.cos(2 * np.pi * x), 16.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "model", "units"), SPECIAL, ids=[name for name, _, _ in SPECIAL])
def test_special_functions_within_their_published_error(name: str, model: Callable[[Any], Any], units: float) -> None:
    random = np.random.default_rng(2)
    a = (random.random(LANES) * 8 - 4).astype(np.float32)
    source = "|R1|" if name in ("LG2", "RSQ", "SQRT") else "R1"
    got = run([f"MUFU.{name} R0, {source}"], {1: words(a)}).registers[0].view(np.float32).astype(np.float64)
    want = model(a.astype(np.float64))
    assert (np.abs(got - want) <= units * 2.0**-23 * np.maximum(np.abs(want), 2.0**-20)).all()


def test_special_functions_at_their_ends() -> None:
    a = np.array([0, -0.0, np.inf, -np.inf, np.nan, 128, -150, 1], np.float32)
    got = run(["MUFU.EX2 R4, R1", "MUFU.RCP R5, R1"], {1: words(np.tile(a, 4))}, results=(4, 5)).registers
    same(got[4].view(np.float32)[:8], np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, 2], np.float32))
    same(
        got[5].view(np.float32)[:8],
        np.array([np.inf, -np.inf, 0, -0.0, np.nan, 1 / 128, np.float32(1) / np.float32(-150), 1], np.float32),
    )


def test_denormals_are_zeros_to_special_functions() -> None:
    """So ptxas has it: it scales what goes into each of them, and what comes out, but for .ftz."""
    a = words(np.tile(np.array([1e-40, -1e-40, 2.0**127, 1.5], np.float32), 8))
    powers = words(np.tile(np.array([-127, -126, -149, 0], np.float32), 8))
    lines = ["MUFU.RCP R4, R1", "MUFU.RSQ R5, |R1|", "MUFU.LG2 R6, |R1|", "MUFU.SQRT R7, |R1|", "MUFU.EX2 R8, R2"]
    after = run(lines, {1: a, 2: powers}, results=range(4, 9)).registers
    got = [after[k].view(np.float32)[:4] for k in range(4, 9)]
    same(got[0][:3], np.array([np.inf, -np.inf, 0], np.float32))
    same(got[1][:2], np.array([np.inf, np.inf], np.float32))
    same(got[2][:2], np.array([-np.inf, -np.inf], np.float32))
    same(got[3][:2], np.zeros(2, np.float32))
    same(got[4], np.array([0, 2.0**-126, 0, 1], np.float32))


def split(row: Any) -> tuple[Any, Any]:
    bits = np.asarray(row, np.float64).view(np.uint64)
    return bits.astype(np.uint32), (bits >> np.uint64(32)).astype(np.uint32)


def test_doubles() -> None:
    random = np.random.default_rng(4)
    a, b, c = (random.standard_normal(LANES) * 2.0 ** random.integers(-40, 40, LANES) for _ in range(3))
    c = -(a * b)  # what a fused product leaves is the rounding of the first
    given = {}
    for first, row in ((2, a), (4, b), (6, c)):
        given[first], given[first + 1] = split(row)
    lines = [
        "DADD R8, R2, -R4",
        "DMUL R10, |R2|, R4",
        "DFMA R12, R2, R4, R6",
        "DADD R14, R2, 1.5",
        "DSETP.GT.AND P0, P1, R2, R4, PT",
    ]
    after = run(lines, given, results=range(8, 16), result_predicates=(0, 1))
    got = [
        (after.registers[k].astype(np.uint64) | after.registers[k + 1].astype(np.uint64) << np.uint64(32)).view(
            np.float64
        )
        for k in (8, 10, 12, 14)
    ]
    same(got[0], a - b), same(got[1], np.abs(a) * b), same(got[2], fused(a, b, c, np.float64)), same(got[3], a + 1.5)
    assert after.predicates[0] == (a > b).tolist() and after.predicates[1] == (a <= b).tolist()


@pytest.mark.parametrize(("dtype", "modifier"), [(np.float16, ""), (bfloat16, ".BF16_V2")])
def test_halves(dtype: Any, modifier: str) -> None:
    random = np.random.default_rng(8)
    rows = [(random.standard_normal((LANES, 2)) * 4).astype(dtype) for _ in range(3)]
    packed = [row.view(np.uint32).reshape(LANES) for row in rows]
    a, b, c = (row.astype(np.float64) for row in rows)
    lines = [
        f"HADD2{modifier} R4, R1, -R2", f"HMUL2{modifier} R5, R1.H0_H0, |R2|", f"HFMA2{modifier} R6, R1, R2.H1_H1, R3",
        f"HMNMX2{modifier} R7, R1, R2, PT", f"HSETP2{modifier}.GT.AND P0, P1, R1, R2, PT",
        f"HSET2{modifier}.BF.LE.AND R8, R1, R2, PT",
    ]  # fmt: skip
    after = run(lines, dict(zip((1, 2, 3), packed, strict=True)), results=range(4, 9), result_predicates=(0, 1))
    got = {k: v.view(dtype).reshape(LANES, 2) for k, v in after.registers.items()}
    same(got[4], (a - b).astype(dtype))
    same(got[5], (a[:, :1] * np.abs(b)).astype(dtype))
    same(got[6], (a * b[:, 1:] + c).astype(dtype))
    same(got[7], np.minimum(a, b).astype(dtype))
    assert after.predicates[0] == (a > b)[:, 0].tolist() and after.predicates[1] == (a > b)[:, 1].tolist()
    same(got[8], (a <= b).astype(dtype))


def test_the_immediate_of_halves_comes_from_the_encoding() -> None:
    after = run([("HFMA2.MMA R0, -RZ, RZ, 1.875, 0", 0x3F800000 << 32)], {})
    assert set(after.registers[0].tolist()) == {0x3F800000}


def test_packing() -> None:
    a, b = floats(2, 6)
    lines = ["F2FP.BF16.F32.PACK_AB R4, R1, R2", "F2FP.F16.F32.PACK_AB R5, R1, R2", "F2FP.BF16.F32.PACK_AB R6, RZ, R2"]
    after = run(lines, {1: words(a), 2: words(b)}, results=(4, 5, 6))
    with np.errstate(all="ignore"):
        for number, dtype in ((4, bfloat16), (5, np.float16)):
            got = after.registers[number].view(dtype).reshape(LANES, 2)
            same(got[:, 0], b.astype(dtype)), same(got[:, 1], a.astype(dtype))
    assert not (after.registers[6] >> 16).any()


TO_INTEGER: dict[str, Callable[[Any], Any]] = {".TRUNC": np.trunc, ".FLOOR": np.floor, ".CEIL": np.ceil, "": np.rint}


@pytest.mark.parametrize("rounding", TO_INTEGER)
def test_floats_to_integers_and_to_whole_floats(rounding: str) -> None:
    a = np.concatenate([floats(1, 12)[0][:24], np.array([0.5, 1.5, -0.5, -1.5, 2.5, 4294967040, -3e9, 1e30])]).astype(
        np.float32
    )
    lines = [
        f"F2I{rounding}.NTZ R4, R1",
        f"F2I.U32{rounding}.NTZ R5, R1",
        f"FRND{rounding} R6, R1",
        f"F2I.S64{rounding} R8, R1",
    ]
    after = run(lines, {1: words(a)}, results=(4, 5, 6, 8, 9))
    whole = TO_INTEGER[rounding](a.astype(np.float64))
    same(after.registers[6].view(np.float32), np.copysign(whole, a).astype(np.float32))
    for lane in range(LANES):
        value = 0 if np.isnan(whole[lane]) else whole[lane]
        assert int(after.registers[4].view(np.int32)[lane]) == max(min(value, 2**31 - 1), -(2**31))
        assert int(after.registers[5][lane]) == max(min(value, 2**32 - 1), 0)
        wide = int(after.registers[9].view(np.int32)[lane]) << 32 | int(after.registers[8][lane])
        assert wide == (
            -(2**63)
            if np.isnan(whole[lane])
            else max(min(int(np.clip(value, -(2.0**63), 2.0**63)), 2**63 - 1), -(2**63))
        )


def test_denormals_are_flushed_before_they_are_made_whole() -> None:
    """-2^-149 rounds down to -1, but to -0 where it is no number any more."""
    a = words(np.array([-1e-45, 1e-45, -0.5, 0.5] * 8, np.float32))
    lines = ["FRND.FLOOR R4, R1", "FRND.FTZ.FLOOR R5, R1", "FRND.FTZ.CEIL R6, R1"]
    after = run(lines, {1: a}, results=(4, 5, 6))
    wanted = {4: [-1, 0, -1, 0], 5: [-0.0, 0, -1, 0], 6: [-0.0, 0, -0.0, 1]}
    for register, whole in wanted.items():
        assert (after.registers[register] == words(np.array(whole * 8, np.float32))).all()


def test_integers_to_floats_in_every_rounding() -> None:
    low, high = operands(2, 13)
    lines = [
        "I2F.U32 R4, R1", "I2F.S32 R5, R1", "I2F.U32.RP R6, R1", "I2F.U32.RM R7, R1", "I2F.U64.RP R8, R2",
        "I2F.S64 R9, R2",
        "I2F.F64.S64 R10, R2", "I2F.U8 R12, R1.B1", "I2FP.F32.S32 R13, R1",
    ]  # fmt: skip
    after = run(lines, {1: low, 2: low, 3: high}, results=(*range(4, 11), 11, 12, 13))
    r = {k: v.view(np.float32) for k, v in after.registers.items()}
    same(r[4], low.astype(np.float32)), same(r[5], low.view(np.int32).astype(np.float32)), same(r[13], r[5])
    same(r[12], (low >> 8 & 255).astype(np.float32))
    for lane in range(LANES):
        x = int(low[lane])
        above, below = Fraction(float(r[6][lane])), Fraction(float(r[7][lane]))
        assert below <= x <= above and (below == above or np.nextafter(r[7][lane], np.float32(np.inf)) == r[6][lane])
        wide = int(high[lane]) << 32 | x
        up = r[8][lane]
        assert Fraction(float(up)) >= wide > Fraction(float(np.nextafter(up, np.float32(-np.inf))))
        value = wide - (1 << 64) if wide >> 63 else wide
        assert r[9][lane] == nearest(Fraction(value), np.float32)
        double = np.uint64(int(after.registers[11][lane]) << 32 | int(after.registers[10][lane]))
        assert np.array(double).view(np.float64) == float(value)


def test_between_float_formats() -> None:
    a = floats(1, 21)[0]
    lines = [
        "F2F.F64.F32 R4, R1",
        "F2F.F16.F32 R6, R1",
        "F2F.F32.F64 R7, R4",
        "F2F.F32.F16 R8, R6",
        "HADD2.F32 R9, -RZ, R6.H0_H0",
    ]
    after = run(lines, {1: words(a)}, results=(6, 7, 8, 9))
    with np.errstate(all="ignore"):
        half = a.astype(np.float16)
    same(after.registers[6].astype(np.uint16).view(np.float16), half)
    same(after.registers[7].view(np.float32), a)
    same(after.registers[8].view(np.float32), half.astype(np.float32))
    same(after.registers[9].view(np.float32), half.astype(np.float32))
