"""Finds operations and variants: the project's own in `kernel_variants/`, and those of a user's folder."""

from __future__ import annotations

import hashlib
import importlib
import traceback
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from workbench import user_modules
from workbench.declare import FORWARD, Operation, Variant
from workbench.declared import checked_operation, checked_variant
from workbench.foreign import first_words
from workbench.problem import Problem, installing, unknown
from workbench.stdout import kept_clean

T = TypeVar("T")

FILES = ("operation", "variants")
BUILTIN = Path(__file__).resolve().parent.parent / "kernel_variants"


@dataclass
class Catalog:
    """Operations by name, and each one's variants in the order of the ladder."""

    operations: dict[str, Operation] = field(default_factory=dict)
    variants: dict[str, list[Variant]] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()
    """The folders it was read from: what a worker process needs to load the same catalogue."""
    broken: dict[str, Problem] = field(default_factory=dict)
    """Folders that could not be loaded, by name, and why: the others are there."""

    def complain(self, operations: Iterable[str] = (), failed: str = "") -> None:
        """For the end of a command, when all else is done: Problem of what `failed`, and of the folders that could not
        be loaded where no operation was named (one that is named complains itself)."""
        broken = [] if list(operations) else [str(problem) for problem in self.broken.values()]
        if failed or broken:
            raise Problem("; ".join(filter(None, (failed, *broken))))

    def operation(self, key: str) -> Operation:
        """The operation of a key: `scan` in its forward pass, `scan/backward` in that one."""
        name, _, pass_ = key.partition("/")
        if name in self.broken:
            raise self.broken[name]
        if name not in self.operations:
            raise unknown("operation", name, self.operations)
        if not pass_:
            return self.operations[name]
        each = {one.pass_: one for one in self.operations[name].each_pass()}
        if pass_ not in each:
            raise unknown("pass", key, [one.key for one in each.values()])
        return each[pass_]

    def operation_of(self, variant: Variant) -> Operation:
        """The operation in the pass that the variant computes."""
        return self.operation(variant.operation_key)

    def each_operation(self) -> list[Operation]:
        """Every operation in every pass, forward first."""
        return [one for operation in self.operations.values() for one in operation.each_pass()]

    def variant(self, key: str) -> Variant:
        """The variant of a key such as `scan/serial` or `scan/backward/serial`."""
        name = key.partition("/")[0]
        self.operation(name)
        for variant in self.variants[name]:
            if variant.key == key:
                return variant
        raise unknown("variant", key, (v.key for v in self))

    def named(self, word: str) -> Variant:
        """The variant of a key, or of a name that only one operation has."""
        if "/" in word:
            return self.variant(word)
        found = [variant for variant in self if variant.name == word]
        if len(found) > 1:
            raise Problem(f"{word}: {' or '.join(v.key for v in found)}? write the operation too", exit_status=2)
        if not found:
            raise unknown("variant", word, [variant.name for variant in self])
        return found[0]

    def __iter__(self) -> Iterator[Variant]:
        for name in self.operations:
            yield from self.variants[name]

    def select(
        self, operations: Iterable[str] = (), variants: Iterable[str] = (), passes: Iterable[str] = ()
    ) -> list[Variant]:
        """Variants of the named operations (`scan`; `scan/backward` for one pass of it; default: all) and passes
        (default: all) whose name or key is named (default: all)."""
        named = list(operations)
        chosen = [one for word in named for one in self._passes_of(word)] if named else self.each_operation()
        wanted_passes = list(passes)
        for word in wanted_passes:
            if not any(word == one.pass_ for one in chosen):
                raise unknown("pass", word, dict.fromkeys(one.pass_ for one in chosen))
        keys = dict.fromkeys(one.key for one in chosen if not wanted_passes or one.pass_ in wanted_passes)
        pool = [v for key in keys for v in self.variants[key.partition("/")[0]] if v.operation_key == key]
        wanted = list(variants)
        if not wanted:
            return pool
        for word in wanted:
            if not any(word in (v.name, v.key) for v in pool):
                raise unknown("variant", word, [v.key if "/" in word else v.name for v in pool])
        return [v for v in pool if v.name in wanted or v.key in wanted]

    def _passes_of(self, word: str) -> tuple[Operation, ...]:
        """An operation named without a pass stands for all of its passes."""
        found = self.operation(word)
        return (found,) if "/" in word else found.each_pass()


def load_catalog(kernels: Path | None = None, operations: Collection[str] = ()) -> Catalog:
    """The built-in catalogue, or that of a user's folder. Where only these `operations` are looked at (`scan`, or
    `scan/backward`), the built-in folders of all others need not be imported, which takes most of the time.

    A folder of a user's own that holds variants.py alone adds variants to the built-in operation of its name. Folders
    that cannot be loaded are left out and stand in `broken`. Raises Problem for a root that does not exist or holds no
    declarations, and where not one of its folders can be loaded.
    """
    root = (kernels or BUILTIN).resolve()
    if not root.is_dir():
        raise Problem(f"--kernels {root}: no such folder; name one that holds OPERATION/operation.py and variants.py")
    folders = _in_order(root, {p.parent for name in FILES for p in root.glob(f"*/{name}.py")})
    if not folders:
        raise Problem(f"--kernels {root}: no declarations; an operation is a folder with operation.py and variants.py")
    names = {word.partition("/")[0] for word in operations}
    if root == BUILTIN and names and names <= {folder.name for folder in folders}:
        folders = [folder for folder in folders if folder.name in names]
    catalog = Catalog(roots=(root,))
    for folder in folders:
        try:
            operation, variants = _read(root, folder)
            if operation.name in catalog.operations:
                raise Problem(f"{operation.at}: operation {operation.name} is declared twice")
        except Problem as problem:
            catalog.broken[folder.name] = problem
            continue
        catalog.operations[operation.name] = operation
        order = [one.pass_ for one in operation.each_pass()]
        catalog.variants[operation.name] = sorted(variants, key=lambda v: (order.index(v.pass_), v.rung))
    if not catalog.operations:
        catalog.complain()
    return catalog


def _read(root: Path, folder: Path) -> tuple[Operation, list[Variant]]:
    """A folder's operation and variants. Problem where it declares none, or one that cannot be."""
    variants: list[Variant] = []
    if root != BUILTIN and not (folder / "operation.py").is_file() and (BUILTIN / folder.name).is_dir():
        operation, variants = _read(BUILTIN, BUILTIN / folder.name)
    else:
        declared = _declared(_load(root, folder, "operation"), "OPERATION", Operation)
        if declared.pass_ != FORWARD:
            what = f"gives pass_: write passes=(Pass({declared.pass_!r}, ...),)"
            raise Problem(f"{declared.at}: operation {declared.name} {what}")
        operation = checked_operation(declared, folder / "operation.py")
    variants = variants + _variants(_load(root, folder, "variants"), operation, folder / "variants.py")
    known: dict[str, Variant] = {}
    for variant in variants:
        if known.setdefault(variant.key, variant) is not variant:
            raise Problem(f"{variant.at}: variant {variant.name} is declared twice, first at {known[variant.key].at}")
    for one in operation.each_pass():
        names = [v.name for v in variants if v.pass_ == one.pass_]
        if one.baseline not in names:
            of_pass = "" if one is operation else f"pass {one.pass_}: "
            there = ", ".join(names) or "it has none"
            raise Problem(f"{operation.at}: {of_pass}baseline {one.baseline} is not among its variants: {there}")
    return operation, variants


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
                f"{entry.at}: variant {entry.name} names the operation {entry.operation}: "
                f"this folder's is {operation.name}"
            )
    each = {one.pass_: one for one in operation.each_pass()}
    for entry in declared:
        if entry.pass_ not in each:
            raise Problem(
                f"{entry.at}: variant {entry.name} names the pass {entry.pass_!r}: "
                f"operation {operation.name} declares {', '.join(each)}"
            )
    return [checked_variant(variant, each[variant.pass_], file) for variant in declared]


def _load(root: Path, folder: Path, name: str) -> ModuleType:
    """Imports ROOT/FOLDER/NAME.py as a package member, so that relative imports between declarations work."""
    if root == BUILTIN:
        package = f"kernel_variants.{folder.name}"
    else:
        package = f"kernels_{hashlib.sha256(str(root).encode()).hexdigest()[:8]}.{folder.name}"
        user_modules.package(package.split(".")[0], root)
        user_modules.package(package, folder)
    try:
        with kept_clean():
            return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"{package}.{name}":
            raise Problem(f"{folder}: no {name}.py; an operation needs operation.py and variants.py") from None
        needed = (error.name or "").partition(".")[0]
        where = _place(folder, name, error)
        raise Problem(f"{where}: {error}; if it is a package: {installing(f'pip install {needed}')}") from error
    except Problem:
        raise
    except SyntaxError as error:
        where = f"{error.filename or folder / (name + '.py')}:{error.lineno or 1}"
        raise Problem(f"{where}: SyntaxError: {error.msg}") from error
    except Exception as error:  # whatever a user's declaration raises is a problem of that file
        raise Problem(f"{_place(folder, name, error)}: {type(error).__name__}: {first_words(error)}") from error


def _place(folder: Path, name: str, error: Exception) -> str:
    """The innermost line of the folder's own files through which an import failed."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(folder))]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(folder / f"{name}.py")


def _declared(module: ModuleType, name: str, kind: type[T]) -> T:
    value = getattr(module, name, None)
    if not isinstance(value, kind):
        raise Problem(f"{module.__file__}: declares no {name} (a {kind.__name__} from workbench.declare)")
    return value


def _in_order(root: Path, folders: Iterable[Path]) -> list[Path]:
    """The folders in the order that ROOT/ORDER names (a pipeline has one), others after them by name."""
    order = (root / "ORDER").read_text().split() if (root / "ORDER").is_file() else []
    return sorted(folders, key=lambda f: (order.index(f.name) if f.name in order else len(order), f.name))
