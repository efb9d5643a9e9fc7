"""Floating point, bit by bit against exact arithmetic: every rounding, flushed denormals, saturation, NaN, zeros."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.simulate.exactly import FORMATS, Number, flushed, is_nan, operands, plain, rounded, value
from tests.simulate.one_opcode import evaluate
from workbench.simulate.ptx.forms import FORMS

N = 256
NAN = math.nan


def zero_sign(a: Number, b: Number, mode: str) -> bool:
    """Whether a sum that comes to nothing is -0."""
    negative_a, negative_b = sign_of(a), sign_of(b)
    if a == 0 and b == 0 and negative_a == negative_b:
        return negative_a
    return mode == "rm"


def add(a: Number, b: Number, mode: str) -> tuple[Number, bool]:
    if any(isinstance(x, float) and not math.isfinite(x) for x in (a, b)):
        return plain_sum(a, b), False
    return Fraction(a) + Fraction(b), zero_sign(a, b, mode)


def plain_sum(a: Number, b: Number) -> float:
    left = a if isinstance(a, float) and not math.isfinite(a) else 0.0
    right = b if isinstance(b, float) and not math.isfinite(b) else 0.0
    return left + right


def sign_of(*numbers: Number) -> bool:
    return bool(sum((isinstance(x, float) and math.copysign(1, x) < 0) or x < 0 for x in numbers) % 2)


def multiply(a: Number, b: Number, mode: str) -> tuple[Number, bool]:
    negative = sign_of(a, b)
    special = [x for x in (a, b) if isinstance(x, float) and not math.isfinite(x)]
    if special:
        if any(math.isnan(x) for x in special) or a == 0 or b == 0:
            return NAN, False
        return -math.inf if negative else math.inf, False
    return Fraction(a) * Fraction(b), negative


def divide(a: Number, b: Number, mode: str) -> tuple[Number, bool]:
    negative = sign_of(a, b)
    infinite_a, infinite_b = (isinstance(x, float) and math.isinf(x) for x in (a, b))
    if (
        any(isinstance(x, float) and math.isnan(x) for x in (a, b))
        or (infinite_a and infinite_b)
        or (a == 0 and b == 0)
    ):
        return NAN, False
    if infinite_a or b == 0:
        return -math.inf if negative else math.inf, False
    return (Fraction(0) if infinite_b else Fraction(a) / Fraction(b)), negative


def fused(a: Number, b: Number, c: Number, mode: str) -> tuple[Number, bool]:
    product, negative = multiply(a, b, mode)
    if isinstance(product, Fraction) and product == 0:
        product = -0.0 if negative else Fraction(0)
    return add(product, c, mode)


def root(a: Number, mode: str) -> tuple[Number, bool]:
    if isinstance(a, float):
        return (a if a == 0 or a == math.inf else NAN), a == 0
    if a < 0:
        return NAN, False
    scale = 400 + abs(a.numerator.bit_length() - a.denominator.bit_length())
    scaled = (a.numerator << 2 * scale) // a.denominator
    whole = math.isqrt(scaled)
    exact = whole * whole == scaled and (a.numerator << 2 * scale) % a.denominator == 0
    return Fraction(2 * whole + (0 if exact else 1), 2 << scale), False


OPERATIONS: dict[str, tuple[int, Callable[..., tuple[Number, bool]]]] = {
    "add": (2, add), "sub": (2, lambda a, b, m: add(a, -b if b != 0 or isinstance(b, float) else -0.0, m)),
    "mul": (2, multiply), "div": (2, divide), "fma": (3, fused),
    "rcp": (1, lambda a, m: divide(Fraction(1), a, m)), "sqrt": (1, root),
}  # fmt: skip


def saturated(bits: int, kind: str) -> int:
    number = value(bits, kind)
    if (isinstance(number, float) and math.isnan(number)) or number <= 0:
        return 0
    return rounded(Fraction(1), kind) if number >= 1 else bits


def expected(name: str, kind: str, mode: str, flags: set[str], sources: tuple[int, ...]) -> int:
    _, operation = OPERATIONS[name]
    if "ftz" in flags:
        sources = tuple(flushed(s, kind) for s in sources)
    number, negative = operation(*(value(s, kind) for s in sources), mode)
    bits = rounded(number, kind, mode, negative)
    if "ftz" in flags and bits >= 0:
        bits = flushed(bits, kind)
    if "relu" in flags and bits >= 0 and bits >> sum(FORMATS[kind]):
        bits = 0
    if "sat" in flags:
        bits = 0 if bits < 0 else saturated(bits, kind)
    return bits


def agree(found: int, want: int, kind: str) -> bool:
    return is_nan(found, kind) if want < 0 else found == want


def arithmetic_opcodes() -> list[Any]:
    seen, found = set(), []
    for opcode, form in FORMS.items():
        match = re.fullmatch(
            r"(add|sub|mul|fma|div|rcp|sqrt)((?:\.(?:rn|rz|rm|rp|ftz|sat|relu))*)\.(f16|bf16|f32|f64)", opcode
        )
        if match and form.machine not in seen:
            seen.add(form.machine)
            found.append(pytest.param(opcode, match[1], match[2], match[3], id=opcode))
    return found


@pytest.mark.parametrize(("opcode", "name", "modifiers", "kind"), arithmetic_opcodes())
def test_arithmetic_is_rounded_once(opcode: str, name: str, modifiers: str, kind: str) -> None:
    flags = set(modifiers.split("."))
    mode = next((m for m in ("rz", "rm", "rp") if m in flags), "rn")
    count = OPERATIONS[name][0]
    columns = operands(kind, count, N)
    (found,) = evaluate(opcode, [kind], [kind] * count, columns)
    for k in range(N):
        sources = tuple(int(c[k]) for c in columns)
        want = expected(name, kind, mode, flags, sources)
        assert agree(int(found[k]), want, kind), f"{opcode} {[hex(s) for s in sources]}: {found[k]:#x}, not {want:#x}"


@pytest.mark.parametrize(
    "opcode", ["add.f16x2", "mul.ftz.f16x2", "fma.rn.bf16x2", "fma.rn.relu.f16x2", "add.sat.f16x2"]
)
def test_two_halves_are_two_numbers(opcode: str) -> None:
    name, kind = opcode.split(".")[0], opcode.split(".")[-1].removesuffix("x2")
    count = OPERATIONS[name][0]
    halves = [operands(kind, count, N, seed) for seed in (3, 4)]
    columns = [low | high << np.uint64(16) for low, high in zip(*halves, strict=True)]
    (found,) = evaluate(opcode, [kind + "x2"], [kind + "x2"] * count, columns)
    for k in range(N):
        for half in (0, 1):
            want = expected(name, kind, "rn", set(opcode.split(".")), tuple(int(c[k]) for c in halves[half]))
            assert agree(int(found[k]) >> 16 * half & 0xFFFF, want, kind)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_what_is_held_to_be_no_less_than_zero_is_no_negative_zero(kind: str) -> None:
    negative_zero, one = 0x8000, rounded(Fraction(1), kind)
    columns = [np.full(N, bits, np.uint64) for bits in (negative_zero, one, negative_zero)]
    (found,) = evaluate(f"fma.rn.relu.{kind}", [kind], [kind] * 3, columns)
    assert set(found.tolist()) == {0}


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("name", ["min", "max", "min.NaN", "max.NaN"])
def test_minimum_and_maximum(name: str, kind: str) -> None:
    if f"{name}.{kind}" not in FORMS:
        pytest.skip(f"PTX has no {name}.{kind}")
    columns = operands(kind, 2, N)
    (found,) = evaluate(f"{name}.{kind}", [kind], [kind] * 2, columns)
    for k in range(N):
        a, b = (int(c[k]) for c in columns)
        if is_nan(a, kind) or is_nan(b, kind):
            want = -1 if name.endswith("NaN") or (is_nan(a, kind) and is_nan(b, kind)) else b if is_nan(a, kind) else a
        else:
            x, y = plain(value(a, kind)), plain(value(b, kind))
            first = (x, math.copysign(1, x)) <= (y, math.copysign(1, y))
            want = a if first == name.startswith("min") else b
        assert agree(int(found[k]), want, kind), (hex(a), hex(b), hex(int(found[k])))


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64"])
def test_signs(kind: str) -> None:
    (a,) = operands(kind, 1, N)
    sign = np.uint64(1 << sum(FORMATS[kind]))
    np.testing.assert_array_equal(evaluate(f"neg.{kind}", [kind], [kind], [a])[0], a ^ sign)
    np.testing.assert_array_equal(evaluate(f"abs.{kind}", [kind], [kind], [a])[0], a & ~sign)
    if kind in ("f32", "f64"):
        b = np.roll(a, 5)
        (found,) = evaluate(f"copysign.{kind}", [kind], [kind] * 2, [a, b])
        np.testing.assert_array_equal(found, (b & ~sign) | (a & sign))


APPROXIMATE = {
    "ex2": np.exp2, "lg2": np.log2, "rcp": lambda x: 1 / x, "rsqrt": lambda x: 1 / np.sqrt(x), "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
}  # fmt: skip


@pytest.mark.parametrize("name", APPROXIMATE)
def test_approximate_functions_are_close(name: str) -> None:
    generator = np.random.default_rng(8)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0]
    parts = [generator.uniform(-160, 160, 2048), generator.uniform(-3, 3, 2016), np.linspace(-1e-3, 1e-3, 26), edges]
    x = np.concatenate(parts).astype(np.float32)
    (found,) = evaluate(f"{name}.approx.f32", ["f32"], ["f32"], [x.view(np.uint32)])
    with np.errstate(all="ignore"):
        want = APPROXIMATE[name](x.astype(np.float64)).astype(np.float32)
    made = found.astype(np.uint32).view(np.float32)
    np.testing.assert_allclose(made, want, rtol=2.0**-21, atol=2.0**-149 if name != "lg2" else 2.0**-22, equal_nan=True)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_kinds_of_numbers(kind: str) -> None:
    """Zeros count as normal ones."""
    (a,) = operands(kind, 1, N)
    exponent_bits, _ = FORMATS[kind]
    least = Fraction(2) ** (2 - (1 << exponent_bits - 1))
    for test in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
        (found,) = evaluate(f"testp.{test}.{kind}", ["pred"], [kind], [a])
        for k in range(N):
            x = value(int(a[k]), kind)
            nan, infinite = isinstance(x, float) and math.isnan(x), isinstance(x, float) and math.isinf(x)
            small = not nan and not infinite and x != 0 and abs(x) < least
            want = {
                "finite": not nan and not infinite, "infinite": infinite, "number": not nan, "notanumber": nan,
                "normal": not nan and not infinite and not small, "subnormal": small,
            }[test]  # fmt: skip
            assert bool(found[k]) == want, (test, hex(int(a[k])))
