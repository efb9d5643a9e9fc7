"""The content-addressed cache of everything compiled: a file's name is the digest of all that went into it.

What a power cut, a full disk or another program has made of an entry is seen when it is read: texts carry their own
digest in their first line, binaries have it in a file beside them. A broken entry counts as none, and is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.problem import Problem

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ENTRY_FORMAT = "7"
"""Part of every key: raised when what is stored beside a binary changes its form."""
LEFT_OVER_S = 24 * 3600.0


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
        _clear_left_over(target.parent)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:16]}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise _unwritable(error) from error
    os.close(handle)
    return Path(name)


@contextlib.contextmanager
def scratch_file(target: Path) -> Iterator[Path]:
    """A `scratch_path`; what was not published of it by the end is removed."""
    scratch = scratch_path(target)
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _clear_left_over(folder: Path) -> None:
    """Removes what killed builds began to write: nothing takes so long to write."""
    for scratch in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if time.time() - scratch.stat().st_mtime > LEFT_OVER_S:
                scratch.unlink()


def _unwritable(error: OSError) -> Problem:
    return Problem(
        f"cannot write the build cache {cache_folder()}: {error.strerror}; "
        "set WORKBENCH_CACHE to a folder that can be written"
    )


def publish(scratch: Path, target: Path) -> None:
    """Makes a finished binary appear under its name at once, and its digest beside it."""
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: a mixed pair counts as broken, no worse
            fcntl.flock(folder, fcntl.LOCK_EX)  # another build of the same entry must not come between the two
        _write(_sum_path(target), _sum(scratch).encode())
        scratch.replace(target)
    finally:
        os.close(folder)


@contextlib.contextmanager
def one_at_a_time(target: Path) -> Iterator[None]:
    """For an entry that takes long to make: whoever makes the same one waits until this one is made. Raises Problem
    where the folder cannot be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.with_suffix(".lock").open("w")
    except OSError as error:
        raise _unwritable(error) from error
    with file as lock:
        with contextlib.suppress(OSError):  # a file system without locks: it is made twice, no worse
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_sound(binary: Path) -> bool:
    """Whether a binary is there and is what was published."""
    try:
        return _sum_path(binary).read_text() == _sum(binary)
    except (OSError, ValueError):
        return False


def write_message(target: Path, text: str) -> Path:
    """A text for a person to read, as it stands. Returns its path."""
    _write(target, text.encode(errors="replace"))
    return target


def write_text(target: Path, text: str) -> None:
    """An entry of text, under its own digest. Raises Problem where the cache cannot be written."""
    data = text.encode(errors="replace")
    _write(target, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def read_text(path: Path) -> str | None:
    """What `write_text` wrote; None where there is nothing, or something else."""
    try:
        digest, _, data = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return data.decode() if digest == hashlib.sha256(data).hexdigest().encode() else None


def _sum_path(binary: Path) -> Path:
    return binary.with_name(binary.name + ".sha256")


def _sum(binary: Path) -> str:
    with binary.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(target: Path, data: bytes) -> None:
    scratch = scratch_path(target)
    try:
        scratch.write_bytes(data)
        scratch.replace(target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise Problem(
            f"cannot write the build cache {cache_folder()}: {error.strerror}; free some space, or set WORKBENCH_CACHE"
        ) from error
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
