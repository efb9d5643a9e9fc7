"""What README shows of measurements is what the committed run holds, to the letter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs import generate
from workbench.store.run_folder import open_run


def test_readme_and_its_picture_are_made_from_the_committed_run() -> None:
    run = open_run(generate.RUN)
    text = generate.README.read_text()
    assert generate.readme(run, text) == text, "README is not what its run says; make readme"
    assert generate.PICTURE.read_text() == generate.picture(run), "docs/ladder.svg is stale; make readme"
    assert len(generate.rows_of(run)) > 10


def test_the_ten_minute_recipe_works_as_printed(tmp_path: Path) -> None:
    """README's own words, laid into a copy of the tree: check in both dtypes, build, and a place in the listing."""
    root = generate.ROOT
    for folder in ("workbench", "kernel_variants", "dashboard"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = generate.README.read_text().partition("## Add a variant in ten minutes")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"   ```(\w+)\n(.*?)   ```", recipe, re.DOTALL))
    scan = tmp_path / "kernel_variants" / "scan"
    for language, name in (("cuda", "mine.cu"), ("python", "mine.py")):
        (scan / name).write_text("\n".join(line[3:] for line in blocks[language].splitlines()) + "\n")
    import_line = "from kernel_variants.scan.mine import MINE"
    assert f"`{import_line}`" in recipe and "`*MINE,`" in recipe
    variants = (scan / "variants.py").read_text()
    variants = variants.replace("VARIANTS = (", f"{import_line}\n\nVARIANTS = (\n    *MINE,")
    (scan / "variants.py").write_text(variants)
    for command in re.findall(r"`workbench ((?:check|build) scan [^`]*)`", recipe):
        done = subprocess.run(
            [sys.executable, "-m", "workbench.cli", *command.split()],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        if command.startswith("check"):
            rows = [line.split() for line in done.stdout.splitlines() if line.startswith("scan")]
            assert len(rows) == 4 and all("ok" in row for row in rows), done.stdout
