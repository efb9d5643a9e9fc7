"""Python files of a user's, imported as they are at this moment.

Python takes the bytecode that it kept for a file's own where the file has the size and the second of change that it
had then: a word that was changed for one of the same length within that second would be passed over.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType


class FromSource(SourceFileLoader):
    """Reads the text and no bytecode, and keeps none."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def spec_of(name: str, file: Path) -> ModuleSpec | None:
    """How to import one file as the module `name`; None for what is no Python file."""
    return spec_from_file_location(name, file, loader=FromSource(name, str(file))) if file.suffix == ".py" else None


class _Finder(MetaPathFinder):
    """Finds what stands under packages of a user's as Python does."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self.packages:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and isinstance(found.loader, SourceFileLoader) and found.origin is not None:
            found.loader = FromSource(fullname, found.origin)
        return found


_finder = _Finder()


def package(name: str, folder: Path) -> None:
    """Makes a package of the folder under this name, if there is none yet; what stands in it is read from source."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.packages.add(name.partition(".")[0])
    if name not in sys.modules:
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
