"""Conversions and comparisons of every two types, in every rounding: 16-bit sources in all their 65,536 values."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.simulate.exactly import FORMATS, Number, flushed, is_nan, operands, plain, rounded, value
from tests.simulate.one_opcode import bits_of, evaluate
from tests.simulate.test_ptx_floats import agree, saturated
from tests.simulate.test_ptx_integers import typed
from workbench.simulate.ptx.forms import COMPARISONS, FORMS, UNORDERED

N = 256


def integral(number: Fraction, mode: str) -> int:
    floor = number.numerator // number.denominator
    if mode == "rmi":
        return floor
    if mode == "rpi":
        return -(-number.numerator // number.denominator)
    if mode == "rzi":
        return floor if number >= 0 else -(-number.numerator // number.denominator)
    return round(number)


def to_integer(number: Number, source: str, kind: str, mode: str) -> int:
    bits = bits_of(kind)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "s" else (0, (1 << bits) - 1)
    if isinstance(number, float):
        if math.isnan(number):
            return 1 << bits - 1 if bits == 64 or source == "f64" else 0
        if math.isinf(number):
            return low if number < 0 else high
        return 0
    return max(low, min(high, integral(number, mode)))


def expected(destination: str, source: str, flags: list[str], bits: int) -> int:
    mode = next((f for f in flags if f[0] == "r" and f != "relu"), "")
    if source in FORMATS and "ftz" in flags and source == "f32":
        bits = flushed(bits, source)
    number: Number = value(bits, source) if source in FORMATS else Fraction(typed(bits, source))
    if destination not in FORMATS:
        if source in FORMATS:
            made = to_integer(number, source, destination, mode)
        else:
            made = int(number)
            if "sat" in flags:
                low = -(1 << bits_of(destination) - 1) if destination[0] == "s" else 0
                high = (1 << bits_of(destination) - (destination[0] == "s")) - 1
                made = max(low, min(high, made))
        made = typed(made, destination)
        return made & (1 << max(32, bits_of(destination))) - 1  # extended to its register
    if mode.endswith("i") and isinstance(number, Fraction):
        whole = integral(number, mode)
        number = Fraction(whole) if whole or number >= 0 else -0.0
        mode = "rn"
    made = rounded(number, destination, mode or "rn")
    if "ftz" in flags and destination == "f32" and made >= 0:
        made = flushed(made, destination)
    if "sat" in flags:
        made = 0 if made < 0 else saturated(made, destination)
    return made


def conversions() -> list[Any]:
    seen, found = set(), []
    for opcode, form in FORMS.items():
        match = re.fullmatch(r"cvt((?:\.(?:r[nzmp]i?|ftz|sat))*)\.([usf]\d+|bf16)\.([usf]\d+|bf16)", opcode)
        if match and (form.machine, form.variant, match[2], match[3], "sat" in opcode) not in seen:
            seen.add((form.machine, form.variant, match[2], match[3], "sat" in opcode))
            found.append(pytest.param(opcode, match[1].split(".")[1:], match[2], match[3], id=opcode))
    return found


@pytest.mark.parametrize(("opcode", "flags", "destination", "source"), conversions())
def test_conversions(opcode: str, flags: list[str], destination: str, source: str) -> None:
    (a,) = operands(source, 1, N)
    made = destination if bits_of(destination) > 8 and destination in FORMATS else (
        destination[0] + str(max(32, bits_of(destination))))  # fmt: skip
    (found,) = evaluate(opcode, [made], [source], [a])
    for k in range(N):
        want = expected(destination, source, flags, int(a[k]))
        got = int(found[k])
        if destination in FORMATS:
            assert agree(got, want, destination), f"{opcode} {int(a[k]):#x}: {got:#x}, not {want:#x}"
        else:
            assert got == want, f"{opcode} {int(a[k]):#x}: {got:#x}, not {want:#x}"


ALL_16 = np.arange(2**16, dtype=np.uint64)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_all_halves_become_floats_and_come_back(kind: str) -> None:
    (wide,) = evaluate(f"cvt.f32.{kind}", ["f32"], [kind], [ALL_16])
    for k in range(0, 2**16, 7):
        assert agree(int(wide[k]), rounded(value(k, kind), "f32"), "f32")
    (back,) = evaluate(f"cvt.rn.{kind}.f32", [kind], ["f32"], [wide])
    nan = np.array([is_nan(k, kind) for k in range(2**16)])
    np.testing.assert_array_equal(back[~nan], ALL_16[~nan])
    np.testing.assert_array_equal(back[nan], np.full(int(nan.sum()), 0x7FFF))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
def test_floats_between_two_halves_round_to_one_of_them(kind: str, mode: str) -> None:
    """Every half, the middle above it, and just beside the middle."""
    (wide,) = evaluate(f"cvt.f32.{kind}", ["f32"], [kind], [ALL_16])
    half = np.uint64(1 << FORMATS["f32"][1] - FORMATS[kind][1] - 1)
    columns = np.concatenate([wide[::31] + half + np.uint64(d) for d in (0, 1)] + [wide[::31] + half - np.uint64(1)])
    columns = columns[: len(columns) // 32 * 32]
    (found,) = evaluate(f"cvt.{mode}.{kind}.f32", [kind], ["f32"], [columns])
    for got, bits in zip(found, columns, strict=True):
        assert agree(int(got), rounded(value(int(bits), "f32"), kind, mode), kind), hex(int(bits))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("after", ["", ".relu", ".satfinite"])
def test_two_floats_become_two_halves(kind: str, after: str) -> None:
    a, b = operands("f32", 2, N)
    (found,) = evaluate(f"cvt.rn{after}.{kind}x2.f32", [f"{kind}x2"], ["f32"] * 2, [a, b])
    infinity = rounded(math.inf, kind)
    for k in range(N):
        for half, bits in ((int(found[k]) >> 16, int(a[k])), (int(found[k]) & 0xFFFF, int(b[k]))):
            want = rounded(value(bits, "f32"), kind)
            if after == ".relu" and want >> 15 == 1:
                want = 0
            if after == ".satfinite" and want & 0x7FFF == infinity and want >= 0:
                want -= 1
            assert agree(half, want, kind), (hex(bits), hex(half), hex(want))


def holds(comparison: str, x: float | int, y: float | int) -> bool:
    unordered = math.isnan(x) or math.isnan(y)
    if comparison in ("num", "nan"):
        return unordered == (comparison == "nan")
    if unordered:
        return comparison in UNORDERED
    plainly = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}.get(comparison, comparison)[:2]
    return {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y}[plainly]


def comparisons() -> list[Any]:
    found = []
    for kind in ("u16", "s16", "u32", "s32", "u64", "s64", "b16", "b32", "b64", "f16", "bf16", "f32", "f64"):
        for name in (*COMPARISONS, *UNORDERED, "lo", "ls", "hi", "hs"):
            if f"setp.{name}.{kind}" in FORMS:
                found.append((name, kind))
    return found


@pytest.mark.parametrize(("name", "kind"), comparisons())
def test_comparisons(name: str, kind: str) -> None:
    a, b = operands(kind, 2, N)
    b[::5] = a[::5]
    c = operands("pred", 1, N)[0]

    def number(bits: int) -> float | int:
        return plain(value(bits, kind)) if kind in FORMATS else typed(bits, kind)

    want = [holds(name, number(int(x)), number(int(y))) for x, y in zip(a, b, strict=True)]
    yes, no = evaluate(f"setp.{name}.{kind}", ["pred|"], [kind] * 2, [a, b])
    np.testing.assert_array_equal(yes, np.array(want, np.uint64))
    np.testing.assert_array_equal(no, 1 - np.array(want, np.uint64))
    for boolean, combine in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
        yes, no = evaluate(f"setp.{name}.{boolean}.{kind}", ["pred|"], [kind, kind, "pred"], [a, b, c])
        np.testing.assert_array_equal(yes, combine(want, c))
        np.testing.assert_array_equal(no, combine(np.logical_not(want), c))
    if f"set.{name}.u32.{kind}" in FORMS:
        (made,) = evaluate(f"set.{name}.u32.{kind}", ["u32"], [kind] * 2, [a, b])
        np.testing.assert_array_equal(made, np.where(want, 0xFFFFFFFF, 0))
