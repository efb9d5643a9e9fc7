"""The GPU architectures that the installed NVRTC compiles for."""

from __future__ import annotations

import functools
import re

from workbench.compile.toolkit import nvrtc_version
from workbench.problem import Problem, unknown

OLDEST = 80
"""Ampere. The kernels use asynchronous copies and bf16, which begin here."""


@functools.cache
def supported_archs() -> tuple[str, ...]:
    """`sm_80` and every later architecture that NVRTC offers, oldest first."""
    from workbench.compile import cache

    # Asking NVRTC costs a tenth of a second of loading; the answer changes only with its version.
    stored = cache.entry(cache.digest(["archs", nvrtc_version()]), ".archs")
    known = cache.read_text(stored)
    if known:
        return tuple(known.split())
    from workbench.compile.nvrtc import offered_archs

    archs = tuple(f"sm_{number}" for number in offered_archs() if number >= OLDEST)
    cache.write_text(stored, " ".join(archs))
    return archs


def check_arch(text: str) -> str:
    """The architecture itself when it can be compiled for; raises Problem naming the nearest where not.

    `sm_90a` and its like (instructions that later architectures do not keep) stand wherever `sm_90` does.
    """
    known = supported_archs()
    match = re.fullmatch(r"(sm_(\d+))([af]?)", text)
    if match and match[1] in known and (not match[3] or int(match[2]) >= (100 if match[3] == "f" else 90)):
        return text
    if not re.search(r"\d", text):
        raise Problem(f"unknown architecture {text}: known: {', '.join(known)}", exit_status=2)
    number = int(re.sub(r"\D", "", text)[:4])
    if f"sm_{number}" in known:
        raise Problem(f"unknown architecture {text}: did you mean sm_{number}?", exit_status=2)
    if match:
        nearest = min(known, key=lambda arch: abs(int(arch[3:]) - number))
        raise Problem(
            f"unknown architecture {text}: the nearest is {nearest}; known: {', '.join(known)}", exit_status=2
        )
    raise unknown("architecture", text, known)


def parse_archs(text: str) -> tuple[str, ...]:
    """`sm_90,sm_89` as a tuple, each once; `all` is every one that NVRTC offers from sm_80 on."""
    if text.strip() == "all":
        return supported_archs()
    return tuple(dict.fromkeys(check_arch(word.strip()) for word in text.split(",")))
