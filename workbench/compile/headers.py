"""Texts of sources, of the project headers that they include, whatever path leads to them, and of functions: what a
change must rebuild."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)


class SourceReader:
    """Reads each file and function once: a build looks at the same headers for every unit."""

    def __init__(self) -> None:
        self._texts: dict[Path, bytes] = {}
        self._functions: dict[int, tuple[Any, bytes]] = {}
        """By identity, which an object keeps as long as it is held here; not all of them can be hashed."""
        self._includes: dict[Path, tuple[str, ...]] = {}
        self._headers: dict[tuple[Path, ...], list[Path]] = {}

    def text(self, path: Path) -> bytes:
        if path not in self._texts:
            self._texts[path] = path.read_bytes()
        return self._texts[path]

    def function(self, function: Any) -> bytes:
        """The Python text of a function."""
        known = self._functions.get(id(function))
        if known is None:
            try:
                text = inspect.getsource(function)
            except (OSError, TypeError):  # written in C, or made at run time: its name is all there is
                name = getattr(function, "__qualname__", type(function).__qualname__)
                text = f"{getattr(function, '__module__', '')}.{name}"
            known = self._functions[id(function)] = (function, text.encode())
        return known[1]

    def identity(self, source: Path, folders: Iterable[Path]) -> list[bytes | str]:
        """All the text that a compilation of `source` reads of this project: its own, then each header's after its
        name. By name, not by folder: the same kernels in another checkout are the same content."""
        named = sorted((path.name, self.text(path)) for path in self.headers(source, folders))
        return [self.text(source), *(part for pair in named for part in pair)]

    def includes(self, path: Path) -> tuple[str, ...]:
        """The names in its `#include` lines. Lines inside `#if` count too: rebuilding once too often does no harm."""
        if path not in self._includes:
            self._includes[path] = tuple(os.fsdecode(name) for name in INCLUDE.findall(self.text(path)))
        return self._includes[path]

    def headers(self, source: Path, folders: Iterable[Path]) -> list[Path]:
        """Every header that `source` includes, directly or through another, and that is found beside the file that
        names it or in `folders`. Headers found nowhere there are the toolkit's; its version stands for them.

        An include whose name is a macro is not followed.
        """
        searched = tuple(folders)
        if (source, *searched) not in self._headers:
            self._headers[source, *searched] = self._search(source, searched)
        return self._headers[source, *searched]

    def _search(self, source: Path, folders: tuple[Path, ...]) -> list[Path]:
        found: dict[Path, None] = {}
        waiting = [source]
        while waiting:
            file = waiting.pop()
            for name in self.includes(file):
                for folder in (file.parent, *folders):
                    header = Path(os.path.normpath(folder / name))
                    if header in found or header.is_file():
                        if header not in found:
                            found[header] = None
                            waiting.append(header)
                        break
        return sorted(found)
