"""`workbench train`: a model trained on several ranks, each scheme measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.axes import parse_axis
from workbench.cli.options import Json, whole_number
from workbench.foreign import first_words, printable
from workbench.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.distributed.loop import Training
    from workbench.distributed.task import Task


def _count(help_text: str) -> Any:
    return typer.Option(parser=whole_number, metavar="N", help=help_text)


def command(
    task: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="What to train: see docs/distributed.md.")],
    out: Annotated[Path, typer.Option(help="Folder of this training; one that holds checkpoints is continued.")],
    steps: Annotated[int, _count("Optimiser steps.")] = 20,
    data: Annotated[int, _count("Ranks that hold different sequences.")] = 1,
    sequence: Annotated[int, _count("Ranks that hold different blocks of time.")] = 1,
    tensor: Annotated[int, _count("Ranks that hold different channels.")] = 1,
    sharded: Annotated[bool, typer.Option(help="Weights in parts over data and sequence ranks.")] = False,
    carry: Annotated[str, typer.Option(help="How a state passes between blocks of time: gather or chain.")] = "gather",
    average_every: Annotated[int, _count("Average weights every N steps instead of gradients in each.")] = 1,
    pipeline: Annotated[str, typer.Option(help="Layers over --stages ranks; parts follow in batch or time.")] = "",
    stages: Annotated[int, _count("Ranks of a pipeline.")] = 2,
    parts: Annotated[int, _count("Parts of a batch, or blocks of time, in a pipeline.")] = 4,
    checkpoint_every: Annotated[int, _count("Steps between checkpoints; 0: none.")] = 0,
    restarts: Annotated[int, _count("How often lost ranks are started again.")] = 3,
    trace: Annotated[int, _count("Steps to trace, for Perfetto and the time of each rank.")] = 0,
    timeout: Annotated[int, _count("Seconds that a rank waits for the others.")] = 60,
    scaling: Annotated[str, typer.Option(help="Train on each of these numbers of ranks, such as 1,2,4.")] = "",
    along: Annotated[str, typer.Option(help="What --scaling grows: data, sequence, tensor, pipeline.")] = "data",
    weak: Annotated[bool, typer.Option("--weak", help="With --scaling: the batch grows with the ranks.")] = False,
    machines: Annotated[int, _count("Machines that each start their part of the ranks, by this command.")] = 1,
    machine: Annotated[int, _count("Which of them this is, from 0.")] = 0,
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where ranks meet: on machine 0.")] = "",
    as_json: Json = False,
) -> None:
    """Train a model on several ranks of this machine, or of several, through torchrun.

    The last line says what was trained, where its weights are, and, from traces, what share of the time the ranks
    communicated. On ranks that share cores this shows that a scheme is right, not how it scales.
    """
    import torch.distributed

    if not torch.distributed.is_available():
        raise Problem("this torch was built without torch.distributed: install one that has it, as pip's builds do")
    from workbench.cli.terminal import say
    from workbench.distributed.launch import ALONE, Machines, start
    from workbench.distributed.loop import Training, require
    from workbench.distributed.mesh import Sizes
    from workbench.distributed.summary import summary
    from workbench.distributed.task import load_task

    for name, value, least in (
        ("steps", steps, 1), ("data", data, 1), ("sequence", sequence, 1), ("tensor", tensor, 1), ("stages", stages, 1),
        ("parts", parts, 1), ("average-every", average_every, 1), ("checkpoint-every", checkpoint_every, 0),
        ("restarts", restarts, 0), ("trace", trace, 0), ("timeout", timeout, 1), ("machines", machines, 1),
    ):  # fmt: skip
        if value < least:
            raise Problem(f"--{name} {value}: at least {least}", exit_status=2)
    if carry not in ("gather", "chain"):
        raise Problem(f"--carry {carry}: gather or chain", exit_status=2)
    if pipeline not in ("", "batch", "time"):
        raise Problem(f"--pipeline {pipeline}: batch or time", exit_status=2)
    sizes = Sizes(data, sequence, tensor)
    if pipeline and sizes.ranks > 1:
        raise Problem(
            "a pipeline is a line of --stages ranks: leave --data, --sequence and --tensor out", exit_status=2
        )
    loaded = load_task(task)
    training = Training(
        task=task, folder=str(_absolute(out)), steps=steps, sizes=sizes, weights="sharded" if sharded else "replicated",
        carry="chain" if carry == "chain" else "gather", average_every=average_every,
        pipeline="time" if pipeline == "time" else "batch" if pipeline else None, parts=parts,
        checkpoint_every=checkpoint_every, traced_steps=trace, timeout_s=float(timeout),
    )  # fmt: skip
    place = Machines(machines, machine, address)
    if scaling:
        if place != ALONE:
            raise Problem("--scaling is of one machine: leave --machines and --address out", exit_status=2)
        _scaling(training, loaded, parse_axis("scaling", scaling), along, weak, restarts, as_json)
        return
    count = stages if pipeline else sizes.ranks
    require(training, loaded, count)
    place.require(count)
    _make(out)
    start(training, count, restarts, place)
    if place.number:
        say(f"machine {place.number} has done its part; weights and summary are on machine 0")
        return
    found = summary(out)
    if as_json:
        import json

        print(json.dumps(found.as_dict(), indent=2))
    else:
        say(found.text())


def _scaling(
    training: Training, task: Task, counts: Sequence[int], along: str, weak: bool, restarts: int, as_json: bool
) -> None:
    """The training on each number of ranks, one after the other, with as many threads per rank each time."""
    from workbench.cli.terminal import Column, print_table, say
    from workbench.distributed.launch import ALONE, start
    from workbench.distributed.loop import require
    from workbench.distributed.scaling import folder_of, members, scaled
    from workbench.distributed.summary import SHARED
    from workbench.show.figures import columns_of, figure, value_text

    folder = Path(training.folder)
    several = members(training, counts, along, weak)
    for one, count in several:
        require(one, task, count)
        ALONE.require(count)
    for one, count in several:
        _make(folder_of(folder, count))
        start(one, count, restarts, threads_for=max(counts))
    kind, rows, shared = scaled(folder)
    if as_json:
        print(rows.assign(kind=kind).to_json(orient="records", indent=2))
        return
    names = columns_of("scaled")
    cells = [[value_text(name, value) for name, value in zip(names, row, strict=True)] for row in rows[names].values]
    columns = [Column(figure(name).title, right=name != "scheme") for name in names]
    print_table(f"{kind} scaling; intervals are over the steps of each training", columns, cells)
    if shared:
        say(SHARED)


def _absolute(out: Path) -> Path:
    try:
        return out.resolve()
    except (OSError, ValueError) as error:
        raise Problem(f"--out {printable(out)}: {first_words(error)}; name a folder", exit_status=2) from None


def _make(out: Path) -> None:
    """The folder, once nothing is wrong any more that can be seen before ranks are started."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"--out {printable(out)}: {error.strerror}; name a folder that can be written"
        raise Problem(text, exit_status=2) from None
