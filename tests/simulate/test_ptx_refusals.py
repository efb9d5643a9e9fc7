"""PTX that cannot be read or is not simulated: one line that names kernel, line and form; never a traceback."""

from __future__ import annotations

import random
import re

import pytest

from tests.simulate.one_opcode import HEAD, kernel
from workbench.problem import Problem
from workbench.simulate.ptx import read_module

WHOLE = kernel(
    """
    .shared .align 16 .b8 room[512];
    ld.global.v2.f32 {%x, %y}, [%in+8];
    { .reg .pred q; setp.lt.or.f32 q|%p, %x, 0f3F800000, %p; @!q bra AGAIN;
      fma.rn.ftz.f32 %x, %x, %y, 0f00000000; AGAIN: }
    mov.b64 %at, {%n, %n};
    cvta.shared.u64 %at, %at;
    shfl.sync.bfly.b32 %n|%p, %n, 1, 31, -1;
    atom.global.add.u32 %n, [%out], %n;
    cp.async.ca.shared.global [room+16], [%in], 4;
    st.shared.f32 [room+%n], %x;
    @%p bra DONE;
    bar.sync 0;
DONE:
    """.replace("room+%n", "room+4"),
    ".reg .f32 %x; .reg .f32 %y; .reg .pred %p;",
)


def test_the_whole_of_it_is_read() -> None:
    assert len(read_module(WHOLE).program("k").instructions) == 23


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            "tex.1d.v4.f32.f32 {%a,%b,%c,%d}, [t, {%x}];",
            r"kernel k: PTX line \d+: form tex.1d.v4.f32.f32 is not simulated",
        ),
        ("wgmma.fence.sync.aligned;", "form wgmma.fence.sync.aligned is not simulated: of matrix products mma.sync is"),
        (
            "sust.b.2d.b32.trap [s, {%n,%n}], {%n};",
            "sust.b.2d.b32.trap is not simulated: textures and surfaces are not",
        ),
        ("red.global.add.v4.f32 [%out], {%x,%x,%x,%x};", "simulated: an atomic operation on each element is"),
        ("wmma.load.a.sync.aligned.row.m8n32k16.f16 {%n}, [%in];", "simulated: of wmma, m16n16k16 of f16 and bf16 is"),
        ("mov.u32 %n, %envreg2;", "%envreg2 is not declared, or not simulated: grid-wide groups take a cooperative"),
        ("cp.async.bulk.commit_group;", "form cp.async.bulk.commit_group is not simulated"),
        ("add.s32 %n, %n;", "add.s32 has 3 operands, not 2"),
        ("add.s32 %n, %n, %in;", "%in is a register of type .b64 where .s32 is wanted"),
        ("add.s32 %n, %n, %lost;", "register %lost is not declared"),
        ("ld.global.v2.u32 {%n}, [%in];", "moves 2 elements, not 1"),
        ("ld.global.u32 %n, [nowhere];", r"address `\[nowhere\]` is not simulated"),
        ("bra NOWHERE;", "no label NOWHERE can be seen"),
        ("call (%n), malloc, (%n);", "a call of malloc, which has no body here"),
        ("lop3.b32 %n, %n, %n, %n, 256;", "is no table"),
        ("cp.async.cg.shared.global [%n], [%in], 8;", "copies 8 bytes"),
        ("mul.u32 %n, %n, %n;", "form mul.u32 is not simulated"),
        (".reg .b128 %wide;", "are not simulated"),
        ("mov.u32 %n, %pm0;", "register %pm0 is not declared, or not simulated"),
        ("setp.lt.s32 %n, %n, 1;", "%n is no predicate"),
        ("@%n bra X; X:", "%n is no predicate"),
    ],
)
def test_what_is_not_known_is_named(body: str, wanted: str) -> None:
    with pytest.raises(Problem, match=wanted):
        read_module(kernel(body)).program("k")


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", ".version 8.0\n.entry", ".address_size 32", HEAD + ".visible .entry k(",
        *(HEAD + ".entry k() { " + body for body in (
            "", "{", "@p; }", "a: a: ret; }", ".reg .b32 %r<99999999999>; mov.u32 %r5, 1; ret; }",
            "{" * 5000 + "}" * 5000 + " ret; }", ".local .b8 x[900000000]; st.local.u32 [x], 0; }",
            "cvta; isspacep; fence; }", "mbarrier; cp; bar; ld; st; atom; mma; vote; }", "fence; }", "mma; }",
        )),
        HEAD + ".global .b8 x[99999999999999];", HEAD + ".func f() { call f; ret; } .entry k() { call f; }",
        HEAD + ".entry k(.param .align 3 .b8 a[4]) { ret; }",
    ],
)  # fmt: skip
def test_hostile_text_is_a_problem_or_harmless(text: str) -> None:
    try:
        module = read_module(text)
        for name in module.kernels:
            module.program(name)
    except Problem as problem:
        assert "\n" not in str(problem)


def test_recursion_is_refused_by_name() -> None:
    text = HEAD + ".func f() { call f; ret; } .entry k() { call f; ret; }"
    with pytest.raises(Problem, match=r"kernel k: PTX line \d+: calls nest deeper .*\(f\): recursion is not simulated"):
        read_module(text).program("k")


@pytest.mark.parametrize("seed", range(60))
def test_broken_text_never_crashes_and_names_a_line(seed: int) -> None:
    choose = random.Random(seed)
    text = WHOLE
    for _ in range(choose.randint(1, 4)):
        way = choose.randrange(5)
        at, to = sorted(choose.randrange(len(text)) for _ in range(2))
        if way == 0:
            text = text[:to] or WHOLE
        elif way == 1:
            text = text[:at] + text[min(to, at + 20) :]
        elif way == 2:
            text = text[:at] + choose.choice('{}[]();,.@%|:"/*+-!0\n\0é') + text[at:]
        elif way == 3:
            words = re.findall(r"\s+|[^\s]+", text)
            a, b = choose.randrange(len(words)), choose.randrange(len(words))
            words[a], words[b] = words[b], words[a]
            text = "".join(words)
        else:
            text = text[:at] + text[at : at + 40] + text[at:]
    try:
        module = read_module(text)
        for name in module.kernels:
            module.program(name)
    except Problem as problem:
        assert re.search(r"PTX line \d+: ", str(problem)), problem
