"""Bad input: one clear line, a non-zero exit, nothing half-written."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli import COMMANDS

EXAMPLES = Path(__file__).parents[2] / "examples"


def only_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line]
    assert len(lines) == 1, stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "scna"], "unknown operation scna: did you mean scan?"),
        (["sweep", "--variants", "scan/serail"], "unknown variant scan/serail: did you mean scan/serial?"),
        (["sweep", "scan", "--TT", "64"], "unknown axis --TT: did you mean --T?"),
        (["sweep", "scan", "--dtype", "float31"], "unknown dtype float31: did you mean float32?"),
        (["sweep", "scan", "--arch", "sm_99"], "sm_9"),
        (["sweep", "scan", "--preset", "quik"], "unknown preset quik: did you mean quick?"),
        (["sweep", "scan", "--device", "gpu"], "unknown device gpu"),
        (
            ["sweep", "scan", "--device", "h100"],
            "--device h100 is not at hand here: known: cuda, cpu, simulated; --model models it",
        ),
        (["sweep", "scan", "--pass", "forwrd"], "unknown pass forwrd: did you mean forward?"),
        (["sweep", "scan", "--T", "0"], "--T 0: T = 0 is not a size"),
        (["sweep", "scan", "--T", "-5"], "T = -5 is not a size"),
        (["sweep", "scan", "--T", "abc"], "abc is not a whole number"),
        (["sweep", "scan", "--T", "8:4:x2"], "rises from first"),
        (["sweep", "scan", "--T"], "--T: takes sizes"),
        (["sweep", "scan", "--timeout", "0"], "seconds must be positive"),
        (["sweep", "scan", "--B", "1000", "--T", "1000000", "--H", "10000"], "of memory and"),
        (["sweep", "--kernels", "nowhere"], "nowhere: no such folder"),
        (["sweep", "--resume", "nothing"], "no run there"),
        (["sweep", "--model"], "name the device to model"),
        (["sweep", "--model", "--device", "h20"], "did you mean"),
        (["list", "scna"], "unknown operation scna: did you mean scan?"),
        (["check", "scan", "--variants", "serail"], "unknown variant serail: did you mean serial?"),
        (["check", "--T", "0"], "T = 0 is not a size"),
        (["build", "scna"], "unknown operation scna: did you mean scan?"),
        (["build", "scan", "--arch", "sm_91"], "sm_9"),
        (["sweep", "ssm"], "unknown operation ssm: known: causal_conv"),
        (["sweep", "gru", "--pass", "backward"], "unknown pass backward: known: forward, training"),
        (["sweep", "scan", "--T", "1:99999999999:+1"], "99,999,999,999 sizes; 10,000 at most"),
        (["sweep", "scan", "--T", "１０"], "is not a whole number"),
        (["sweep", "scan", "--T", "1_000"], "1_000 is not a whole number"),
        (["sweep", "scan", "--T", "9" * 25], "larger than any size"),
        (["sweep", "scan", "--timeout", "nan"], "seconds must be positive"),
        (["sweep", "scan", "--timeout", "inf"], "seconds must be positive"),
        (["sweep", "scan", "--timeout", "1e-9"], "seconds must be positive"),
        (["sweep", "scan", "--dtype", ","], "--dtype ,: names nothing"),
        (["sweep", "scan", "--device", ","], "--device ,: names nothing"),
        (["sweep", "scan", "--variants", ","], "--variants ,: names nothing"),
        (["sweep", "scan", "--arch", ","], "--arch ,: names nothing"),
        (["sweep", "scan", "--name", "../out"], "--name ../out: a run's name is letters"),
        (["sweep", "scan", "--name", "-x"], "a run's name is letters"),
        (["sweep", "scan", "--name", "a\nb"], "a run's name is letters"),
        (["sweep", "scan", "--name", ""], "a run's name is letters"),
        (["sweep", "--resume", ""], "the name of a run is empty"),
        (["sweep", "--seed", "x"], "workbench sweep --help lists what there is"),
        (["nothing"], "No such command 'nothing'"),
        (["compare", "a"], "Missing argument 'B'"),
        (["check", "--kernels", "x" * 300], "no file has such a name"),
        (["sweep", "--profiles", "x" * 300], "no file has such a name"),
        (["report", "x" * 300], "no run there"),
        (["finish", "x" * 300], "no run there"),
        (["compare", "x" * 300, "y"], "no run there"),
        *(
            ([*words, option, ""], f"{option}: names nothing")
            for words, options in (
                (["sweep", "scan"], ("--variants", "--dtype", "--device", "--pass", "--arch", "--on")),
                (["check"], ("--variants", "--device", "--arch")),
                (["build"], ("--variants", "--dtype", "--arch")),
                (["list"], ("--pass",)),
                (["profile", "x"], ("--variants", "--keys", "--section")),
                (["ablate", "scan"], ("--factor",)),
                (["reproduce", "x"], ("--run",)),
            )
            for option in options
        ),
        (["sweep", "scan", "--T", "1", "--T", "2"], "--T is given twice"),
        (["sweep", "scan", "--model", "--device", "h200", "--resume", "x"], "--resume has no effect beside --model"),
        (["dashboard", "--port", "８"], "８ is not a whole number"),
        (["sweep", "--seed", "1_0"], "1_0 is not a whole number"),
        (["sweep", "--timeout", "1_0"], "1_0 is not a number"),
        (["build", "--jobs", "１"], "１ is not a whole number"),
        (["build", "--jobs", "0"], "counts start at 1"),
        (["check", "--device", ","], "--device ,: names nothing"),
        (["profile", "x", "--budget", "nan"], "--budget nan: seconds must be positive"),
        (["profile", "x", "--timeout", "inf"], "--timeout inf: seconds must be positive"),
        (["compare", "a", "b", "--fail-over", "５%"], "write a share such as"),
        (["dashboard", "--kernels", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_one_line_with_what_to_do(workbench: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    done = workbench(*arguments)
    assert done.returncode not in (0, None) and "Traceback" not in done.stderr
    assert words in only_line(done.stderr)
    assert list(tmp_path.iterdir()) == [], "something was written"


def test_memory_is_counted_before_it_is_taken(workbench: Run) -> None:
    done = workbench("sweep", "scan", "--B", "64", "--T", "1000000", "--H", "1024")
    line = only_line(done.stderr)
    assert "GB of memory and" in line and "are free" in line


def test_a_kernel_folder_without_declarations(workbench: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = workbench("list", "--kernels", "empty")
    assert done.returncode != 0 and "no declarations" in only_line(done.stderr)


@pytest.mark.parametrize(
    ("operation", "variants", "words"),
    [
        ("OPERATION = 3", "VARIANTS = ()", "declares no OPERATION"),
        ("raise ValueError('oh')", "VARIANTS = ()", "ValueError: oh"),
        ("this is no python", "", "SyntaxError"),
        ("import no_such_module_anywhere", "", "no_such_module_anywhere"),
    ],
)
def test_a_broken_declaration_is_named(
    workbench: Run, tmp_path: Path, operation: str, variants: str, words: str
) -> None:
    folder = tmp_path / "mine" / "thing"
    folder.mkdir(parents=True)
    (folder / "operation.py").write_text(operation)
    (folder / "variants.py").write_text(variants)
    done = workbench("list", "--kernels", "mine")
    line = only_line(done.stderr)
    assert done.returncode != 0 and words in line and "operation.py" in line


def test_a_newer_run_is_not_resumed(workbench: Run, tmp_path: Path) -> None:
    run = tmp_path / "profiles" / "newer"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"schema": 99}))
    done = workbench("sweep", "--resume", "newer")
    assert done.returncode != 0 and "schema 99 is newer" in only_line(done.stderr)


def test_no_compiler_is_said_in_one_line(workbench: Run, tmp_path: Path) -> None:
    done = workbench(
        "sweep", "--kernels", str(EXAMPLES / "softmax"), "--columns", "64",
        CXX="no-such-compiler", WORKBENCH_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "no-such-compiler" in done.stderr and "g++" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_profiles(workbench: Run, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    done = workbench("sweep", "scan", "--profiles", "locked")
    assert done.returncode != 0 and "cannot be created" in only_line(done.stderr)


def test_profiles_in_the_way_of_a_file(workbench: Run, tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("a file")
    done = workbench("sweep", "scan")
    assert done.returncode != 0 and "cannot be created" in only_line(done.stderr)
    assert (tmp_path / "profiles").read_text() == "a file"


def test_a_report_is_written_to_a_file_alone(workbench: Run, tmp_path: Path) -> None:
    runs = Path(__file__).parents[2] / "profiles"
    for out in ("/dev/null", "/", "", "x" * 300 + ".html", "nowhere/at/all.html"):
        done = workbench("report", "cpu-epyc-2-cores", "--profiles", str(runs), "--out", out)
        assert done.returncode == 1 and "--out" in only_line(done.stderr), (out, done.stderr)
    assert list(tmp_path.iterdir()) == [] and Path("/dev/null").is_char_device()


def test_the_command_alone_prints_its_help(workbench: Run) -> None:
    alone, asked = workbench(), workbench("--help")
    assert alone.returncode == 0 and alone.stderr == ""
    assert alone.stdout == asked.stdout and all(f"  {name} " in alone.stdout for name, _ in COMMANDS)


def test_output_that_nobody_takes(workbench: Run) -> None:
    """A full disk behind standard output, a closed one, and a locale that lacks the characters."""
    listing = [sys.executable, "-m", "workbench", "list"]
    full = subprocess.run(f"{shlex.join(listing)} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert full.returncode == 1 and "No space left on device" in only_line(full.stderr)
    closed = subprocess.run(f"{shlex.join(listing)} >&-", shell=True, capture_output=True, text=True, check=False)
    assert closed.returncode == 0 and closed.stderr == ""
    latin = workbench(
        "sweep", "--model", "--device", "h200", "scan", PYTHONUTF8="0", LC_ALL="C", PYTHONIOENCODING="ascii"
    )
    assert latin.returncode == 0 and latin.stderr == "" and "serial" in latin.stdout


def test_what_a_run_was_not_begun_with_is_refused_beside_resume(workbench: Run, tmp_path: Path) -> None:
    committed = Path(__file__).parents[2] / "profiles" / "cpu-epyc-2-cores"
    shutil.copytree(committed, tmp_path / "profiles" / "one")
    for words in (["--T", "7"], ["--preset", "gpu"], ["gate"], ["--dtype", "bfloat16"], ["--name", "two"]):
        done = workbench("sweep", "--resume", "one", *words)
        assert done.returncode == 2 and words[0] in only_line(done.stderr), done.stderr
    assert "is finished; nothing to do" in workbench("sweep", "--resume", "one", "--preset", "quick").stderr
