"""What README shows of measurements is what the committed run holds, to the letter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import generate
from tests import warm
from workbench.compile.cache import cache_folder
from workbench.store.run_folder import open_run


def test_readme_and_its_picture_are_made_from_the_committed_run() -> None:
    run = open_run(generate.RUN)
    text = generate.README.read_text()
    assert generate.readme(text) == text, "README is not what its run says; make readme"
    assert generate.PICTURE.read_text() == generate.picture(run), "docs/ladder.svg is stale; make readme"
    assert len(generate.rows_of(run)) > 10


def test_the_glossary_has_the_registry_s_figures() -> None:
    text = generate.GLOSSARY.read_text()
    assert generate.glossary(text) == text, "docs/glossary.md is not what the registry says; make readme"
    assert "| % of the best possible | % | derived |" in text


def test_the_page_on_tasks_is_what_its_trainings_left() -> None:
    text = generate.task_tables.PAGE.read_text()
    assert generate.tasks(text) == text, "docs/tasks.md is not what profiles/tasks-quick has; make readme"
    assert "| MinGRU |" in text


RECIPE = generate.README.read_text().partition("## Add a variant in ten minutes")[2].partition("\n## ")[0]
BLOCKS = {
    language: "\n".join(line[3:] for line in block.splitlines()) + "\n"
    for language, block in re.findall(r"   ```(\w+)\n(.*?)   ```", RECIPE, re.DOTALL)
}


def typed(command: str, folder: Path) -> str:
    """What a command of the recipe prints, run in `folder`, a copy of the tree; it ends well. Ceilings are those that
    the session of tests has measured: measuring them takes longer than all the rest."""
    done = subprocess.run(
        [sys.executable, str(folder / "tests" / "command.py"), *command.split()],
        capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "COLUMNS": "200", "WORKBENCH_CACHE": str(cache_folder())},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.thorough
def test_the_ten_minute_recipe_works_as_printed(tmp_path: Path) -> None:
    """README's own words, laid into a copy of the tree: check in both dtypes, build, and a place on the ladder."""
    root = generate.ROOT
    for folder in ("workbench", "kernel_variants", "dashboard"):
        shutil.copytree(root / folder, tmp_path / folder)
    (tmp_path / "tests").mkdir()
    for file in ("command.py", "known_ceilings.py"):
        shutil.copy(root / "tests" / file, tmp_path / "tests")
    scan = tmp_path / "kernel_variants" / "scan"
    for language, name in (("cuda", "mine.cu"), ("python", "mine.py")):
        (scan / name).write_text(BLOCKS[language])
    import_line = "from kernel_variants.scan.mine import MINE"
    assert f"`{import_line}`" in RECIPE and "`*MINE,`" in RECIPE
    variants = (scan / "variants.py").read_text()
    variants = variants.replace("VARIANTS = (", f"{import_line}\n\nVARIANTS = (\n    *MINE,")
    (scan / "variants.py").write_text(variants)
    commands = dict(re.findall(r"`workbench (check|build|sweep) (scan --variants [^`]*)`", RECIPE))
    assert set(commands) == {"check", "build", "sweep"}
    rows = [line.split() for line in typed(f"check {commands['check']}", tmp_path).splitlines()]
    assert sum(row[:1] == ["scan"] for row in rows) == 4 and sum("ok" in row for row in rows) == 4, rows
    assert "scan_mine" in typed(f"build {commands['build']}", tmp_path)
    ladder = typed(f"sweep {commands['sweep']} --preset small --T 64 --B 1 --H 32 --device cpu", tmp_path)
    placed = [line.split()[:2] for line in ladder.splitlines() if line]
    assert all([name, "ok"] in placed for name in ("eager", "serial", "mine")), ladder


def test_the_recipe_works_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    place = tmp_path / "my_kernels" / "scan"
    place.mkdir(parents=True)
    last = re.search(r"`(VARIANTS = \w+)` as their last line", RECIPE)
    command = re.search(r"`workbench (check scan --kernels my_kernels [^`]*)`", RECIPE)
    assert last is not None and command is not None
    (place / "mine.cu").write_text(BLOCKS["cuda"])
    (place / "variants.py").write_text(f"{BLOCKS['python']}\n{last[1]}\n")
    done = warm.run(*f"{command[1]} --dtype float32,bfloat16".split(), folder=tmp_path, COLUMNS="200")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("scan ")]
    assert len(rows) == 2 and all("ok" in row for row in rows), done.stdout + done.stderr
