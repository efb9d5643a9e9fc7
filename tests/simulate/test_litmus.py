"""Litmus tests of the PTX memory model: what it allows is seen within so many seeds, what it forbids never is.

Each thread of a test is a block of one thread; each runs straight-line accesses to x and y, both 0 before. What is
allowed and forbidden is the published model's (NVIDIA, PTX ISA, memory consistency model).
"""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import Loaded
from workbench.simulate.ptx import read_module

SEEDS = 300
STORE, LOAD, FENCE, SC = "st.relaxed.gpu", "ld.relaxed.gpu", "fence.acq_rel.gpu", "fence.sc.gpu"
RELEASE, ACQUIRE = "st.release.gpu", "ld.acquire.gpu"

Thread = tuple[str, ...]


def kernel(threads: tuple[Thread, ...]) -> str:
    """PTX of a test. A thread's lines are `OPCODE x VALUE`, `OPCODE x rN`, or a fence; rN end in out[N]."""
    body = []
    results = set()
    for number, thread in enumerate(threads):
        body += [f"setp.ne.u32 %p, %block, {number};", f"@%p bra L{number};"]
        loads = []
        for line in thread:
            opcode, *rest = line.split()
            if not rest:
                body.append(f"{opcode};")
            elif opcode.startswith("ld"):
                body.append(f"{opcode}.u32 %{rest[1]}, [%{rest[0]}];")
                loads.append(rest[1])
            else:
                body.append(f"{opcode}.u32 [%{rest[0]}], {'%' if rest[1][0] == 'r' else ''}{rest[1]};")
        body += ["nanosleep.u32 1;"] * 8  # nobody needs the loads yet: they may be as late
        body += [f"st.global.u32 [%out+{4 * int(name[1:])}], %{name};" for name in loads]
        body += ["bra DONE;", f"L{number}:"]
        results |= set(loads)
    registers = "".join(f".reg .u32 %r{k};" for k in range(8))
    return f"""
.version 8.0
.target sm_80
.address_size 64
.visible .entry test(.param .u64 px, .param .u64 py, .param .u64 pout) {{
.reg .u64 %x, %y, %out; .reg .u32 %block; .reg .pred %p; {registers}
ld.param.u64 %x, [px]; ld.param.u64 %y, [py]; ld.param.u64 %out, [pout];
mov.u32 %block, %ctaid.x;
{chr(10).join(body)}
DONE: ret;
}}
"""


def outcomes(*threads: Thread, seeds: int = SEEDS) -> set[tuple[int, ...]]:
    """Every outcome that the seeds show: the loaded values in the order of their names, then x and y at the end."""
    module = read_module(kernel(threads))
    program = module.program("test")
    loads = sum(line.startswith("ld") for thread in threads for line in thread)
    seen = set()
    for seed in range(1, seeds + 1):
        memory = Memory()
        for name, words in (("x", 1), ("y", 1), ("out", max(1, loads))):
            memory.put(name, np.zeros(words, np.uint32), writable=True)
        block = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("x", "y", "out"))
        options = Options(seed=seed, resident=len(threads), quantum=3, delays=True)
        Loaded(module, memory, "").launch_packed(program, block, (len(threads), 1, 1), (1, 1, 1), 0, options)
        end = tuple(int(memory.array(name)[0]) for name in ("x", "y"))
        seen.add(tuple(map(int, memory.array("out")[:loads])) + end)
    return seen


def loaded(seen: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Outcomes without the last two numbers."""
    return {outcome[:-2] for outcome in seen}


def message_passing(store: str, load: str, *fences: str) -> set[tuple[int, ...]]:
    return loaded(outcomes((f"{STORE} x 1", *fences, f"{store} y 1"), (f"{load} y r0", *fences, f"{LOAD} x r1")))


@pytest.mark.parametrize(
    ("store", "load", "fences", "allowed"),
    [
        (STORE, LOAD, (), True),
        ("st.volatile.global", "ld.volatile.global", (), True),
        (RELEASE, LOAD, (), True),
        (STORE, ACQUIRE, (), True),
        (STORE, LOAD, ("fence.acq_rel.cta",), True),
        (RELEASE, ACQUIRE, (), False),
        (STORE, LOAD, (FENCE,), False),
        (STORE, LOAD, (SC,), False),
    ],
)
def test_message_passing(store: str, load: str, fences: tuple[str, ...], allowed: bool) -> None:
    seen = message_passing(store, load, *fences)
    assert ((1, 0) in seen) == allowed and {(0, 0), (1, 1)} <= seen


@pytest.mark.parametrize(("fences", "allowed"), [((), True), ((SC,), False)])
def test_store_buffering(fences: tuple[str, ...], allowed: bool) -> None:
    seen = loaded(outcomes((f"{STORE} x 1", *fences, f"{LOAD} y r0"), (f"{STORE} y 1", *fences, f"{LOAD} x r1")))
    assert ((0, 0) in seen) == allowed and {(0, 1), (1, 0)} <= seen


@pytest.mark.parametrize(("fences", "allowed"), [((), True), ((FENCE,), False)])
def test_load_buffering(fences: tuple[str, ...], allowed: bool) -> None:
    seen = loaded(outcomes((f"{LOAD} x r0", *fences, f"{STORE} y 1"), (f"{LOAD} y r1", *fences, f"{STORE} x 1")))
    assert ((1, 1) in seen) == allowed and (0, 0) in seen


def test_load_buffering_never_makes_a_value_out_of_nothing() -> None:
    seen = loaded(outcomes((f"{LOAD} x r0", f"{STORE} y r0"), (f"{LOAD} y r1", f"{STORE} x r1")))
    assert seen == {(0, 0)}


@pytest.mark.parametrize(("fences", "allowed"), [((), True), ((SC,), False)])
def test_independent_reads_of_independent_writes(fences: tuple[str, ...], allowed: bool) -> None:
    readers = (f"{LOAD} x r0", *fences, f"{LOAD} y r1"), (f"{LOAD} y r2", *fences, f"{LOAD} x r3")
    seen = loaded(outcomes((f"{STORE} x 1",), (f"{STORE} y 1",), *readers, seeds=2 * SEEDS))
    assert ((1, 0, 1, 0) in seen) == allowed


def test_two_reads_of_one_place_never_go_back() -> None:
    seen = loaded(outcomes((f"{STORE} x 1",), (f"{LOAD} x r0", f"{LOAD} x r1")))
    assert (1, 0) not in seen and {(0, 0), (0, 1), (1, 1)} <= seen


def test_writes_of_one_thread_to_one_place_stay_in_order() -> None:
    seen = outcomes((f"{STORE} x 1", f"{STORE} x 2"), (f"{LOAD} x r0", f"{LOAD} x r1"))
    assert {outcome[-2] for outcome in seen} == {2}
    assert not {(2, 1), (2, 0), (1, 0)} & loaded(seen) and (0, 2) in loaded(seen)


def test_a_thread_reads_its_own_writes() -> None:
    seen = loaded(outcomes((f"{STORE} x 1", f"{LOAD} x r0"), (f"{STORE} x 2",)))
    assert seen <= {(1,), (2,)} and (1,) in seen


@pytest.mark.parametrize(("fences", "allowed"), [((), True), ((SC,), False)])
def test_writes_to_two_places_in_opposite_orders(fences: tuple[str, ...], allowed: bool) -> None:
    """2+2W: both places end with the first write of a thread."""
    seen = outcomes((f"{STORE} x 1", *fences, f"{STORE} y 2"), (f"{STORE} y 1", *fences, f"{STORE} x 2"))
    assert ((1, 1) in {outcome[-2:] for outcome in seen}) == allowed


def test_a_release_covers_what_was_acquired_before_it() -> None:
    """WRC: the flag passes through a third thread."""
    seen = loaded(
        outcomes(
            (f"{STORE} x 1",),
            (f"{ACQUIRE} x r0", f"{RELEASE} y 1"),
            (f"{ACQUIRE} y r1", f"{LOAD} x r2"),
            seeds=2 * SEEDS,
        )
    )
    assert (1, 1, 0) not in seen and (1, 1, 1) in seen
