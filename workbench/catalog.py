"""Finds operations and variants: the project's own in `kernel_variants/`, and those of a user's folder."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from workbench.declare import Operation, Variant
from workbench.declared import checked_operation, checked_variant
from workbench.foreign import first_words
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean

T = TypeVar("T")

BUILTIN = Path(__file__).resolve().parent.parent / "kernel_variants"


@dataclass
class Catalog:
    """Operations by name, and each one's variants in the order of the ladder."""

    operations: dict[str, Operation] = field(default_factory=dict)
    variants: dict[str, list[Variant]] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()
    """The folders it was read from: what a worker process needs to load the same catalogue."""

    def operation(self, name: str) -> Operation:
        if name not in self.operations:
            raise unknown("operation", name, self.operations)
        return self.operations[name]

    def variant(self, key: str) -> Variant:
        """The variant of a key such as `scan/serial`."""
        operation, _, name = key.partition("/")
        self.operation(operation)
        for variant in self.variants[operation]:
            if variant.name == name:
                return variant
        raise unknown("variant", key, (v.key for v in self))

    def __iter__(self) -> Iterator[Variant]:
        for name in self.operations:
            yield from self.variants[name]

    def select(self, operations: Iterable[str] = (), variants: Iterable[str] = ()) -> list[Variant]:
        """Variants of the named operations (default: all) whose name or key is named (default: all)."""
        chosen_operations = list(operations) or list(self.operations)
        for name in chosen_operations:
            self.operation(name)
        pool = [v for name in chosen_operations for v in self.variants[name]]
        wanted = list(variants)
        if not wanted:
            return pool
        for word in wanted:
            if not any(word in (v.name, v.key) for v in pool):
                raise unknown("variant", word, [v.key if "/" in word else v.name for v in pool])
        return [v for v in pool if v.name in wanted or v.key in wanted]


def load_catalog(kernels: Path | None = None) -> Catalog:
    """The built-in catalogue, or that of a user's folder.

    Raises Problem for a folder that does not exist, holds no declarations, or declares something twice.
    """
    root = (kernels or BUILTIN).resolve()
    if not root.is_dir():
        raise Problem(f"--kernels {root}: no such folder; name one that holds OPERATION/operation.py and variants.py")
    folders = _in_order(root, [p.parent for p in root.glob("*/operation.py")])
    if not folders:
        raise Problem(f"--kernels {root}: no declarations; an operation is a folder with operation.py and variants.py")
    catalog = Catalog(roots=(root,))
    for folder in folders:
        file = folder / "operation.py"
        operation = checked_operation(_declared(_load(root, folder, "operation"), "OPERATION", Operation), file)
        variants = _variants(_load(root, folder, "variants"), operation, folder / "variants.py")
        if operation.name in catalog.operations:
            raise Problem(f"{folder / 'operation.py'}: operation {operation.name} is declared twice")
        names = [v.name for v in variants]
        for name in names:
            if names.count(name) > 1:
                raise Problem(f"{folder / 'variants.py'}: variant {name} is declared twice")
        if operation.baseline not in names:
            raise Problem(f"{folder / 'operation.py'}: baseline {operation.baseline} is not among its variants")
        catalog.operations[operation.name] = operation
        catalog.variants[operation.name] = sorted(variants, key=lambda v: v.rung)
    return catalog


def _variants(module: ModuleType, operation: Operation, file: Path) -> list[Variant]:
    """The folder's variants, each held to what it must be."""
    declared = getattr(module, "VARIANTS", None)
    if isinstance(declared, Variant):
        raise Problem(
            f"{file}: VARIANTS is one Variant: write a tuple, with a comma behind it: VARIANTS = (Variant(...),)"
        )
    if not isinstance(declared, tuple | list) or not declared:
        raise Problem(f"{file}: declares no VARIANTS (a tuple of Variant from workbench.declare)")
    for entry in declared:
        if not isinstance(entry, Variant):
            raise Problem(f"{file}: VARIANTS holds {entry!r:.60}: every entry is a Variant(...)")
        if entry.operation != operation.name:
            raise Problem(
                f"{file}: variant {entry.name} names the operation {entry.operation}: this folder's is {operation.name}"
            )
    return [checked_variant(variant, operation, file) for variant in declared]


def _load(root: Path, folder: Path, name: str) -> ModuleType:
    """Imports ROOT/FOLDER/NAME.py as a package member, so that relative imports between declarations work."""
    if root == BUILTIN:
        package = f"kernel_variants.{folder.name}"
    else:
        package = f"kernels_{hashlib.sha256(str(root).encode()).hexdigest()[:8]}.{folder.name}"
        _namespace(package.split(".")[0], root)
        _namespace(package, folder)
    try:
        with kept_clean():
            return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"{package}.{name}":
            raise Problem(f"{folder}: no {name}.py; an operation needs operation.py and variants.py") from None
        raise Problem(f"{folder / (name + '.py')}: {error}") from error
    except Problem:
        raise
    except SyntaxError as error:
        where = f"{error.filename or folder / (name + '.py')}:{error.lineno or 1}"
        raise Problem(f"{where}: SyntaxError: {error.msg}") from error
    except Exception as error:  # whatever a user's declaration raises is a problem of that file
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(folder))]
        where = f"{own[-1].filename}:{own[-1].lineno}" if own else str(folder / (name + ".py"))
        raise Problem(f"{where}: {type(error).__name__}: {first_words(error)}") from error


def _namespace(package: str, folder: Path) -> None:
    if package not in sys.modules:
        module = ModuleType(package)
        module.__path__ = [str(folder)]
        sys.modules[package] = module


def _declared(module: ModuleType, name: str, kind: type[T]) -> T:
    value = getattr(module, name, None)
    if not isinstance(value, kind):
        raise Problem(f"{module.__file__}: declares no {name} (a {kind.__name__} from workbench.declare)")
    return value


def _in_order(root: Path, folders: list[Path]) -> list[Path]:
    """The folders in the order that ROOT/ORDER names (a pipeline has one), others after them by name."""
    order = (root / "ORDER").read_text().split() if (root / "ORDER").is_file() else []
    return sorted(folders, key=lambda f: (order.index(f.name) if f.name in order else len(order), f.name))
