"""One rank's loop, without what starts it: pipelines, local steps, checkpoints of other ranks, and ranks that hang."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.distributed.mixer import STEPS, Shifted, apart
from tests.distributed.ranks import on_ranks
from tests.distributed.trainings import TASK, difference
from workbench.distributed import checkpoint, loop
from workbench.distributed.__main__ import main
from workbench.distributed.facts import Passed
from workbench.distributed.failure import Failure, told
from workbench.distributed.loop import Training
from workbench.distributed.mesh import Sizes
from workbench.distributed.plan import recorded
from workbench.distributed.summary import summary
from workbench.distributed.timeline import carries
from workbench.distributed.trace import traces


def train(rank: int, size: int, *trainings: Training) -> None:
    for number, training in enumerate(trainings):
        os.environ["TORCHELASTIC_RESTART_COUNT"] = str(number)
        Path(training.folder).mkdir(exist_ok=True)
        loop.run(training)


@pytest.mark.thorough
def test_checkpoints_are_read_by_another_number_of_ranks(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = Training(TASK, str(out), 12, Sizes(sequence=2), weights="sharded", checkpoint_every=4, traced_steps=2)
    on_ranks(2, train, first, folder=tmp_path / "first", joined=False)
    require_seen(out)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-00000008", "step-00000012"]
    on_ranks(
        1, train, replace(first, steps=STEPS, sizes=Sizes(), traced_steps=0), folder=tmp_path / "second", joined=False
    )
    assert difference(out) < 1e-12
    assert any('"resumed_at": 12' in line for line in (out / "rank-0.jsonl").read_text().splitlines())
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-00000016", "step-00000020"]


def require_seen(out: Path) -> None:
    """What a traced training of two ranks tells of itself."""
    found = summary(out)
    assert [time.rank for time in found.times] == [0, 1]
    for time_of in found.times:
        assert 0 < time_of.exposed_s < time_of.total_s and 0 < time_of.compute_s < time_of.total_s
    assert found.links is not None and found.links.ranks == 2 and found.facts is not None
    assert all(fit.alpha_s.value > 0 or fit.beta_s.value > 0 for fit in found.links.fits.values())
    state = 4 * 8 * 8
    passed = Passed(4, 24, 2 * 8 * 166, 2, state, 2, 4 * 24 * 6 * 8, 8, 4 * 24 * 6 * 8)
    assert found.facts.passed == passed and found.facts.scheme == "sequence 2"
    taken = carries(traces(out), found.links)
    assert taken[taken["taken_in"] == "8 in steps"]["state_bytes"].tolist() == [state], "2 steps, 2 scans, both ways"
    assert recorded(out).compute_s > 0


@pytest.mark.thorough
def test_checkpoints_of_a_pipeline_hold_every_stage(tmp_path: Path) -> None:
    """Stages name their weights alike, each its own: a pipeline goes on from one, and so does a rank alone."""
    pipelined = Training(TASK, str(tmp_path / "out"), 8, pipeline="time", parts=3, checkpoint_every=4)
    on_ranks(2, train, pipelined, replace(pipelined, steps=16), folder=tmp_path / "two", joined=False)
    alone = Training(TASK, str(tmp_path / "out"), STEPS)
    on_ranks(1, train, alone, folder=tmp_path / "one", joined=False)
    assert difference(tmp_path / "out") < 1e-12
    resumed = [line for line in (tmp_path / "out" / "rank-0.jsonl").read_text().splitlines() if "resumed_at" in line]
    assert ['"resumed_at": 8' in resumed[0], '"resumed_at": 16' in resumed[1]] == [True, True]


def stepping_alone(task: Shifted) -> dict[str, Tensor]:
    """Two models on halves of each batch, averaged every four steps: by hand."""
    models = [task.model(), task.model()]
    optimizers = [task.optimizer(model.parameters()) for model in models]
    for step in range(STEPS):
        halves = zip(*(whole.chunk(2) for whole in task.batch(step)), strict=True)
        for model, optimizer, (inputs, targets) in zip(models, optimizers, halves, strict=True):
            optimizer.zero_grad()
            task.loss(model(inputs), targets).backward()
            optimizer.step()
        if (step + 1) % 4 == 0:
            with torch.no_grad():
                for ours, theirs in zip(*(model.parameters() for model in models), strict=True):
                    mean = (ours + theirs) / 2
                    ours.copy_(mean)
                    theirs.copy_(mean)
    return {name: value.detach() for name, value in models[0].state_dict().items()}


@pytest.mark.thorough
def test_ranks_that_step_for_themselves_go_on_from_what_each_had(tmp_path: Path) -> None:
    """Between two averages every rank has weights of its own, and always what its optimiser holds."""
    training = Training(TASK, str(tmp_path / "out"), 6, Sizes(data=2), average_every=4, checkpoint_every=6)
    on_ranks(2, train, training, replace(training, steps=STEPS), folder=tmp_path / "ranks", joined=False)
    assert apart(torch.load(tmp_path / "out" / "weights.pt"), stepping_alone(Shifted())) < 1e-12


def test_what_a_lost_rank_left_half_written_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "out"
    half = out / "checkpoints" / ".part-step-00000003"
    half.mkdir(parents=True)
    (half / "__0_0.distcp").write_bytes(b"half")
    assert checkpoint.newest(out / "checkpoints") is None
    training = Training(TASK, str(out), 4, checkpoint_every=4)
    on_ranks(1, train, training, folder=tmp_path / "ranks", joined=False)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000004"]


def hanging(rank: int, size: int, training: Training) -> None:
    """Rank 1 hangs at step 3, for as long as the others wait for it; they fail as ranks do that somebody started."""
    others = [Path(training.folder) / f"failed-{other}.json" for other in range(size) if other != 1]

    class Hanging(Shifted):
        def batch(self, step: int) -> tuple[Tensor, Tensor]:
            while rank == 1 and step == 3 and not all(file.is_file() for file in others):
                time.sleep(0.05)
            return super().batch(step)

    Path(training.folder).mkdir(exist_ok=True)
    loop.load_task = lambda _: Hanging()  # type: ignore[assignment, return-value]
    try:
        loop.run(training)
    except Exception as error:
        if rank != 1:
            Failure.of(error, rank).write(training.folder)


@pytest.mark.parametrize(
    ("sizes", "place"),
    [
        (Sizes(data=2), "backward of step 3"),
        pytest.param(Sizes(data=2, sequence=2), "all_gather_into_tensor of step 3", marks=pytest.mark.thorough),
    ],
)
def test_a_rank_that_hangs_is_named_with_what_was_waited_for(sizes: Sizes, place: str, tmp_path: Path) -> None:
    training = Training(TASK, str(tmp_path / "out"), STEPS, sizes, timeout_s=5.0)
    on_ranks(sizes.ranks, hanging, training, folder=tmp_path / "ranks", joined=False)
    failures = Failure.all_of(training.folder)
    assert [failure.rank for failure in failures] == [0, *range(2, sizes.ranks)]
    line = told(failures, sizes.ranks, tmp_path / "log")
    assert line.startswith(f"rank 1 did not come: rank 0 waited in {place}: RuntimeError: ")
    assert line.count("\n") == 0


def failing(rank: int, size: int, training: Training) -> int:
    Path(training.folder).mkdir()
    os.environ["FAIL_AT"] = "0:3"
    sys.argv = ["workbench.distributed", training.as_json()]
    return main()


def test_an_error_of_a_rank_is_told_with_its_rank(tmp_path: Path) -> None:
    training = Training(TASK, str(tmp_path / "out"), STEPS)
    assert on_ranks(1, failing, training, folder=tmp_path / "ranks", joined=False) == [1]
    line = told(Failure.all_of(training.folder), 1, tmp_path / "log")
    assert line == f"rank 0: RuntimeError: planted at step 3 (all that the ranks wrote: {tmp_path / 'log'})"
