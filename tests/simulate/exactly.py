"""Numbers without rounding, and rounding done in integers: what floating point is held against."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np

FORMATS = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}
"""Bits of exponent and fraction."""
Number = Fraction | float
"""A float only for infinities and NaN, and -0.0."""


def value(bits: int, kind: str) -> Number:
    """The number that bits stand for; the floats -0.0, inf and nan where no fraction can."""
    exponent_bits, fraction_bits = FORMATS[kind]
    fraction = bits & (1 << fraction_bits) - 1
    exponent = bits >> fraction_bits & (1 << exponent_bits) - 1
    negative = bits >> fraction_bits + exponent_bits & 1
    bias = (1 << exponent_bits - 1) - 1
    if exponent == (1 << exponent_bits) - 1:
        return math.nan if fraction else -math.inf if negative else math.inf
    if exponent == 0:
        size = Fraction(fraction) * Fraction(2) ** (1 - bias - fraction_bits)
    else:
        size = Fraction(fraction + (1 << fraction_bits)) * Fraction(2) ** (exponent - bias - fraction_bits)
    if size == 0 and negative:
        return -0.0
    return -size if negative else size


def rounded(number: Number, kind: str, mode: str = "rn", negative_zero: bool = False) -> int:
    """The bits of a number in a format: modes rn, rz, rm, rp, rna."""
    exponent_bits, fraction_bits = FORMATS[kind]
    infinity = ((1 << exponent_bits) - 1) << fraction_bits
    sign_bit = 1 << fraction_bits + exponent_bits
    if isinstance(number, float):
        if math.isnan(number):
            return -1
        if math.isinf(number):
            return infinity | (sign_bit if number < 0 else 0)
        if number == 0:
            return sign_bit if math.copysign(1, number) < 0 else 0
        number = Fraction(number)
    if number == 0:
        return sign_bit if negative_zero else 0
    sign = sign_bit if number < 0 else 0
    size = abs(number)
    bias = (1 << exponent_bits - 1) - 1
    power = size.numerator.bit_length() - size.denominator.bit_length()
    while Fraction(2) ** power > size:
        power -= 1
    while Fraction(2) ** (power + 1) <= size:
        power += 1
    power = max(power, 1 - bias)
    units = size / Fraction(2) ** (power - fraction_bits)
    below = units.numerator // units.denominator
    rest = units - below
    up = {
        "rn": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1),
        "rna": rest >= Fraction(1, 2),
        "rz": False,
        "rm": rest > 0 and sign != 0,
        "rp": rest > 0 and sign == 0,
    }[mode]
    below += int(up)
    bits = ((power + bias - 1) << fraction_bits) + below
    if bits >= infinity:
        stays = mode == "rz" or (mode == "rm" and not sign) or (mode == "rp" and sign)
        bits = infinity - 1 if stays else infinity
    return sign | bits


def is_nan(bits: int, kind: str) -> bool:
    number = value(bits, kind)
    return isinstance(number, float) and math.isnan(number)


def flushed(bits: int, kind: str) -> int:
    """Without denormals, the sign kept."""
    exponent_bits, fraction_bits = FORMATS[kind]
    if bits >> fraction_bits & (1 << exponent_bits) - 1 == 0:
        return bits & 1 << fraction_bits + exponent_bits
    return bits


def plain(number: Number) -> float:
    """As a Python float, for infinities and signs of zero."""
    return number if isinstance(number, float) else float(number)


def operands(kind: str, count: int, n: int, seed: int = 3) -> list[Any]:
    """Columns of bits: every combination of edges as far as n reaches, then random ones of all sizes."""
    generator = np.random.default_rng(seed)
    bits = {"pred": 1, "f16x2": 32, "bf16x2": 32, "bf16": 16}.get(kind) or int(kind.lstrip("busf"))
    top = 1 << bits
    if kind in FORMATS:
        exponent_bits, fraction_bits = FORMATS[kind]
        one = ((1 << exponent_bits - 1) - 1) << fraction_bits
        infinity = ((1 << exponent_bits) - 1) << fraction_bits
        some = [0, 1, infinity, infinity - 1, infinity + 1, 1 << fraction_bits, (1 << fraction_bits) - 1, one, one + 1,
                one - 1, one + (1 << fraction_bits - 1)]  # fmt: skip
        edges = some + [e | top >> 1 for e in some]
    else:
        edges = [0, 1, 2, 3, top - 1, top - 2, top >> 1, (top >> 1) - 1, (top >> 1) + 1, 7, 31, 32, 33, 63, 64, 65, 255]
        edges = [e for e in edges if e < top]
    columns = []
    for k in range(count):
        random = generator.integers(0, top, n, dtype=np.uint64, endpoint=False) if bits < 64 else (
            generator.integers(0, 2**64, n, dtype=np.uint64, endpoint=False))  # fmt: skip
        if kind in FORMATS:  # half of them of nearly one size, so that sums cancel and round
            near = generator.standard_normal(n)
            random[::2] = [pack(x, kind) for x in near[::2]]
        elif kind != "pred":
            small = generator.integers(0, min(top, 80), n, dtype=np.uint64)
            random[::3] = small[::3]
        cycle = len(edges) ** k
        for at in range(min(n // 2, len(edges) ** min(count, 2))):
            random[at] = edges[at // cycle % len(edges)]
        columns.append(random)
    return columns


def pack(x: float, kind: str) -> int:
    if kind == "f64":
        return int(struct.unpack("<Q", struct.pack("<d", x))[0])
    if kind == "f32":
        return int(struct.unpack("<I", struct.pack("<f", x))[0])
    return rounded(Fraction(x), kind)
