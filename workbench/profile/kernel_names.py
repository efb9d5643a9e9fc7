"""A kernel's demangled name reduced to what one calls it, and as much more as tells it from others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LONGEST = 80
ARGUMENTS_SHOWN = 48
PAIRS = {"<": ">", "(": ")", "[": "]", "{": "}"}
NAMELESS = re.compile(r"\(anonymous namespace\)::|<unnamed>::|\{anonymous\}::|unnamed>::|\(bool\)")
LAMBDA = re.compile(r"\{lambda\([^{}]*\)#(\d+)\}")
OPERATOR = re.compile(
    r"\boperator\s*(\(\)|\[\]|<=>|->\*?|<<=?|>>=?|&&|\|\||\+\+|--|[-+*/%^&|~!=<>,]=?|[\w:]+(?:\s*[*&])*(?=\())"
)
HIDDEN = "\0"
"""Stands for an operator's sign while brackets are looked for."""


def short_name(kernel: str) -> str:
    """`std::enable_if<!T7, void>::type internal::gemvx::kernel<int>(T13)` → `internal::gemvx::kernel`.

    Without return type, template arguments, parameters and anonymous namespaces. The name itself where nothing is left.
    """
    return _parts(kernel).name


def slug(kernel: str) -> str:
    """The short name in [a-z0-9_], as a record's variant."""
    return word(short_name(kernel))


def word(text: str) -> str:
    """A text in [a-z0-9_]; `kernel` where nothing is left."""
    text = text.replace("operator()", "operator_call")
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:LONGEST].strip("_") or "kernel"


def told_apart(kernels: Iterable[str]) -> dict[str, str]:
    """A name for each kernel: the short one, with template arguments, or else parameters, where several share it."""
    by_short: dict[str, list[str]] = {}
    for kernel in dict.fromkeys(kernels):
        by_short.setdefault(short_name(kernel), []).append(kernel)
    found = {}
    for short, several in by_short.items():
        found.update(dict.fromkeys(several, short))
        if len(several) > 1:
            parts = {kernel: _parts(kernel) for kernel in several}
            same = len({part.arguments for part in parts.values()}) == 1
            found |= {k: short + (part.parameters if same else _cut(part.arguments)) for k, part in parts.items()}
    return found


def labels(factors: Sequence[Mapping[str, str]]) -> list[str]:
    """What to call records of imported kernels, by their factors `kernel`, `range`, `device`, `process`: as short as
    tells them apart; an own range is always named."""
    names = told_apart(one.get("kernel", "") for one in factors)
    places: dict[tuple[str, str], set[str]] = {}
    for one in factors:
        for factor in ("device", "process"):
            places.setdefault((one.get("kernel", ""), factor), set()).add(one.get(factor, ""))
    found = []
    for one in factors:
        kernel = one.get("kernel", "")
        label = names[kernel] + (f" in {one['range']}" if one.get("range") else "")
        for factor in ("device", "process"):
            if len(places[kernel, factor]) > 1:
                label += f" on {factor} {one.get(factor, '?')}"
        found.append(label)
    return found


@dataclass(frozen=True)
class _Parts:
    name: str
    arguments: str
    """Template arguments with their brackets, or nothing."""
    parameters: str
    """What follows the name, cut to what can be shown."""


def _parts(kernel: str) -> _Parts:
    text = LAMBDA.sub(r"lambda\1", NAMELESS.sub("", kernel.strip()))
    operator, sign = OPERATOR.search(text), ""
    if operator:
        sign = f" {operator[1]}" if operator[1][0].isalpha() else operator[1]
        text = text[: operator.start()] + "operator" + HIDDEN + text[operator.end() :]
    outside: list[str] = []
    arguments, since = "", 0
    waiting: list[str] = []
    end = len(text)
    for place, letter in enumerate(text):
        if letter in PAIRS:
            if letter == "(" and not waiting and outside and not "".join(outside).rstrip().endswith("decltype"):
                end = place
                break
            if not waiting:
                since = place
            waiting.append(PAIRS[letter])
        elif letter in waiting and not (letter == ">" and (waiting[-1] == ")" or text[place - 1 : place] == "-")):
            while waiting.pop() != letter:
                pass
            if not waiting and letter == ">":
                arguments = text[since : place + 1]
        elif not waiting:
            outside.append(letter)
    # The last word is the name; what stands before it is the return type and its qualifiers.
    words = "".join(outside).split()
    name = (words[-1] if words else "").strip(":*&").replace(HIDDEN, sign)
    return _Parts(name or kernel.strip() or "kernel", arguments, _cut(text[end:].replace(HIDDEN, "")))


def _cut(text: str) -> str:
    """The text with its middle left out where it is long: what differs mostly stands at either end."""
    half = ARGUMENTS_SHOWN // 2
    return text if len(text) <= ARGUMENTS_SHOWN else f"{text[:half]}…{text[-half:]}"
