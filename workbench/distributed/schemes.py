"""How a model is laid over a mesh: data parallel, sharded, tensor parallel, sequence parallel, and all of them at once.

What torch has does the work (DistributedDataParallel, fully_shard, parallelize_module); our own part is the scan over
blocks of time (sequence.py). The order matters: channels are split first, then time, and what is left whole is averaged
over the ranks that hold other data or other times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.parallel.style import ParallelStyle
from torch.nn.parallel import DistributedDataParallel

from workbench.distributed.cost import Carry
from workbench.distributed.mesh import Sizes
from workbench.distributed.sequence import LocalScan, sequence_scan
from workbench.problem import Problem

Weights = Literal["replicated", "sharded"]
STYLES: dict[str, Callable[[], ParallelStyle]] = {
    "columns": ColwiseParallel,
    "gathered columns": partial(ColwiseParallel, input_layouts=Shard(-1)),
    "rows": RowwiseParallel,
}
"""What a model's tensor_plan() says of a layer. Columns take the whole input; gathered ones put it together from all
ranks' parts, at each call: of a layer that is given the state that is in each step of time."""


def lay_out(model: nn.Module, mesh: DeviceMesh, weights: Weights = "replicated", carry: Carry = "gather") -> nn.Module:
    """The model over the mesh's dimensions data, sequence and tensor; returns what is called in its stead.

    Weights are held whole by each rank (`replicated`) or in parts over data and sequence (`sharded`). Raises Problem
    where the model lacks what a dimension of more than one rank needs.
    """
    if mesh["tensor"].size() > 1:
        split_channels(model, mesh["tensor"])
        weights = "sharded"  # DistributedDataParallel takes no weights that are split already
    if mesh["sequence"].size() > 1:
        split_time(model, mesh["sequence"], carry)
    if mesh["data"].size() * mesh["sequence"].size() == 1:
        return model
    over = cast(DeviceMesh, mesh["data", "sequence"]._flatten("data_sequence"))
    if weights == "replicated":
        return DistributedDataParallel(model, process_group=over.get_group())
    return cast(nn.Module, fully_shard(model, mesh=over))


def split_channels(model: nn.Module, mesh: DeviceMesh) -> None:
    """Tensor parallel: columns, the scan on this rank's channels alone, rows and one sum over ranks per layer."""
    plan = channel_plan(model, mesh.size())
    parallelize_module(model, mesh, {name: STYLES[style]() for name, style in plan.items()})


def channel_plan(model: nn.Module, ranks: int) -> dict[str, str]:
    """What the model's tensor_plan() says. Raises Problem where it cannot be done on so many ranks."""
    of_model = getattr(model, "tensor_plan", None)
    if not callable(of_model):
        raise Problem(f"{type(model).__name__} has no tensor_plan(): which layers are split by columns and by rows")
    plan: dict[str, str] = of_model()
    unknown = sorted({style for style in plan.values() if style not in STYLES})
    if unknown:
        words = ", ".join(map(repr, STYLES))
        raise Problem(f"tensor_plan() of {type(model).__name__}: {unknown[0]!r} is none of {words}")
    for name, style in plan.items():
        try:
            size = model.get_submodule(name).weight.shape[1 if style == "rows" else 0]
        except AttributeError:
            raise Problem(f"tensor_plan() names {name}: {type(model).__name__} has no such layer") from None
        if size % ranks:
            raise Problem(f"{size} channels of {name} are not divided by {ranks} tensor ranks: choose a divisor", 2)
    return plan


def split_time(model: nn.Module, mesh: DeviceMesh, carry: Carry) -> None:
    """Sequence parallel: every scan of the model becomes one over all ranks' blocks of time."""
    for module in scans_of(model):
        module.scan = partial(sequence_scan, group=mesh.get_group(), carry=carry, scan=partial(_states, module.scan))


def scans_of(model: nn.Module) -> list[nn.Module]:
    """The modules whose `scan` carries a state over time. Raises Problem where there is none."""
    scans = [module for module in model.modules() if callable(getattr(module, "scan", None))]
    if not scans:
        raise Problem(f"no module of {type(model).__name__} has a scan: nothing carries a state from block to block")
    return scans


def require_model(model: nn.Module, sizes: Sizes) -> None:
    """Raises Problem for a model that cannot be laid over a mesh of these sizes."""
    if sizes.tensor > 1:
        channel_plan(model, sizes.tensor)
    if sizes.sequence > 1:
        scans_of(model)


def _states(scan: LocalScan, a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """A module's own scan, for a block of time and, over flipped time, for its gradients: a kernel stays in use."""
    return scan(a, b, h0)[0]


def own_part(whole: Tensor, mesh: DeviceMesh) -> Tensor:
    """This rank's sequences and time steps of (B, T, …); ranks along `tensor` hold the same."""
    for dimension, name in ((0, "data"), (1, "sequence")):
        whole = whole.chunk(mesh[name].size(), dimension)[mesh[name].get_local_rank()]
    return whole.contiguous()


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """Every weight, put together from all ranks (a collective), by the names of the model that was laid out."""
    found = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    return {name: value.detach().cpu() for name, value in found.items() if isinstance(value, torch.Tensor)}
