"""The race checker on programs written by hand: what orders two accesses, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.launch import Checks, Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.program import ABSENT, File, Flow, Instruction, Order, Program, Scope, Space, Special

EXIT = Instruction(None, flow=Flow.EXIT)
BARRIER = Instruction(None, (ABSENT, ABSENT), "barrier", flow=Flow.BLOCK_BARRIER)


class Writer:
    """Assembles a program a line at a time."""

    def __init__(self) -> None:
        self.file = File()
        self.code: list[Instruction] = []
        self.file.constant(0)

    def add(self, form: str, *sources: int, rows: int = 1) -> int:
        row = self.file.rows(rows)
        self.code.append(Instruction(form, (row, *sources)))
        return row

    def shared(self, form: str, address: int, value: int, **fields: object) -> None:
        self.code.append(
            Instruction(form, (address, value), f"{form}.shared", space=Space.SHARED, address_rows=1, **fields)  # type: ignore[arg-type]
        )

    def everywhere(self, form: str, address: int, value: int, text: str, **fields: object) -> None:
        self.code.append(Instruction(form, (address, value), text, **fields))  # type: ignore[arg-type]

    def run(
        self, memory: Memory, blocks: int = 1, threads: int = 64, parameters: bytes = b"", **options: int
    ) -> Counts:
        program = Program("written", [*self.code, EXIT], self.file, static_shared=4096, merge_at_equal_pc=True)
        return simulate(
            program, (blocks, 1, 1), (threads, 1, 1), parameters, memory, options=Options(checks=Checks.ALL, **options)
        )


def kinds(counts: Counts) -> list[str]:
    return [finding.kind for finding in counts.findings]


def exchange(distance: int, between: list[Instruction]) -> Counts:
    """Each thread writes its word of shared memory, then reads that of thread ^ distance."""
    w = Writer()
    thread = w.file.special(Special.THREAD_X)
    mine = w.add("mul.lo.u32", thread, w.file.constant(4))
    other = w.add("xor.b32", thread, w.file.constant(distance))
    theirs = w.add("mul.lo.u32", other, w.file.constant(4))
    w.shared("store", mine, thread)
    w.code += between
    w.shared("load", theirs, w.file.rows())
    return w.run(Memory())


def test_a_barrier_orders_what_stands_on_its_two_sides() -> None:
    assert kinds(exchange(32, [BARRIER])) == []


def test_without_it_threads_of_two_warps_race() -> None:
    found = exchange(32, []).findings
    assert "race" in {f.kind for f in found}
    race = next(f for f in found if f.kind == "race")
    assert race.space is Space.SHARED and race.threads[0] // 32 != race.threads[1] // 32
    assert "store.shared" in race.text and "load.shared" in race.text


def test_lanes_of_one_warp_race_too() -> None:
    assert "race" in kinds(exchange(1, []))
    assert kinds(exchange(0, [])) == [], "a thread never races with itself"


def publish(data_order: Order, flag_store: Order, flag_load: Order, fences: bool = False) -> list[str]:
    """Block 0 writes a word and sets a flag; block 1 reads flag and word. Run one block after the other, so that the
    flag is always seen: only the order of the accesses differs."""
    memory = Memory()
    memory.put("data", np.zeros(1, np.uint32), writable=True)
    memory.put("flag", np.zeros(1, np.uint32), writable=True)
    w = Writer()
    block = w.file.special(Special.BLOCK_X)
    first, second = w.file.predicate(), w.file.predicate()
    w.code.append(Instruction("setp.eq.u32", (first, ABSENT, block, w.file.constant(0))))
    w.code.append(Instruction("setp.ne.u32", (second, ABSENT, block, w.file.constant(0))))
    data, flag = w.file.parameter(0, 2), w.file.parameter(8, 2)
    fence = [Instruction("fence", (), order=Order.ACQUIRE_RELEASE, scope=Scope.DEVICE)] if fences else []
    w.everywhere("store", data, w.file.constant(7), "data", guard=first, order=data_order)
    w.code += fence
    w.everywhere("store", flag, w.file.constant(7), "flag", guard=first, order=flag_store)
    w.everywhere("load", flag, w.file.rows(), "flag", guard=second, order=flag_load)
    w.code += fence
    w.everywhere("load", data, w.file.rows(), "data", guard=second, order=data_order)
    parameters = b"".join((memory.address(n) or 0).to_bytes(8, "little") for n in ("data", "flag"))
    return kinds(w.run(memory, blocks=2, threads=1, parameters=parameters, resident=1))


@pytest.mark.parametrize(
    ("flag_store", "flag_load", "fences", "found"),
    [
        (Order.RELEASE, Order.ACQUIRE, False, []),
        (Order.RELAXED, Order.RELAXED, True, []),
        (Order.VOLATILE, Order.VOLATILE, True, []),
        (Order.RELAXED, Order.ACQUIRE, False, ["race"]),
        (Order.RELEASE, Order.RELAXED, False, ["race"]),
        (Order.RELAXED, Order.RELAXED, False, ["race"]),
        (Order.WEAK, Order.WEAK, False, ["race", "race"]),
    ],
)
def test_a_flag_publishes_data_only_by_release_and_acquire(
    flag_store: Order, flag_load: Order, fences: bool, found: list[str]
) -> None:
    assert publish(Order.WEAK, flag_store, flag_load, fences) == found


def test_strong_accesses_do_not_race_with_each_other() -> None:
    assert publish(Order.RELAXED, Order.RELAXED, Order.RELAXED) == []


def store_everywhere(value_is_thread: bool) -> list[str]:
    """Every thread stores to one word: its number, or one value."""
    w = Writer()
    value = w.file.special(Special.THREAD_X) if value_is_thread else w.file.constant(7)
    w.shared("store", w.file.constant(0), value)
    return kinds(w.run(Memory()))


def test_storing_one_value_by_all_is_a_class_of_its_own() -> None:
    assert store_everywhere(True) and set(store_everywhere(True)) == {"race"}
    assert set(store_everywhere(False)) == {"same_value_race"}


def test_neighbouring_half_words_do_not_race() -> None:
    w = Writer()
    thread = w.file.special(Special.THREAD_X)
    mine = w.add("mul.lo.u32", thread, w.file.constant(2))
    w.shared("store", mine, thread, bytes=2)
    w.shared("load", mine, w.file.rows(), bytes=2)
    assert kinds(w.run(Memory())) == []
