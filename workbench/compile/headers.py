"""Which project headers a source includes, whatever path leads to them: what a change must rebuild."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)


class SourceReader:
    """Reads each file once: a build looks at the same headers for every unit."""

    def __init__(self) -> None:
        self._texts: dict[Path, bytes] = {}
        self._includes: dict[Path, tuple[str, ...]] = {}
        self._headers: dict[tuple[Path, ...], list[Path]] = {}

    def text(self, path: Path) -> bytes:
        if path not in self._texts:
            self._texts[path] = path.read_bytes()
        return self._texts[path]

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
