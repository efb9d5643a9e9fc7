"""Integers and bits against the instruction set's own words, in Python's integers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.simulate.exactly import operands
from tests.simulate.one_opcode import bits_of, evaluate
from workbench.simulate.ptx.forms import FORMS

N = 512


def signed(x: int, bits: int) -> int:
    x &= (1 << bits) - 1
    return x - (1 << bits) if x >> bits - 1 else x


def typed(x: int, kind: str) -> int:
    bits = bits_of(kind)
    return signed(x, bits) if kind[0] == "s" else x & (1 << bits) - 1


def towards_zero(a: int, b: int) -> int:
    size = abs(a) // abs(b)
    return size if (a < 0) == (b < 0) else -size


def low24(x: int, kind: str) -> int:
    return signed(x, 24) if kind[0] == "s" else x & 0xFFFFFF


Reference = Callable[..., int]
BY_TYPE: dict[str, Reference] = {
    "add": lambda a, b, t: a + b,
    "sub": lambda a, b, t: a - b,
    "mul.lo": lambda a, b, t: a * b,
    "mul.hi": lambda a, b, t: a * b >> bits_of(t),
    "mul.wide": lambda a, b, t: a * b,
    "mad.lo": lambda a, b, c, t: a * b + c,
    "mad.hi": lambda a, b, c, t: (a * b >> bits_of(t)) + c,
    "mad.wide": lambda a, b, c, t: a * b + c,
    "mul24.lo": lambda a, b, t: low24(a, t) * low24(b, t),
    "mul24.hi": lambda a, b, t: low24(a, t) * low24(b, t) >> 16,
    "mad24.lo": lambda a, b, c, t: low24(a, t) * low24(b, t) + c,
    "mad24.hi": lambda a, b, c, t: (low24(a, t) * low24(b, t) >> 16) + c,
    "sad": lambda a, b, c, t: c + abs(a - b),
    "div": lambda a, b, t: -1 if b == 0 else towards_zero(a, b),
    "rem": lambda a, b, t: a if b == 0 else a - b * towards_zero(a, b),
    "min": lambda a, b, t: min(a, b),
    "max": lambda a, b, t: max(a, b),
    "neg": lambda a, t: -a,
    "abs": lambda a, t: abs(a),
    "shr": lambda a, b, t: a >> min(b, 200),
    "shl": lambda a, b, t: a << min(b, 200),
    "and": lambda a, b, t: a & b,
    "or": lambda a, b, t: a | b,
    "xor": lambda a, b, t: a ^ b,
    "not": lambda a, t: ~a,
    "cnot": lambda a, t: int(a == 0),
    "mov": lambda a, t: a,
    "popc": lambda a, t: a.bit_count(),
    "clz": lambda a, t: bits_of(t) - a.bit_length(),
    "brev": lambda a, t: int(f"{a:0{bits_of(t)}b}"[::-1], 2),
    "bfind": lambda a, t: highest(a, t),
    "bfind.shiftamt": lambda a, t: -1 if highest(a, t) < 0 else bits_of(t) - 1 - highest(a, t),
    "bfe": lambda a, b, c, t: extracted(a, b, c, t),
    "bfi": lambda a, b, c, d, t: inserted(a, b, c, d, t),
    "slct": lambda a, b, c, t: a if c >= 0 else b,
}


def highest(a: int, kind: str) -> int:
    return (~a if a < 0 else a).bit_length() - 1


def extracted(a: int, start: int, length: int, kind: str) -> int:
    """The loop of the instruction set's description."""
    bits = bits_of(kind)
    a &= (1 << bits) - 1
    start, length, most = start & 0xFF, length & 0xFF, bits - 1
    sign = 0 if kind[0] != "s" or length == 0 else a >> min(start + length - 1, most) & 1
    made = 0
    for k in range(bits):
        made |= (a >> start + k & 1 if k < length and start + k <= most else sign) << k
    return made


def inserted(a: int, b: int, start: int, length: int, kind: str) -> int:
    made, start, length = b, start & 0xFF, length & 0xFF
    for k in range(length):
        if start + k < bits_of(kind):
            made = made & ~(1 << start + k) | (a >> k & 1) << start + k
    return made


def opcodes() -> list[Any]:
    seen, found = set(), []
    for opcode, form in FORMS.items():
        match = re.fullmatch(r"([a-z0-9]+(?:\.(?:lo|hi|wide|shiftamt))?)\.([bus](?:16|32|64))", opcode)
        if match and match[1] in BY_TYPE and (form.machine, opcode) not in seen:
            seen.add((form.machine, opcode))
            found.append(pytest.param(opcode, match[1], match[2], id=opcode))
    return found


@pytest.mark.parametrize(("opcode", "name", "kind"), opcodes())
def test_integers(opcode: str, name: str, kind: str) -> None:
    form = FORMS[opcode]
    made, given = [form.operands[0][1:]], [o[1:] for o in form.operands[1:]]
    given = [kind if name == "slct" else g for g in given]
    columns = [operands(g, len(given), N, seed=3)[k] for k, g in enumerate(given)]
    (found,) = evaluate(opcode, made, given, columns)
    for k in range(N):
        sources = [typed(int(c[k]), kind if g[0] == "b" else g) for c, g in zip(columns, given, strict=True)]
        want = BY_TYPE[name](*sources, kind) & (1 << bits_of(made[0])) - 1
        assert int(found[k]) == want, (opcode, sources, hex(int(found[k])), hex(want))


@pytest.mark.parametrize("opcode", ["add.sat.s32", "sub.sat.s32", "mad.hi.sat.s32"])
def test_saturating(opcode: str) -> None:
    count = 3 if opcode.startswith("mad") else 2
    columns = operands("s32", count, N)
    (found,) = evaluate(opcode, ["s32"], ["s32"] * count, columns)
    for k in range(N):
        a, b, *c = (signed(int(column[k]), 32) for column in columns)
        exact = {"add": a + b, "sub": a - b, "mad": (a * b >> 32) + sum(c)}[opcode[:3]]
        assert signed(int(found[k]), 32) == max(-(2**31), min(2**31 - 1, exact))


@pytest.mark.parametrize("kind", ["u32", "u64"])
def test_carries_make_wider_sums_and_products(kind: str) -> None:
    from tests.simulate.one_opcode import kernel, run_kernel

    bits = bits_of(kind)
    columns = operands(kind, 4, N)
    names = " ".join(f".reg .b{bits} %{r};" for r in ("a", "b", "c", "d", "x", "y", "z", "w", "lo", "hi", "t"))
    loads = " ".join(f"ld.global.b{bits} %{r}, [%in+{8 * N * k}];" for k, r in enumerate("abcd"))
    body = f"""{loads}
    add.cc.{kind} %x, %a, %b; addc.{kind} %y, %c, %d;
    sub.cc.{kind} %z, %a, %b; subc.{kind} %w, %c, %d;
    mul.lo.{kind} %lo, %a, %b;
    mad.lo.cc.{kind} %lo, %a, %b, %c; madc.hi.{kind} %hi, %a, %b, %d;
    add.cc.{kind} %t, %a, %b; addc.cc.{kind} %t, %c, %d; addc.{kind} %t, 0, 0;
    """
    stores = " ".join(
        f"st.global.b{bits} [%out+{8 * N * k}], %{r};" for k, r in enumerate(("x", "y", "z", "w", "lo", "hi", "t"))
    )
    found = run_kernel(kernel(body + stores, names), np.stack(columns), 7)
    for k in range(N):
        a, b, c, d = (int(column[k]) for column in columns)
        one, two = (1 << bits) - 1, (1 << 2 * bits) - 1
        total = (a + (c << bits)) + (b + (d << bits))
        less = ((a + (c << bits)) - (b + (d << bits))) & two
        product = (a * b + c + (d << bits)) & two
        got = [int(f[k]) for f in found]
        assert got[0] | got[1] << bits == total & two and got[2] | got[3] << bits == less
        assert got[4] | got[5] << bits == product and got[6] == total >> 2 * bits and got[4] <= one


PERMUTED = {
    "f4e": lambda c: [c, c + 1, c + 2, c + 3], "b4e": lambda c: [c, (c + 7) % 8, (c + 6) % 8, (c + 5) % 8],
    "rc8": lambda c: [c] * 4, "ecl": lambda c: [c, max(c, 1), max(c, 2), 3],
    "ecr": lambda c: [0, min(c, 1), min(c, 2), c], "rc16": lambda c: [2, 3, 2, 3] if c & 1 else [0, 1, 0, 1],
}  # fmt: skip


@pytest.mark.parametrize("mode", ["", *PERMUTED])
def test_permuted_bytes(mode: str) -> None:
    columns = operands("b32", 3, N)
    columns[2][::2] = np.random.default_rng(1).integers(0, 2**16, N // 2)
    (found,) = evaluate(f"prmt.b32{'.' * bool(mode)}{mode}", ["b32"], ["b32"] * 3, columns)
    for k in range(N):
        a, b, c = (int(column[k]) for column in columns)
        pool = (a | b << 32).to_bytes(8, "little")
        if mode:
            want = bytes(pool[s] for s in PERMUTED[mode](c & 3))
        else:
            picks = [c >> 4 * n & 15 for n in range(4)]
            want = bytes((0xFF if pool[p & 7] & 0x80 else 0) if p & 8 else pool[p] for p in picks)
        assert int(found[k]) == int.from_bytes(want, "little")


@pytest.mark.parametrize("table", range(0, 256, 15))
def test_three_input_logic(table: int) -> None:
    columns = operands("b32", 3, 64)
    (found,) = evaluate("lop3.b32", ["b32"], ["b32"] * 3, columns, f", {table}")
    for k in range(64):
        a, b, c = (int(column[k]) for column in columns)
        want = sum((table >> ((a >> n & 1) * 4 + (b >> n & 1) * 2 + (c >> n & 1)) & 1) << n for n in range(32))
        assert int(found[k]) == want


@pytest.mark.parametrize("opcode", ["shf.l.clamp.b32", "shf.l.wrap.b32", "shf.r.clamp.b32", "shf.r.wrap.b32"])
def test_funnel_shifts(opcode: str) -> None:
    columns = operands("b32", 3, N)
    (found,) = evaluate(opcode, ["b32"], ["b32"] * 3, columns)
    for k in range(N):
        a, b, c = (int(column[k]) for column in columns)
        by = c & 31 if "wrap" in opcode else min(c, 32)
        want = (b << by | a >> 32 - by) if ".l." in opcode else (b << 32 - by | a >> by)
        assert int(found[k]) == want & 0xFFFFFFFF


@pytest.mark.parametrize("a_kind", ["u32", "s32"])
@pytest.mark.parametrize("b_kind", ["u32", "s32"])
def test_dot_products(a_kind: str, b_kind: str) -> None:
    columns = operands("b32", 3, N)

    def parts(x: int, bits: int, kind: str) -> list[int]:
        return [typed(x >> bits * n, kind[0] + str(bits)) for n in range(32 // bits)]

    (four,) = evaluate(f"dp4a.{a_kind}.{b_kind}", ["b32"], ["b32"] * 3, columns)
    (low,) = evaluate(f"dp2a.lo.{a_kind}.{b_kind}", ["b32"], ["b32"] * 3, columns)
    (high,) = evaluate(f"dp2a.hi.{a_kind}.{b_kind}", ["b32"], ["b32"] * 3, columns)
    for k in range(N):
        a, b, c = (int(column[k]) for column in columns)
        bytes_b = parts(b, 8, b_kind)
        want = c + sum(x * y for x, y in zip(parts(a, 8, a_kind), bytes_b, strict=True))
        assert int(four[k]) == want & 0xFFFFFFFF
        for found, pair in ((low, bytes_b[:2]), (high, bytes_b[2:])):
            want = c + sum(x * y for x, y in zip(parts(a, 16, a_kind), pair, strict=True))
            assert int(found[k]) == want & 0xFFFFFFFF


@pytest.mark.parametrize("mode", ["clamp", "wrap"])
def test_masks_of_bits(mode: str) -> None:
    columns = [np.repeat(np.arange(0, 40), 40)[:1600], np.tile(np.arange(0, 40), 40)[:1600]]
    (found,) = evaluate(f"bmsk.{mode}.b32", ["b32"], ["u32"] * 2, columns)
    for k in range(1600):
        a, b = (int(column[k]) for column in columns)
        a, b = (a & 31, b & 31) if mode == "wrap" else (a, b)
        want = 0 if a >= 32 else ((1 << min(b, 32)) - 1) << a
        assert int(found[k]) == want & 0xFFFFFFFF


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_selection_by_predicate_and_predicates(bits: int) -> None:
    a, b = operands(f"b{bits}", 2, N)
    p, q = operands("pred", 2, N)
    (found,) = evaluate(f"selp.b{bits}", [f"b{bits}"], [f"b{bits}", f"b{bits}", "pred"], [a, b, p])
    np.testing.assert_array_equal(found, np.where(p, a, b))
    for name, want in {"and": p & q, "or": p | q, "xor": p ^ q}.items():
        np.testing.assert_array_equal(evaluate(f"{name}.pred", ["pred"], ["pred"] * 2, [p, q])[0], want)
    np.testing.assert_array_equal(evaluate("not.pred", ["pred"], ["pred"], [p])[0], 1 - p)


@pytest.mark.parametrize("kind", ["u32", "s32"])
def test_distances_of_bytes_and_their_sum(kind: str) -> None:
    columns = operands(kind, 3, N)
    a, b = (c.astype(np.uint32).view(np.uint8 if kind == "u32" else np.int8).astype(np.int64) for c in columns[:2])
    far = np.abs(a - b).reshape(-1, 4)
    (four,) = evaluate(f"vabsdiff4.{kind}.{kind}.{kind}", [kind], [kind] * 3, columns)
    (total,) = evaluate(f"vabsdiff4.{kind}.{kind}.{kind}.add", [kind], [kind] * 3, columns)
    assert np.array_equal(four & 0xFFFFFFFF, (far << np.array([0, 8, 16, 24])).sum(axis=1))
    assert np.array_equal(total & 0xFFFFFFFF, (far.sum(axis=1) + columns[2].astype(np.int64)) & 0xFFFFFFFF)


@pytest.mark.parametrize("kind", ["u16", "s16"])
@pytest.mark.parametrize("name", ["add", "min", "max", "min.relu", "max.relu"])
def test_two_halves_are_two_integers(name: str, kind: str) -> None:
    if f"{name}.{kind}x2" not in FORMS:
        pytest.skip(f"PTX has no {name}.{kind}x2")
    columns = operands("b32", 2, N)
    a, b = (c.astype(np.uint32).view(np.uint16 if kind == "u16" else np.int16) for c in columns)
    want = a + b if name == "add" else np.minimum(a, b) if name.startswith("min") else np.maximum(a, b)
    want = np.maximum(want, 0) if name.endswith("relu") else want
    (found,) = evaluate(f"{name}.{kind}x2", ["b32"], ["b32"] * 2, columns)
    assert np.array_equal(found.astype(np.uint32), np.ascontiguousarray(want).view(np.uint32))


@pytest.mark.parametrize("name", ["min", "max"])
def test_what_is_below_zero_becomes_zero(name: str) -> None:
    columns = operands("s32", 2, N)
    a, b = (c.astype(np.uint32).view(np.int32) for c in columns)
    (found,) = evaluate(f"{name}.relu.s32", ["s32"], ["s32"] * 2, columns)
    assert np.array_equal(found.astype(np.uint32).view(np.int32), np.maximum(getattr(np, f"{name}imum")(a, b), 0))
