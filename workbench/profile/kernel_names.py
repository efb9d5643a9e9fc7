"""A kernel's demangled name reduced to what one calls it."""

from __future__ import annotations

import re

LONGEST = 80
OPENING, CLOSING = "<([{", ">)]}"


def short_name(kernel: str) -> str:
    """`std::enable_if<!T7, void>::type internal::gemvx::kernel<int>(T13)` → `internal::gemvx::kernel`.

    Without return type, template arguments, parameters and anonymous namespaces. The name itself where nothing is left.
    """
    text = re.sub(r"\(anonymous namespace\)::|<unnamed>::|\{anonymous\}::|unnamed>::", "", kernel.strip())
    text = text.replace("(bool)", "")
    operator = re.search(r"\boperator\s*(\(\)|<=>|<<|>>|->|[-+*/%^&|~!=<>]=?|\[\])", text)
    if operator:
        text = text[: operator.start()] + "operator_call" + text[operator.end() :]
    words = _outside_brackets(text).split()
    # The last word is the name; what stands before it is the return type and its qualifiers.
    name = words[-1] if words else ""
    return name.strip(":*&") or kernel.strip() or "kernel"


def slug(kernel: str) -> str:
    """The short name in [a-z0-9_], as a record's variant."""
    return re.sub(r"[^a-z0-9]+", "_", short_name(kernel).lower()).strip("_")[:LONGEST] or "kernel"


def _outside_brackets(text: str) -> str:
    """The text less everything in brackets; parameters, which come last, end it."""
    found: list[str] = []
    depth = 0
    for place, letter in enumerate(text):
        if letter in OPENING:
            if letter == "(" and depth == 0 and found and not text[:place].rstrip().endswith("decltype"):
                break
            depth += 1
        elif letter in CLOSING and depth and text[place - 1 : place] != "-":
            depth -= 1
        elif depth == 0:
            found.append(letter)
    return "".join(found)
