"""Command lines made at random from odd words: whatever is typed, the answer is a result or one line, no traceback."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.campaign.mutate import FUZZ
from workbench.cli import COMMANDS, main, make_app
from workbench.problem import Problem

pytestmark = pytest.mark.sliced

ODD = (
    "", " ", ",", ",,a", "-", "--", "-x", "=", "nan", "inf", "-inf", "1e9999", "1e-9", "0", "-1", "1", "7", "2.5", "5%",
    "-5%", "1_000", "１０", "٣", "²", "0x10", "99999999999999999999999999", "1:4:x2", "1:100000000:+1", "1:9:x1",
    "4:1:+1", "1:", ":::", "1,,2", "scan", "scna", "scan/serial", "scan/", "/serial", "serial", "layer", "scan:gate",
    "float32", "bfloat16", "float64", "sm_90", "sm_91", "sm_９０", "sm_", "all", "cpu", "cuda", "h200", "quick",
    "forward", "backward", "good", "../good", "./profiles/good", "good:scan/simd", "good:scan/none", ":", "a:b:c", "r*",
    "/", ".", "..", "nowhere/at/all", "text.txt", "~", "x" * 300, "x/" * 3000, "a\nb",
    "\x1b[31mred",
    "[bold]a[/]", "[/]", "%s{0}", "é", "日本", "\udcff\udcfe", "--T", "--T=4", "--T=", "--Q", "--H=1_000", "--help",
)  # fmt: skip


class Reached(Problem):
    """Stands where the work itself would begin: the command line was taken."""


def stop(*_: Any, **__: Any) -> None:
    raise Reached("the work begins")


@pytest.fixture
def no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one run; sweeps, builds, checks and servers are not begun."""
    committed = Path(__file__).parents[2] / "profiles" / "cpu-epyc-2-cores"
    shutil.copytree(committed, tmp_path / "profiles" / "good")
    (tmp_path / "text.txt").write_text("no report\n")
    monkeypatch.chdir(tmp_path)
    for place in (
        "workbench.sweep.session.continue_run", "workbench.sweep.checking.check_all", "workbench.doctor.diagnose",
        "workbench.sweep.growth.start_growth", "workbench.compile.catalogue.build_catalogue",
        "workbench.profile.collect.collect", "workbench.show.report.render",
        "workbench.execute.worker.Worker.__init__", "streamlit.web.bootstrap.load_config_options",
    ):  # fmt: skip
        monkeypatch.setattr(place, stop)
    monkeypatch.setattr("workbench.execute.server_of_workers.start_server", lambda: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with contextlib.ExitStack() as after:
        for number, handler in handlers.items():
            after.callback(signal.signal, number, handler)
        yield tmp_path


@functools.cache
def options_of(command: str) -> list[tuple[str, bool]]:
    """Every option of a command, and whether it takes a value."""
    group = typer.main.get_command(make_app(command))
    parameters = group.commands[command].params  # type: ignore[attr-defined]
    return [(o, not p.is_flag) for p in parameters if p.param_type_name == "option" for o in p.opts]


def arguments(chance: random.Random) -> list[str]:
    command = chance.choice([name for name, _ in COMMANDS])
    options = options_of(command)
    words = [chance.choice(ODD) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))]
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        option, takes_value = chance.choice(options)
        place = chance.randrange(len(words) + 1)
        words[place:place] = [option, chance.choice(ODD)] if takes_value else [option]
    return [command, *words]


@pytest.mark.parametrize("seed", range(8 * FUZZ if FUZZ > 1 else 4))
def test_whatever_is_typed_is_answered_in_one_line(
    seed: int, no_work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for all that is wrong; only `import` has one for each report that it cannot read."""
    chance = random.Random(seed)
    wrong = []
    for _ in range(40):
        given = arguments(chance)
        monkeypatch.setattr(sys, "argv", ["workbench", *given])
        status: object = None
        try:
            main()
        except SystemExit as end:
            status = end.code
        except Exception as error:  # all of them are wanted, not the first
            status = repr(error)
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if not line.startswith("note: ")]
        taken = status == 0 or (given[0] == "compare" and bool(out))  # the status of a comparison is its verdict
        # Of several reports, each that cannot be read has its line.
        most = max(1, len(given) - 1) if given[0] == "import" else 1
        answered = 1 <= len(lines) <= most and len(set(lines)) == len(lines)
        answered &= all(line.startswith("workbench: ") and line.isprintable() for line in lines)
        if not isinstance(status, int) or not (lines == [] if taken else answered):
            wrong.append((given, status, err[-300:]))
    assert wrong == []
