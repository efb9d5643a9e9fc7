"""`workbench train`: a model trained on several ranks, each scheme measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.options import Json, whole_number
from workbench.problem import Problem


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
    port: Annotated[int, _count("Port of the ranks' meeting; 0: a free one.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a model on several ranks of this machine, through torchrun.

    The last line says what was trained, where its weights are, and, from traces, what share of the time the ranks
    communicated. On ranks that share cores this shows that a scheme is right, not how it scales.
    """
    from workbench.cli.terminal import say
    from workbench.distributed.launch import start
    from workbench.distributed.loop import Training, require
    from workbench.distributed.mesh import Sizes
    from workbench.distributed.summary import summary
    from workbench.distributed.task import load_task

    for name, value, least in (
        ("steps", steps, 1), ("data", data, 1), ("sequence", sequence, 1), ("tensor", tensor, 1), ("stages", stages, 1),
        ("parts", parts, 1), ("average-every", average_every, 1), ("checkpoint-every", checkpoint_every, 0),
        ("restarts", restarts, 0), ("trace", trace, 0), ("timeout", timeout, 1),
    ):  # fmt: skip
        if value < least:
            raise Problem(f"--{name} {value}: at least {least}", exit_status=2)
    if not 0 <= port <= 65535:
        raise Problem(f"--port {port}: a port lies between 1 and 65535, or 0 for a free one", exit_status=2)
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
        task=task, folder=str(_folder(out)), steps=steps, sizes=sizes, weights="sharded" if sharded else "replicated",
        carry="chain" if carry == "chain" else "gather", average_every=average_every,
        pipeline="time" if pipeline == "time" else "batch" if pipeline else None, parts=parts,
        checkpoint_every=checkpoint_every, traced_steps=trace, timeout_s=float(timeout),
    )  # fmt: skip
    count = stages if pipeline else sizes.ranks
    require(training, loaded, count)
    start(training, count, restarts, port)
    found = summary(out)
    if as_json:
        import json

        print(json.dumps(found.as_dict(), indent=2))
    else:
        say(found.text())


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"--out {out}: {error.strerror}; name a folder that can be written", exit_status=2) from None
    return out.resolve()
