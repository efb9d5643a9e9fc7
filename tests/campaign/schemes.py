"""How far weights and gradients of every distributed scheme are from those of one process, after 20 steps.

Two layers whose gates are slow, so that states cross all ranks, by gradient descent with momentum; differences are
relative, by norms, the largest of any weight and of any gradient of the last step.

    python -m tests.campaign.schemes
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from examples.distributed.layers import Delayed, Gru, MinGru
from tests.distributed import test_pipeline
from tests.distributed.mixer import STEPS, Shifted, apart, trained_on_one
from tests.distributed.ranks import on_ranks
from tests.distributed.test_loop import stepping_alone, train
from tests.distributed.test_schemes import SCHEMES, every_scheme, trained
from tests.distributed.trainings import TASK
from workbench.distributed.loop import Training
from workbench.distributed.mesh import Sizes

LIMITS = {torch.float64: 1e-12, torch.float32: 1e-6}
STANDS_ON = {
    "data": "DistributedDataParallel",
    "data, sharded": "fully_shard",
    "tensor": "parallelize_module",
    "sequence": "all-gather of a DeviceMesh's group, our sequence_scan",
    "sequence by a chain": "sends of a DeviceMesh's group, our sequence_scan",
    "data × sequence": "one DeviceMesh; DistributedDataParallel, sequence_scan",
    "data × tensor": "one DeviceMesh; fully_shard, parallelize_module",
    "sequence × tensor": "one DeviceMesh; fully_shard, sequence_scan, parallelize_module",
    "data × sequence × tensor": "one DeviceMesh; all of them",
}
Row = tuple[str, int, str, float, float | None]
"""Scheme, ranks, what it stands on, and how far weights and gradients are; none where each rank has its own."""


def examples(rank: int, size: int, dtype: torch.dtype) -> list[tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]]:
    return [
        trained(Sizes(tensor=size), {}, Delayed(MinGru, dtype)),
        trained(Sizes(tensor=size), {}, Delayed(Gru, dtype)),
        trained(Sizes(sequence=size), {}, Delayed(MinGru, dtype)),
    ]


def eight(rank: int, size: int, dtype: torch.dtype) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    return trained(Sizes(2, 2, 2), {}, Shifted(dtype))


def rows(dtype: torch.dtype, folder: Path) -> Iterator[Row]:
    weights, gradients = trained_on_one(Shifted(dtype))
    for size, schemes in SCHEMES.items():
        ranks = on_ranks(size, every_scheme, dtype, folder=folder / f"schemes-{size}")
        for place, (name, _, _) in enumerate(schemes):
            off = [max(apart(rank[place][i], (weights, gradients)[i]) for rank in ranks) for i in (0, 1)]
            yield name, size, STANDS_ON[name], off[0], off[1]
    ranks = on_ranks(8, eight, dtype, folder=folder / "eight")
    off = [max(apart(rank[i], (weights, gradients)[i]) for rank in ranks) for i in (0, 1)]
    yield "data × sequence × tensor", 8, STANDS_ON["data × sequence × tensor"], off[0], off[1]
    both = on_ranks(2, test_pipeline.trained, dtype, folder=folder / "pipelines")
    for place, options in enumerate(test_pipeline.PIPELINES):
        off = [apart(both[0][place][i] | both[1][place][i], (weights, gradients)[i]) for i in (0, 1)]
        engine = "ScheduleLoopedBFS, our CarriedScan" if options["kind"] == "time" else "Schedule1F1B"
        yield f"pipeline, {options['parts']} parts of {options['kind']}", 2, engine, off[0], off[1]
    ours = on_ranks(2, examples, dtype, folder=folder / "examples")
    for place, (name, kind, engine) in enumerate(
        (
            ("tensor, gates see the input", MinGru, "parallelize_module; our kernels"),
            ("tensor, gates see the state", Gru, "parallelize_module; a gather per step of time"),
            ("sequence, kernels' scan", MinGru, "all-gather, our sequence_scan over our kernels"),
        )
    ):
        one = trained_on_one(Delayed(kind, dtype))
        off = [max(apart(rank[place][i], one[i]) for rank in ours) for i in (0, 1)]
        yield name, 2, engine, off[0], off[1]
    yield "local steps, averaged every 4", 2, "an all-reduce of weights", averaged(dtype, folder / "averaged"), None


def averaged(dtype: torch.dtype, folder: Path) -> float:
    """Against two models that step on halves of each batch and are averaged by hand."""
    task = TASK if dtype == torch.float64 else f"{TASK}_single"
    training = Training(task, str(folder / "out"), STEPS, Sizes(data=2), average_every=4)
    on_ranks(2, train, training, folder=folder, joined=False)
    return apart(torch.load(folder / "out" / "weights.pt"), stepping_alone(Shifted(dtype)))


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="schemes-") as name:
        for dtype, limit in LIMITS.items():
            title = f"{str(dtype).removeprefix('torch.')}, at most {limit:g}"
            print(f"\n| {title} | ranks | stands on | weights | gradients |\n|---|---:|---|---:|---:|", flush=True)
            for scheme, ranks, engine, weights, gradients in rows(dtype, Path(name) / title):
                missed = not max(weights, gradients or 0.0) <= limit
                wrong += missed
                of_gradients = "" if gradients is None else f"{gradients:.1e}"
                found = f"{weights:.1e} | {of_gradients}{' (missed)' if missed else ''}"
                print(f"| {scheme} | {ranks} | {engine} | {found} |", flush=True)
    print(f"\nwrong: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
