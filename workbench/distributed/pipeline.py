"""Pipelines: layers over ranks, with parts of a batch, or blocks of time, following one another through them.

Torch's pipelining runs both. Blocks of time need two things of our own. The state at the end of a block starts the next
one in the same layer, and the gradient of that start belongs to the state that it came from: `CarriedScan` hands the
first on and puts the second in. That is only right if blocks go backward last to first, which of torch's orders
ScheduleLoopedBFS alone does; in another order the gradient is not there yet when it is needed, and the scan refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.pipelining.schedules import ScheduleLoopedBFS
from torch.profiler import record_function

from workbench.distributed.cost import Pipelined
from workbench.distributed.sequence import LocalScan
from workbench.distributed.trace import PIPELINE_PART, PIPELINE_STEP
from workbench.problem import Problem

Loss = Callable[[Tensor, Tensor], Tensor]

ORDERS: dict[str, Any] = {"1f1b": Schedule1F1B, "gpipe": ScheduleGPipe, "looped_bfs": ScheduleLoopedBFS}


AXIS = {"batch": 0, "time": 1}


def require_parts(example: Tensor, parts: int, kind: Pipelined) -> None:
    """Raises Problem where the parts do not divide what they are parts of."""
    size = example.shape[AXIS[kind]]
    if size % parts:
        what = "sequences" if kind == "batch" else "time steps"
        raise Problem(f"{size} {what} are not divided into {parts} parts: choose a divisor", exit_status=2)


def stages_of(model: nn.Module, count: int) -> list[nn.Module]:
    """The model cut into so many. Raises Problem where it cannot be."""
    cut = getattr(model, "stages", None)
    if not callable(cut):
        raise Problem(f"{type(model).__name__} has no stages(count): where it can be cut between ranks")
    stages: list[nn.Module] = cut(count)
    if len(stages) != count:
        raise Problem(f"{type(model).__name__}.stages({count}) returns {len(stages)} stages")
    bare = [number for number, stage in enumerate(stages) if not any(True for _ in stage.parameters())]
    if bare:
        raise Problem(f"stage {bare[0]} of {count} has no weights: fewer --stages, or another cut", exit_status=2)
    return stages


class Pipeline:
    """One rank's stage of a model, and the schedule that runs it with the others.

    `parts` of a batch (`batch`), or blocks of time (`time`), go through the stages; the loss of a step is the mean of
    theirs. Raises Problem where the model cannot be cut, or the parts do not divide what they are parts of.
    """

    def __init__(
        self, model: nn.Module, mesh: DeviceMesh, loss: Loss, example: Tensor, parts: int, kind: Pipelined = "batch",
        order: str = "",
    ) -> None:  # fmt: skip
        place, count = mesh.get_local_rank(), mesh.size()
        require_parts(example, parts, kind)
        axis = AXIS[kind]
        stages = stages_of(model, count)
        self.stage = cast(nn.Module, stages[place])
        self.model = model
        """The whole model, with this stage's weights alone, under their names in it."""
        self._last = place == count - 1
        self._first = place == 0
        self._time = kind == "time"
        self._device = torch.device(mesh.device_type)
        ends = _ends(stages, place, example.chunk(parts, axis)[0], time_first=self._time)
        given, made = (end.detach().to(self._device).requires_grad_(end.requires_grad) for end in ends)
        _keep(model, self.stage)
        self.stage.to(self._device)  # this stage's part of the model alone goes to a GPU
        module = self.stage
        if self._time:
            # Torch cuts along the first dimension: time comes first between stages.
            carry_states(self.stage, parts)
            module = _TimeFirst(self.stage)
        # All four are given, or torch runs the stage to see them: that would count as a block of time.
        own = _NotedStage(
            module, place, count, self._device, input_args=(given,), output_args=(made,),
            input_grads=None if self._first else (torch.zeros_like(given),),
            output_grads=None if self._last else (torch.zeros_like(made),), group=mesh.get_group(),
        )  # fmt: skip
        schedule = ORDERS[order or ("looped_bfs" if self._time else "1f1b")]
        stage = [own] if schedule is ScheduleLoopedBFS else own
        self._schedule = schedule(stage, n_microbatches=parts, loss_fn=loss)

    def step(self, inputs: Tensor, targets: Tensor) -> float | None:
        """Forward and backward of one batch, whole on the first and the last rank; its loss on the last, else None."""
        if self._time:
            inputs, targets = inputs.transpose(0, 1), targets.transpose(0, 1)
        inputs, targets = inputs.to(self._device), targets.to(self._device)
        losses: list[Tensor] = []
        given = (inputs.contiguous(),) if self._first else ()
        more: dict[str, Any] = {"target": targets.contiguous(), "losses": losses} if self._last else {}
        try:
            with record_function(PIPELINE_STEP):
                self._schedule.step(*given, **more)
        except RuntimeError as error:  # torch wraps what a stage raises
            if isinstance(error.__cause__, Problem):
                raise error.__cause__ from None
            raise
        return float(torch.stack(losses).mean().detach()) if self._last else None

    def weights(self) -> dict[str, Tensor]:
        """This stage's weights, under the whole model's names."""
        return {name: weight.detach().cpu() for name, weight in self.model.named_parameters()}


class _NotedStage(PipelineStage):  # type: ignore[misc]
    """A stage whose parts a profiler finds, without what it waits for before and after them."""

    def forward_one_chunk(self, *arguments: Any, **more: Any) -> Any:
        with record_function(PIPELINE_PART):
            return super().forward_one_chunk(*arguments, **more)

    def backward_one_chunk(self, *arguments: Any, **more: Any) -> Any:
        with record_function(PIPELINE_PART):
            return super().backward_one_chunk(*arguments, **more)


def _ends(stages: Sequence[nn.Module], place: int, part: Tensor, time_first: bool) -> tuple[Tensor, Tensor]:
    """What the stage at `place` is given and makes of one part: tensors of the right shapes that ask for gradients
    (without them none is sent back from one stage to the one before)."""
    ends = [torch.zeros_like(part)]
    with torch.no_grad():
        for stage in stages[: place + 1]:
            ends.append(stage(ends[-1]))
    if time_first:
        ends = [end.transpose(0, 1).contiguous() for end in ends]
    return ends[place].requires_grad_(place > 0), ends[place + 1].requires_grad_()


def _keep(model: nn.Module, stage: nn.Module) -> None:
    """Only what the stage holds of the model's weights and buffers: the others are other ranks'."""
    own = {id(tensor) for tensor in (*stage.parameters(), *stage.buffers())}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if id(tensor) not in own:
                    held[name] = None


class _TimeFirst(nn.Module):  # type: ignore[misc]
    """A stage whose inputs and outputs are (T, B, …)."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.stage(x.transpose(0, 1)).transpose(0, 1).contiguous())


def carry_states(stage: nn.Module, blocks: int) -> None:
    """Every scan of a stage starts a block where it ended the one before."""
    for module in stage.modules():
        if callable(getattr(module, "scan", None)):
            module.scan = CarriedScan(module.scan, blocks)


class CarriedScan:
    """A scan over blocks of one sequence, called for one after the other, with gradients from block to block."""

    def __init__(self, scan: LocalScan, blocks: int) -> None:
        self._scan = scan
        self._blocks = blocks
        self._done = 0
        self._start: Tensor | None = None

    def __call__(self, a: Tensor, b: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
        start = h0 if self._start is None else self._start
        h, last = self._scan(a, b, start)
        self._done += 1
        if self._done == self._blocks:
            self._done, self._start = 0, None
            return h, last
        # A leaf of its own: its gradient waits in it until the block that it came from goes backward.
        carried = last.detach().requires_grad_(torch.is_grad_enabled())
        self._start = carried
        return _WithCarried.apply(h, last, carried), carried.detach()


class _WithCarried(torch.autograd.Function):  # type: ignore[misc]
    """h as it is; backward, the last state gets the gradient of the block that it started."""

    @staticmethod
    def forward(context: Any, h: Tensor, last: Tensor, carried: Tensor) -> Tensor:
        context.carried = carried
        return h.view_as(h)

    @staticmethod
    def backward(context: Any, gh: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient = context.carried.grad
        if gradient is None:
            raise Problem(
                "a block of time goes backward before the one that it started: this order of the pipeline loses the "
                "gradient between blocks; use looped_bfs"
            )
        return gh, gradient, None
