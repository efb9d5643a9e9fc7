"""The content-addressed cache of everything compiled: a file's name is the digest of all that went into it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from workbench.problem import Problem

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ENTRY_FORMAT = "6"
"""Part of every key: raised when what is stored beside a binary changes its form."""


def cache_folder() -> Path:
    """`$WORKBENCH_CACHE`, or `.cache/build` in the checkout."""
    named = os.environ.get("WORKBENCH_CACHE")
    return Path(named) if named else CHECKOUT / ".cache" / "build"


def digest(parts: Iterable[bytes | str]) -> str:
    """sha256 over the parts and their boundaries, in hex."""
    sha = hashlib.sha256()
    for part in (ENTRY_FORMAT, *parts):
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


def entry(key: str, suffix: str) -> Path:
    """Where the entry of a key lives; the first two digits fan the files out over folders."""
    return cache_folder() / key[:2] / (key + suffix)


def scratch_path(target: Path) -> Path:
    """A fresh name beside `target`, to write to and rename from; makes the folder. Raises Problem when it cannot."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:16]}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise Problem(
            f"cannot write the build cache {cache_folder()}: {error.strerror}; "
            "set WORKBENCH_CACHE to a folder that can be written"
        ) from error
    os.close(handle)
    return Path(name)


def publish(scratch: Path, target: Path) -> None:
    """Makes a finished file appear under its name at once: no reader ever sees half of it."""
    scratch.replace(target)


def write_atomically(target: Path, data: bytes) -> None:
    scratch = scratch_path(target)
    try:
        scratch.write_bytes(data)
        publish(scratch, target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
