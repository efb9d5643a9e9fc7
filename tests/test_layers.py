"""Nothing imports from its right, and the workbench stays free of the subject it measures."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layers import (
    KERNELS_MAY_IMPORT,
    LAYERS,
    LAYERS_MAY_IMPORT,
    LINE,
    TASKS,
    TASKS_MAY_IMPORT,
    WORDS_OF_THE_SUBJECT,
)

ROOT = Path(__file__).parents[1]
ROOMS = {room: place for place, rooms in enumerate(LINE) for room in rooms}


def modules(folder: str) -> Iterator[tuple[str, Path]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), file


def room_of(module: str) -> str | None:
    fitting = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(fitting, key=len, default=None)


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file with its line, those inside functions too; those for type checkers only are left out."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def offences(module: str, file: Path) -> list[str]:
    own = room_of(module)
    if own is None:
        return []
    found = []
    for line, name in imports(file):
        theirs = room_of(name)
        if theirs is not None and theirs != own and ROOMS[theirs] > ROOMS[own]:
            found.append(f"{file.relative_to(ROOT)}:{line}: {own} imports {name}, which stands to its right")
    return found


@pytest.mark.parametrize("folder", ["workbench", "dashboard"])
def test_nothing_imports_from_its_right(folder: str) -> None:
    found = [offence for module, file in modules(folder) for offence in offences(module, file)]
    assert not found, "\n".join(found)


def test_the_order_is_really_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: a module of `compile` that imports from `views` is caught, at its line; one from its left is
    not."""
    monkeypatch.setattr("tests.test_layers.ROOT", tmp_path)
    planted = tmp_path / "units.py"
    planted.write_text("from workbench.declare import Kernel\n\nfrom workbench.model.floor import floor\n")
    found = offences("workbench.compile.units", planted)
    assert found == [
        "units.py:3: workbench.compile imports workbench.model.floor.floor, which stands to its right"
    ]  # fmt: skip


def test_every_module_has_a_room() -> None:
    homeless = [module for module, _ in modules("workbench") if module != "workbench" and room_of(module) is None]
    assert not homeless, f"no place on the line for {homeless}"


def allowed(module: str) -> tuple[str, ...]:
    if f"{module}.".startswith(f"{TASKS}."):
        return TASKS_MAY_IMPORT
    return LAYERS_MAY_IMPORT if f"{module}.".startswith(f"{LAYERS}.") else KERNELS_MAY_IMPORT


def test_kernel_folders_know_the_vocabulary_alone() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: imports {name}"
        for folder in ("kernel_variants", "examples")
        for module, file in modules(folder)
        for line, name in imports(file)
        if name.startswith(("workbench", "dashboard")) and not name.startswith(allowed(module))
    ]
    assert not found, "\n".join(found)


def test_the_workbench_has_no_word_of_its_subject() -> None:
    pattern = re.compile("|".join(WORDS_OF_THE_SUBJECT), re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for _, file in modules("workbench")
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def imported(code: str, *heavy: str) -> str:
    """Which of these modules are there behind it, in a process of its own."""
    code = f"{code}; import sys; print(*(m for m in {heavy} if m in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_importing_the_command_line_imports_no_torch() -> None:
    code = "import workbench.cli; workbench.cli.make_app()"
    assert imported(code, "torch", "numpy", "pandas", "streamlit").strip() == ""


def test_importing_the_pages_imports_no_torch() -> None:
    """Half a gigabyte, and two seconds before the page that wants it is drawn."""
    pages = [f"dashboard.pages.{file.stem}" for file in sorted((ROOT / "dashboard" / "pages").glob("[0-9]*.py"))]
    code = f"import importlib; [importlib.import_module(page) for page in {pages}]"
    assert imported(code, "streamlit", "torch").split() == ["streamlit"]
