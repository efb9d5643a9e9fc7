"""The table of instructions on registers: each opcode as PTX spells it, its operands, and the machine's form for it.

It is the source of the lowering, of the operand checks, of the conformance tests and of the list of what is simulated.
Instructions on memory, on warps and of control flow are in `memory.py` and `flow.py`: their operands are not registers
alone.

Operands are a word each: `>` a destination, `<` a source, then the type that gives its width (`p`: predicate, which as
a source may be negated). `>p|` may be two predicates, `c` the carry, `#` a number that goes into the instruction.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Form:
    """How an opcode is carried out."""

    machine: str
    """The machine's name of it."""
    operands: tuple[str, ...]
    immediate: int = 0
    variant: int = 0
    order: tuple[int, ...] = field(default=())
    """Which operand comes at each place of the machine's form (-1: none); empty: as written."""


FORMS: dict[str, Form] = {}

INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
WIDER = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}
ROUNDINGS = ("", ".rn", ".rz", ".rm", ".rp")
WHOLE = {".rni": 0, ".rzi": 1, ".rmi": 2, ".rpi": 3}
"""Roundings to an integer, by the machine's number."""
FTZ = ("", ".ftz")
SAT = ("", ".sat")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
UNORDERED = ("equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")
BOOLEANS = {"and": 1, "or": 2, "xor": 3}


@functools.cache
def width(kind: str) -> int:
    """Bits of a type."""
    return {"f32x2": 64, "f16x2": 32, "bf16x2": 32, "bf16": 16, "tf32": 32}.get(kind) or int(kind.lstrip("busf"))


def define(opcode: str, operands: str, machine: str | None = None, **fields: Any) -> None:
    FORMS[opcode] = Form(machine or opcode, tuple(operands.split()), **fields)


def _exact(rounding: str) -> str:
    """To nearest is the machine's default."""
    return "" if rounding in ("", ".rn") else rounding


def _integers() -> None:
    for t in INTEGERS:
        two, three = f">{t} <{t} <{t}", f">{t} <{t} <{t} <{t}"
        for name in ("add", "sub", "mul.lo", "mul.hi", "div", "rem", "min", "max"):
            define(f"{name}.{t}", two)
        for name in ("mad.lo", "mad.hi", "sad"):
            define(f"{name}.{t}", three)
        if t[0] == "s":
            define(f"neg.{t}", f">{t} <{t}")
            define(f"abs.{t}", f">{t} <{t}")
        define(f"shr.{t}", f">{t} <{t} <u32")
        if t in WIDER:
            define(f"mul.wide.{t}", f">{WIDER[t]} <{t} <{t}")
            define(f"mad.wide.{t}", f">{WIDER[t]} <{t} <{t} <{WIDER[t]}")
    for name, t in product(("add", "min", "max"), ("u16x2", "s16x2")):
        define(f"{name}.{t}", ">b32 <b32 <b32")
    for name in ("min", "max"):
        define(f"{name}.relu.s16x2", ">b32 <b32 <b32")
        define(f"{name}.relu.s32", ">s32 <s32 <s32")
    for name in ("add.sat.s32", "sub.sat.s32"):
        define(name, ">s32 <s32 <s32")
    define("mad.hi.sat.s32", ">s32 <s32 <s32 <s32")
    for t, half in product(("u32", "s32"), ("lo", "hi")):
        define(f"mul24.{half}.{t}", f">{t} <{t} <{t}")
        define(f"mad24.{half}.{t}", f">{t} <{t} <{t} <{t}")
    for t, cc in product(("u32", "s32", "u64", "s64"), ("", ".cc")):
        for name in ("add", "sub"):
            define(f"{name}c{cc}.{t}", f">{t} <{t} <{t} c")
            define(f"{name}.cc.{t}", f">{t} <{t} <{t} c")
        for half in ("lo", "hi"):
            define(f"madc.{half}{cc}.{t}", f">{t} <{t} <{t} <{t} c")
            define(f"mad.{half}.cc.{t}", f">{t} <{t} <{t} <{t} c")


def _bits() -> None:
    for bits in ("16", "32", "64"):
        t, form = f"b{bits}", "b64" if bits == "64" else "b32"  # the high half of a 16-bit register means nothing
        for name in ("and", "or", "xor"):
            define(f"{name}.{t}", f">{t} <{t} <{t}", f"{name}.{form}")
        define(f"not.{t}", f">{t} <{t}", f"not.{form}")
        define(f"cnot.{t}", f">{t} <{t}")
        define(f"shl.{t}", f">{t} <{t} <u32")
        define(f"shr.{t}", f">{t} <{t} <u32", f"shr.u{bits}")
        for kind in ("b", "u", "s", "f"):
            define(f"mov.{kind}{bits}", f">{t} <{t}", f"mov.{form}")
            define(f"selp.{kind}{bits}", f">{t} <{t} <{t} <p", f"selp.{form}")
            for ftz, c in (("", "s32"), ("", "f32"), (".ftz", "f32")):
                define(f"slct{ftz}.{kind}{bits}.{c}", f">{t} <{t} <{t} <{c}", f"slct{ftz}.{form}.{c}")
    define("mov.bf16", ">b16 <b16", "mov.b32")
    define("mov.f16x2", ">b32 <b32", "mov.b32")
    for name in ("and", "or", "xor"):
        define(f"{name}.pred", ">p <p <p")
    for name in ("not", "mov"):
        define(f"{name}.pred", ">p <p")
    for bits in ("32", "64"):
        t = f"b{bits}"
        define(f"popc.{t}", f">u32 <{t}")
        define(f"clz.{t}", f">u32 <{t}")
        define(f"brev.{t}", f">{t} <{t}")
        define(f"bfi.{t}", f">{t} <{t} <{t} <u32 <u32")
        for sign in ("u", "s"):
            define(f"bfe.{sign}{bits}", f">{t} <{t} <u32 <u32")
            define(f"bfind.{sign}{bits}", f">u32 <{t}")
            define(f"bfind.shiftamt.{sign}{bits}", f">u32 <{t}")
    for mode in ("", ".f4e", ".b4e", ".rc8", ".ecl", ".ecr", ".rc16"):
        define(f"prmt.b32{mode}", ">b32 <b32 <b32 <b32")
    define("lop3.b32", ">b32 <b32 <b32 <b32 #")
    for side, mode in product("lr", ("clamp", "wrap")):
        define(f"shf.{side}.{mode}.b32", ">b32 <b32 <b32 <u32")
    for a, b in product(("u32", "s32"), repeat=2):
        define(f"dp4a.{a}.{b}", ">b32 <b32 <b32 <b32")
        for half in ("lo", "hi"):
            define(f"dp2a.{half}.{a}.{b}", ">b32 <b32 <b32 <b32")
    for t, after in product(("u32", "s32"), ("", ".add")):
        define(f"vabsdiff4.{t}.{t}.{t}{after}", f">{t} <{t} <{t} <{t}")
    for mode in ("clamp", "wrap"):
        define(f"bmsk.{mode}.b32", ">b32 <u32 <u32")


def _floats() -> None:
    for r, ftz, sat in product(ROUNDINGS, FTZ, SAT):
        for name in ("add", "sub", "mul"):
            define(f"{name}{r}{ftz}{sat}.f32", ">f32 <f32 <f32", f"{name}{_exact(r)}{ftz}{sat}.f32")
            define(f"{name}{r}.f64", ">f64 <f64 <f64", f"{name}{_exact(r)}.f64")
        for name in ("fma", "mad"):
            define(f"{name}{r}{ftz}{sat}.f32", ">f32 <f32 <f32 <f32", f"fma{_exact(r)}{ftz}{sat}.f32")
            define(f"{name}{r}.f64", ">f64 <f64 <f64 <f64", f"fma{_exact(r)}.f64")
    for r, ftz in product(ROUNDINGS, FTZ):
        for name in ("add", "sub", "mul"):
            define(f"{name}{r}{ftz}.f32x2", ">f32x2 <f32x2 <f32x2", f"{name}{_exact(r)}{ftz}.f32x2")
        if r:
            define(f"fma{r}{ftz}.f32x2", ">f32x2 <f32x2 <f32x2 <f32x2", f"fma{_exact(r)}{ftz}.f32x2")
    for r, ftz in product((".rn", ".rz", ".rm", ".rp"), FTZ):
        define(f"div{r}{ftz}.f32", ">f32 <f32 <f32", f"div{_exact(r)}{ftz}.f32")
        define(f"div{r}.f64", ">f64 <f64 <f64", f"div{_exact(r)}.f64")
        for name in ("rcp", "sqrt"):
            define(f"{name}{r}{ftz}.f32", ">f32 <f32", f"{name}{_exact(r)}{ftz}.f32")
            define(f"{name}{r}.f64", ">f64 <f64", f"{name}{_exact(r)}.f64")
    for ftz in FTZ:
        for mode in ("approx", "full"):
            define(f"div.{mode}{ftz}.f32", ">f32 <f32 <f32", f"div{ftz}.f32")
        for name in ("rcp", "sqrt", "rsqrt", "sin", "cos", "lg2", "ex2", "tanh"):
            define(f"{name}.approx{ftz}.f32", ">f32 <f32", f"{name}{ftz}.f32")
        for name in ("rcp", "rsqrt"):
            define(f"{name}.approx{ftz}.f64", ">f64 <f64", f"{name}.approx.f64")
        for name, nan in product(("min", "max"), ("", ".NaN")):
            define(f"{name}{ftz}{nan}.f32", ">f32 <f32 <f32", f"{name}{nan}{ftz}.f32")
        for name in ("min", "max"):
            define(f"{name}{ftz}.xorsign.abs.f32", ">f32 <f32 <f32", f"{name}.xorsign.abs{ftz}.f32")
        for name in ("neg", "abs"):
            define(f"{name}{ftz}.f32", ">f32 <f32")
    for name in ("min", "max"):
        define(f"{name}.f64", ">f64 <f64 <f64")
    for name in ("neg", "abs"):
        define(f"{name}.f64", ">f64 <f64")
    for t in ("f32", "f64"):
        define(f"copysign.{t}", f">{t} <{t} <{t}")
        for test in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
            define(f"testp.{test}.{t}", f">p <{t}")


def _halves() -> None:
    for t in ("f16", "f16x2", "bf16", "bf16x2"):
        two = f">{t} <{t} <{t}"
        for r, ftz, sat in product(("", ".rn"), FTZ, SAT):
            for name in ("add", "sub", "mul"):
                define(f"{name}{r}{ftz}{sat}.{t}", two, f"{name}{ftz}{sat}.{t}")
        for ftz, after in product(FTZ, ("", ".sat", ".relu")):
            define(f"fma.rn{ftz}{after}.{t}", f">{t} <{t} <{t} <{t}", f"fma{ftz}{after}.{t}")
        for ftz in FTZ:
            for name, nan in product(("min", "max"), ("", ".NaN")):
                define(f"{name}{ftz}{nan}.{t}", two, f"{name}{nan}{ftz}.{t}")
            for name in ("neg", "abs"):
                if not ftz:
                    define(f"{name}.{t}", f">{t} <{t}")
            define(f"ex2.approx{ftz}.{t}", f">{t} <{t}", f"ex2{ftz}.{t}")
        define(f"tanh.approx.{t}", f">{t} <{t}", f"tanh.{t}")


def _comparisons() -> None:
    kinds: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    kinds += [(t, COMPARISONS, ("",)) for t in INTEGERS]
    kinds += [(t, ("eq", "ne"), ("",)) for t in ("b16", "b32", "b64")]
    kinds += [(t, COMPARISONS + UNORDERED, FTZ) for t in ("f16", "f16x2", "f32", "bf16", "bf16x2")]
    kinds += [("f64", COMPARISONS + UNORDERED, ("",))]
    unsigned = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
    for t, comparisons, flushes in kinds:
        names = {c: c for c in comparisons} | (unsigned if t[0] == "u" else {})
        for (name, machine), ftz in product(names.items(), flushes):
            kept = ftz if t == "f32" else ""
            form = f"{machine}{kept}.{t}"
            define(f"setp.{name}{ftz}.{t}", f">p| <{t} <{t}", f"setp.{form}")
            for boolean, variant in BOOLEANS.items():
                define(f"setp.{name}.{boolean}{ftz}.{t}", f">p| <{t} <{t} <p", f"setp.{form}", variant=variant)
            if t[:2] in ("f1", "bf"):
                continue
            for made, true in (("u32", 0xFFFFFFFF), ("s32", 0xFFFFFFFF), ("f32", 0x3F800000)):
                define(f"set.{name}{ftz}.{made}.{t}", f">{made} <{t} <{t}", f"set.{form}", immediate=true,
                       order=(0, -1, 1, 2))  # fmt: skip
                for boolean, variant in BOOLEANS.items():
                    define(f"set.{name}.{boolean}{ftz}.{made}.{t}", f">{made} <{t} <{t} <p", f"set.{form}",
                           immediate=true, variant=variant, order=(0, -1, 1, 2, 3))  # fmt: skip
    for t, true in (("f16", 0x3C00), ("bf16", 0x3F80)):
        for name, ftz in product(COMPARISONS + UNORDERED, FTZ):
            for made, value in ((t, true), ("u32", 0xFFFFFFFF), ("s32", 0xFFFFFFFF), ("u16", 0xFFFF), ("s16", 0xFFFF)):
                define(f"set.{name}{ftz}.{made}.{t}", f">{made} <{t} <{t}", f"set.{name}.{t}", immediate=value,
                       order=(0, -1, 1, 2))  # fmt: skip
            define(f"set.{name}{ftz}.{t}x2.{t}x2", f">{t}x2 <{t}x2 <{t}x2", f"set.{name}.{t}x2", immediate=true,
                   order=(0, -1, 1, 2))  # fmt: skip
            for made in ("u32", "s32"):
                define(f"set.{name}{ftz}.{made}.{t}x2", f">{made} <{t}x2 <{t}x2", f"set.{name}.{t}x2",
                       immediate=0xFFFF, order=(0, -1, 1, 2))  # fmt: skip


def _conversions() -> None:
    whole = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")
    for d, s in product(whole, whole):
        # A register may be wider than the type: `>u8` is any register that holds it.
        define(f"cvt.{d}.{s}", f">{d} <{s}", _resized(d, s))
        define(f"cvt.sat.{d}.{s}", f">{d} <{s}")
    for d, s in product(whole, ("f16", "bf16", "f32", "f64")):
        for r, ftz, sat in product((".rni", ".rzi", ".rmi", ".rpi"), FTZ, SAT):
            form = f"cvt.integer{ftz if s == 'f32' else ''}.{d}.{s}"
            fast = (d, s, r, ftz) == ("s32", "f32", ".rzi", "")
            define(f"cvt{r}{ftz}{sat}.{d}.{s}", f">{d} <{s}", "cvt.rzi.s32.f32" if fast else form, variant=WHOLE[r])
    for d, s, r in product(("f32", "f64"), whole, (".rn", ".rz", ".rm", ".rp")):
        define(f"cvt{r}.{d}.{s}", f">{d} <{s}", f"cvt{_exact(r)}.{d}.{s}")
    for d, s, r in product(("f16", "bf16"), (*whole, "f64", "f32"), (".rn", ".rz", ".rm", ".rp")):
        define(f"cvt{r}.{d}.{s}", f">{d} <{s}")
    for d, r in product(("f16", "bf16"), (".rn", ".rz")):
        for after, variant in ((".relu", 1), (".satfinite", 2), (".relu.satfinite", 3)):
            define(f"cvt{r}{after}.{d}.f32", f">{d} <f32", f"cvt{r}.after.{d}.f32", variant=variant)
            define(f"cvt{r}{after}.{d}x2.f32", f">{d}x2 <f32 <f32", f"cvt{r}.{d}x2.f32", variant=variant)
        define(f"cvt{r}.{d}x2.f32", f">{d}x2 <f32 <f32")
    for t in ("f16", "bf16", "f32", "f64"):
        for r, ftz, sat in product((".rni", ".rzi", ".rmi", ".rpi"), FTZ if t == "f32" else ("",), SAT):
            define(f"cvt{r}{ftz}{sat}.{t}.{t}", f">{t} <{t}", f"cvt.integral{ftz}{sat}.{t}.{t}", variant=WHOLE[r])
    for d, s in (("f32", "f64"), ("f64", "f32"), ("f32", "f32"), ("f64", "f64")):
        for r, ftz, sat in product(ROUNDINGS, FTZ, SAT):
            define(f"cvt{r}{ftz}{sat}.{d}.{s}", f">{d} <{s}", f"cvt{_exact(r)}{ftz}{sat}.{d}.{s}")
    for h, ftz in product(("f16", "bf16"), FTZ):
        define(f"cvt{ftz}.f32.{h}", f">f32 <{h}", f"cvt.f32.{h}")
        define(f"cvt{ftz}.sat.f32.{h}", f">f32 <{h}", f"cvt.sat.f32.{h}")
        define(f"cvt.f64.{h}", f">f64 <{h}")
    for r in (".rna", ".rn", ".rz"):
        define(f"cvt{r}.tf32.f32", ">b32 <f32")
    for t, (after, variant) in product(("e4m3x2", "e5m2x2"), (("", 0), (".relu", 1))):
        for s, sources in (("f32", "<f32 <f32"), ("f16x2", "<f16x2")):
            define(f"cvt.rn.satfinite{after}.{t}.{s}", f">b16 {sources}", f"cvt.{t}.{s}", variant=variant)
        define(f"cvt.rn{after}.f16x2.{t}", ">f16x2 <b16", f"cvt.f16x2.{t}", variant=variant)


def _resized(d: str, s: str) -> str:
    """The machine's form of a change of width, the cheapest that does it."""
    if s in ("u32", "s32") and d in ("u64", "s64"):
        return f"widen.{s}"
    if d in ("u32", "s32") and s in ("u32", "s32", "u64", "s64"):
        return "mov.b32"  # the low row
    return "mov.b64" if d[1:] == s[1:] == "64" else f"cvt.{d}.{s}"


_integers()
_bits()
_floats()
_halves()
_comparisons()
_conversions()
