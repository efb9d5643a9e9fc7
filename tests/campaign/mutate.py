"""Broken files: bytes flipped, cut, repeated or put in their place, and JSON with values of the wrong kind."""

from __future__ import annotations

import json
import os
import random
from typing import Any

FUZZ = int(os.environ.get("WORKBENCH_FUZZ", "1"))
"""How many times as many mutations as in a normal run of the tests."""

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1e308, float("nan"), float("inf"), "", "x" * 5000, "\ud800", "<b>", [], {}, [[[]]],
    {"a": None}, [1, "2", None], "1e999", "../../etc/passwd", "\x00", "\x1b[31m",
)  # fmt: skip


def broken_bytes(data: bytes, chance: random.Random) -> bytes:
    """One small damage, such as a disk, a copy or an editor does."""
    if not data:
        return bytes(chance.randrange(256) for _ in range(10))
    at = chance.randrange(len(data))
    end = min(len(data), at + chance.choice((1, 2, 4, 16, 300)))
    noise = bytes(chance.randrange(256) for _ in range(end - at))
    return chance.choice(
        (
            data[:at],
            data[:at] + noise + data[end:],
            data[:at] + data[end:],
            data[:at] + data[at:end] * 3 + data[end:],
            data[:at] + bytes(end - at) + data[end:],
            data[:at] + b"\xff\xfe" + data[at:],
            data + data,
            b"",
            noise,
            data.replace(b"\n", b"\r\n"),
            data[::-1],
        )
    )


def broken_json(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts replaced, removed, doubled or renamed."""
    copy = json.loads(json.dumps(value))
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in list(items):
            places.append((part, key))
            walk(inner)

    walk(copy)
    if not places:
        return chance.choice(ODD_VALUES)
    owner, key = chance.choice(places)
    how = chance.randrange(5)
    if how < 3:
        owner[key] = chance.choice(ODD_VALUES)
    elif how == 3:
        del owner[key]
    elif isinstance(owner, dict):
        owner[f"{key}é"] = owner.pop(key)
    else:
        owner.insert(0, owner[key])
    return copy


def deep(levels: int) -> bytes:
    return b"[" * levels
