"""The command as a user runs it: in a subprocess, with its exit status, its output and its errors."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests import warm
from tests.known_ceilings import COMMAND
from workbench.catalog import load_catalog
from workbench.cli import main, make_app

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def workbench(tmp_path: Path) -> Run:
    """Runs `workbench …` in an empty folder, as a copy where Python need not be started in another environment."""

    def run(*arguments: str, **environment: str) -> Done:
        if not any(name.startswith(("PYTHON", "LC_")) for name in environment):
            return warm.run(*arguments, folder=tmp_path, **environment)
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **environment}, timeout=300,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def everything_imported() -> None:
    for module in ("kernel_variants.modules", "workbench.show.report", "workbench.sweep.session"):
        importlib.import_module(module)
    make_app()
    load_catalog()


@pytest.fixture
def typed(tmp_path: Path, everything_imported: None) -> Run:
    """The same by a copy of this process, which has imported everything: for the many commands that end at once."""

    def run(*arguments: str) -> Done:
        files = [tmp_path.with_name(f"{tmp_path.name}.{name}") for name in ("out", "err")]
        child = os.fork()
        if child == 0:
            _command(arguments, tmp_path, files)
        _, status = os.waitpid(child, 0)
        out, err = (file.read_text() for file in files)
        return Done(arguments, os.waitstatus_to_exitcode(status), out, err)

    return run


def _command(arguments: tuple[str, ...], folder: Path, files: list[Path]) -> NoReturn:
    """Ends the process with the command's status."""
    status: object = 1
    try:
        os.chdir(folder)
        sys.argv = ["workbench", *arguments]
        sys.stdout, sys.stderr = (file.open("w") for file in files)
        main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)
