"""While somebody's code runs, standard output leads to standard error; before and after it is what it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import ctypes, os, sys
from workbench.stdout import kept_clean

def talk(word):
    print(word, "Python")
    ctypes.CDLL(None).puts((word + " C").encode())
    os.write(1, (word + " descriptor\\n").encode())

talk("before")
ctypes.CDLL(None).fflush(None)
sys.stdout.flush()
with kept_clean():
    talk("inside")
    with kept_clean():
        talk("deeper")
    talk("still inside")
    try:
        with kept_clean():
            raise ValueError
    except ValueError:
        talk("caught")
talk("after")
"""


def run(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    folder = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)


def test_only_what_is_printed_outside_goes_out() -> None:
    done = run(CODE)
    ways = ("Python", "C", "descriptor")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(f"{w} {way}" for w in ("before", "after") for way in ways)
    inside = ("inside", "deeper", "still inside", "caught")
    assert sorted(done.stderr.splitlines()) == sorted(f"{w} {way}" for w in inside for way in ways)


THREADS = """
import threading, os
from workbench.stdout import kept_clean
first, second = threading.Event(), threading.Event()
def one():
    with kept_clean():
        first.set(); second.wait()
    print("one is out")
def other():
    first.wait()
    with kept_clean():
        second.set(); threads[0].join()
        print("other is in")
threads = [threading.Thread(target=f) for f in (one, other)]
for t in threads: t.start()
for t in threads: t.join()
print("all are out", flush=True)
os.write(1, b"the descriptor too")
"""


def test_the_last_thread_out_gives_it_back() -> None:
    done = run(THREADS)
    assert done.stdout == "all are out\nthe descriptor too", done.stderr
    assert done.stderr == "one is out\nother is in\n"


@pytest.mark.parametrize("closing", ["sys.stdout = None", "os.close(1)", "sys.stdout.close()"])
def test_a_closed_output_is_nobody_s_problem(closing: str) -> None:
    head = f"import os, sys\nfrom workbench.stdout import kept_clean\n{closing}\n"
    code = f"{head}with kept_clean():\n    print('inside')\n"
    done = run(code)
    assert done.stderr.splitlines()[0] == "inside" and done.stdout == ""
