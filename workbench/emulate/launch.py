"""One launch of a kernel on the host."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arguments import NUMBERS, c_number
from workbench.declare import Argument, At, Kernel
from workbench.emulate.fault import EmulationFault
from workbench.emulate.memory import Memory
from workbench.emulate.place import source_place
from workbench.emulate.runtime import Entry, Report, Request, kernel_library, launching, runtime

ORDERS = ("forward", "reversed", "shuffled")
RESIDENT_BLOCKS = {"forward": 4, "reversed": 2, "shuffled": 3}
"""Blocks on the machine at once where the caller does not say: few, so that a look-back meets tiles yet to start."""

_WORDS = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16", "uint8": "u8"}
_WORDS |= {"int32": "i32", "uint32": "u32", "int64": "i64", "uint64": "u64", "int8": "i8", "int16": "i16"}


def launch(
    library: Path,
    kernel: Kernel,
    memory: Memory,
    order: str = "forward",
    seed: int = 0,
    resident_blocks: int | None = None,
) -> None:
    """Runs `kernel` from `library` (its source compiled for emulation) over the buffers of `memory`.

    order is that in which threads of a block, and blocks, go on when several could: "forward", "reversed" or
    "shuffled" (by `seed`). At most `resident_blocks` blocks are begun and not finished at any time. Raises
    EmulationFault; the outputs are then half-written.
    """
    if order not in ORDERS:
        raise ValueError(f"unknown order {order}: one of {', '.join(ORDERS)}")
    entry = _entry(Path(library), kernel.function, kernel.source.name)
    values, cells = _arguments(entry, kernel, memory)
    request = Request(
        ctypes.pointer(entry),
        cells,
        kernel.grid,
        kernel.block,
        kernel.shared_bytes,
        ORDERS.index(order),
        resident_blocks or RESIDENT_BLOCKS[order],
        seed & (2**64 - 1),
    )
    report = Report()
    with launching:
        failed = runtime().emulator_launch(request, report)
    del values
    if failed:
        raise _fault(report, kernel, Path(library))
    memory.check(kernel.function)


@cache
def _entry(library: Path, function: str, source: str) -> Entry:
    try:
        return Entry.in_dll(kernel_library(library), f"emulated_entry_{function}")
    except ValueError:
        text = f'emulation finds no extern "C" __global__ function {function} in {source}'
        raise EmulationFault("unknown_kernel", function, None, None, text) from None


@cache
def _signature(library_entry: int) -> tuple[str, ...]:
    entry = Entry.from_address(library_entry)
    words = (entry.parameters[i] for i in range(entry.count))
    return tuple(("*" if p.pointer else "") + p.word.decode() for p in words)


def _arguments(entry: Entry, kernel: Kernel, memory: Memory) -> tuple[list[object], ctypes.Array[ctypes.c_void_p]]:
    """The values, and an array of their addresses; raises where they are not what the kernel takes."""
    signature = _signature(ctypes.addressof(entry))
    if len(signature) != len(kernel.arguments):
        count = len(kernel.arguments)
        text = f"{count} arguments for {len(signature)} parameters ({', '.join(signature)}) in {kernel.source.name}"
        raise EmulationFault("arguments", kernel.function, None, None, text)
    values: list[object] = []
    cells = (ctypes.c_void_p * max(1, len(signature)))()
    for index, (argument, word) in enumerate(zip(kernel.arguments, signature, strict=True)):
        value = _value(argument, memory)
        given = _word(argument, memory)
        if not _fits(given, word):
            text = f"argument {index + 1} ({argument!r}) is {given}, the kernel in {kernel.source.name} takes {word}"
            text += _instead(argument, given, word)
            raise EmulationFault("arguments", kernel.function, None, None, text)
        values.append(value)
        cells[index] = ctypes.addressof(value)
    return values, cells


def _instead(argument: Argument, given: str, word: str) -> str:
    """What to write in its place, where that is clear."""
    if given.startswith("*") and word.startswith("*"):
        return f": declare the tensor with the dtype that {word} stands for, or take a pointer to {given[1:]}"
    number = getattr(argument, "value", argument)
    if isinstance(number, int | float) and not word.startswith("*"):
        forms = {"i32": f"I32({int(number)})", "i64": f"{int(number)}", "f32": f"{float(number)}"}
        forms |= {"f64": f"F64({float(number)})"}
        forms |= {kind: f"{kind.upper()}({int(number)})" for kind in ("i8", "u8", "i16", "u16", "u32", "u64")}
        known = ", ".join(f"{form} for {kind}" for kind, form in forms.items())
        return (
            f": write {forms[word]}" if word in forms else f": a plan passes {known}; let the kernel take one of these"
        )
    return ""


def _value(argument: Argument, memory: Memory) -> Any:
    if isinstance(argument, str):
        array = memory.get(argument)
        return ctypes.c_void_p(None if array is None else array.ctypes.data)
    if isinstance(argument, At):
        array = memory.array(argument.tensor)
        return ctypes.c_void_p(array.ctypes.data + argument.offset * array.itemsize)
    return ctypes.c_void_p(None) if argument is None else c_number(argument)


def _word(argument: Argument, memory: Memory) -> str:
    """The type of an argument in the words of a kernel's signature; "*" alone for an absent tensor."""
    if isinstance(argument, (str, At)):
        array = memory.get(argument if isinstance(argument, str) else argument.tensor)
        return "*" if array is None else _pointer_to(array.dtype)
    return "*" if argument is None else NUMBERS[type(argument)][0]


@cache
def _pointer_to(dtype: np.dtype[Any]) -> str:
    return "*" + _WORDS.get(dtype.name, "?")


@cache
def _fits(given: str, taken: str) -> bool:
    """Same type, signedness apart; a pointer to bytes, to a structure or to void fits any pointer."""
    if given.startswith("*"):
        loose = ("*", "*?", "*u8", "*i8")
        return taken.startswith("*") and (
            given in loose or taken in loose or given.lstrip("*ui") == taken.lstrip("*ui")
        )
    return given.lstrip("ui") == taken.lstrip("ui")


def _fault(report: Report, kernel: Kernel, library: Path) -> EmulationFault:
    text = report.text.decode(errors="replace")
    place = f"{report.file.decode()}:{report.line}" if report.line else ""
    if not place and report.instruction:
        place = source_place(library, report.instruction)
    place = "/".join(Path(place).parts[-2:])  # the cache may hold what the same source in another folder compiled to
    block: tuple[int, int, int] = tuple(report.block)
    thread: tuple[int, int, int] = tuple(report.thread)
    return EmulationFault(
        report.kind.decode(),
        kernel.function,
        block if report.has_block else None,
        thread if report.has_thread else None,
        f"{text}, at {place}" if place else text,
    )
