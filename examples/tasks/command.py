"""What all tasks are called with, and what is done then: cells and seeds trained one after the other, and a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import torch

from examples.tasks.cells import CELLS
from workbench.problem import Problem, unknown
from workbench.quantity import quantity
from workbench.tasks.estimate import estimate
from workbench.tasks.parts import clock_here, now
from workbench.tasks.recorded import recorded, table_text
from workbench.tasks.task import Task
from workbench.tasks.train import train

Make = Callable[[str, int, argparse.Namespace], Task]
"""Cell, seed and options → the task."""

QUICK = ("nn.LSTM", "convolution", "SRU", "MinGRU")
"""What a quick run trains: three minutes of two cores have no room for all."""


def options(description: str, arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--cells", help=f"what to train, of {', '.join(CELLS)}; all, or with --quick {', '.join(QUICK)}"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings per cell, seeds 0 to N - 1")
    parser.add_argument("--quick", action="store_true", help="small: three minutes on two cores")
    parser.add_argument("--fetch", action="store_true", help="download what is lacking into the cache")
    parser.add_argument("--out", type=Path, default=Path("profiles/tasks"), help="folder; what is there is continued")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU; 1: times are CPU time")
    parser.add_argument("--layers", type=int, help="layers of the stack, if not as many as the task has")
    parser.add_argument("--estimate", action="store_true", help="train nothing: say how long it would take")
    chosen = parser.parse_args(arguments)
    chosen.cells = chosen.cells.split(",") if chosen.cells else list(QUICK if chosen.quick else CELLS)
    return chosen


def main(makes: Sequence[Make], description: str, arguments: list[str] | None = None) -> int:
    """Trains what the command line asks for of each task and prints the tables. Returns the exit status."""
    chosen = options(description, arguments)
    return reported(lambda: _trained(makes, chosen), chosen.out)


def reported(work: Callable[[], None], out: Path) -> int:
    """What a command does and what it says where it cannot. Returns the exit status."""
    name = Path(sys.argv[0]).name
    try:
        work()
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return problem.exit_status
    except OSError as error:
        print(f"{name}: --out {out}: {error.strerror}; name a folder that can be written", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ended; the same command goes on behind the last epoch", file=sys.stderr)
        return 130
    return 0


def check(names: Sequence[str], known: Mapping[str, object], device: str, at_least_one: Mapping[str, int]) -> None:
    """Raises Problem for cells that are not known, a device that is not here, and numbers under 1."""
    for cell in names:
        if cell not in known:
            raise unknown("cell", cell, known)
    for option, number in at_least_one.items():
        if number < 1:
            raise Problem(f"{option} {number}: at least 1", exit_status=2)
    kind, _, number = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (number and not number.isdecimal())):
        raise Problem(f"--device {device}: cpu, cuda, or cuda:0 and so on", exit_status=2)
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise Problem(f"--device {device}: torch finds no such GPU here; leave it out", exit_status=2)


def _trained(makes: Sequence[Make], chosen: argparse.Namespace) -> None:
    layers = {} if chosen.layers is None else {"--layers": chosen.layers}
    check(chosen.cells, CELLS, chosen.device, {"--seeds": chosen.seeds, "--threads": chosen.threads, **layers})
    torch.set_num_threads(chosen.threads)
    if chosen.estimate:
        for make in makes:
            _estimate(make, chosen)
        return
    names, clock = set(), clock_here(chosen.device)
    for make, seed, cell in product(makes, range(chosen.seeds), chosen.cells):
        begin = now(clock)
        task = make(cell, seed, chosen)
        names.add(task.name)
        prepared_s = now(clock) - begin
        train(task, chosen.out, chosen.device, lambda line: print(line, flush=True), prepared_s)
    print(table_text([run for run in recorded(chosen.out) if run.task in names]))


def _estimate(make: Make, chosen: argparse.Namespace) -> None:
    """A line per cell, and one for all of them with all seeds."""
    total = 0.0
    for cell in chosen.cells:
        task = make(cell, 0, chosen)
        found = estimate(task, chosen.device)
        total += found.steps_s * chosen.seeds
        print(
            f"{task.name} {cell}: {found.steps:,} steps of {quantity(found.step_s, 's')}, "
            f"{quantity(found.steps_s, 's')} per seed",
            flush=True,
        )
    print(f"{task.name}: {quantity(total, 's')} for {chosen.seeds} seeds of each, evaluation not counted")
