"""What all tasks are called with, and what is done then: cells and seeds trained one after the other, and a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
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
    try:
        chosen = options(description, arguments)
        for cell in chosen.cells:
            if cell not in CELLS:
                raise unknown("cell", cell, CELLS)
        if chosen.seeds < 1 or (chosen.layers is not None and chosen.layers < 1):
            raise Problem("--seeds and --layers: at least 1", exit_status=2)
        if chosen.device.startswith("cuda") and not torch.cuda.is_available():
            raise Problem("--device cuda: torch finds no GPU here; leave it out", exit_status=2)
        torch.set_num_threads(max(1, chosen.threads))
        if chosen.estimate:
            for make in makes:
                _estimate(make, chosen)
            return 0
        names = set()
        for make, seed, cell in product(makes, range(chosen.seeds), chosen.cells):
            clock = clock_here(chosen.device)
            begin = now(clock)
            task = make(cell, seed, chosen)
            names.add(task.name)
            prepared_s = now(clock) - begin
            train(task, chosen.out, chosen.device, lambda line: print(line, flush=True), prepared_s)
        print(table_text([run for run in recorded(chosen.out) if run.task in names]))
    except Problem as problem:
        print(f"{Path(sys.argv[0]).name}: {problem}", file=sys.stderr)
        return problem.exit_status
    except OSError as error:
        print(f"{Path(sys.argv[0]).name}: --out {chosen.out}: {error.strerror}; name a folder that can be written",
              file=sys.stderr)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        print("ended; the same command goes on behind the last epoch", file=sys.stderr)
        return 130
    return 0


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
