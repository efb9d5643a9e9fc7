"""What a training was: its scheme, where it ran, and what of its model passes between ranks under which scheme."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.durable import write_whole
from workbench.foreign import reading

if TYPE_CHECKING:
    from torch import Tensor, nn

FILE = "training.json"


@dataclass(frozen=True)
class Passed:
    """Bytes of a whole batch."""

    batch: int
    steps: int
    weights: int
    scans: int
    """How often the model scans over time; 0 where no module of it does by `self.scan`."""
    state: int
    """Of the state of one scan, in at least float32."""
    rows: int
    """How many layers are split by rows, each of which sums its outputs over the ranks that hold other channels."""
    row_output: int
    """Of one of those layers."""
    channels: int
    """The fewest that such a layer takes in: more ranks than that have nothing to split."""
    between: int
    """Between two stages of a pipeline."""


@dataclass(frozen=True)
class Facts:
    """As rank 0 saw them."""

    training: dict[str, Any]
    """The fields of the Training."""
    ranks: int
    device: str
    """`cpu`, or a GPU's name."""
    cores: int
    threads: int
    torch: str
    passed: Passed | None
    """None where the model was not looked at: no step was traced, or it could not be."""
    unseen: str = ""
    """Why it could not be."""

    @property
    def shares_cores(self) -> bool:
        """Ranks on one machine's CPU take memory and cores from each other: their times are not those of machines."""
        return self.device == "cpu" and self.ranks > 1

    @property
    def pipeline(self) -> tuple[int, int] | None:
        """Stages and parts."""
        return (self.ranks, int(self.training["parts"])) if self.training.get("pipeline") else None

    @property
    def scheme(self) -> str:
        """In words, such as `data 2 × sequence 2`."""
        if self.pipeline:
            return f"pipeline of {self.ranks} stages, {self.pipeline[1]} parts of {self.training['pipeline']}"
        sizes = [f"{name} {size}" for name, size in self.training["sizes"].items() if size > 1]
        return " × ".join(sizes) or "one rank"


def write(training: dict[str, Any], ranks: int, device: str, passed: Passed | None, unseen: str, folder: Path) -> None:
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    facts = Facts(
        training, ranks, name, len(os.sched_getaffinity(0)), torch.get_num_threads(), torch.__version__, passed, unseen
    )
    write_whole(folder / FILE, json.dumps(asdict(facts)).encode())


def read(folder: Path) -> Facts | None:
    """None where there is none, as beside traces of somebody else's. Raises Problem for a file that is none."""
    file = folder / FILE
    if not file.exists():
        return None
    with reading(file, "corrupt, not the facts of a training", "remove it, or train again"):
        data = json.loads(file.read_bytes())
        passed = Passed(**{name: int(value) for name, value in data["passed"].items()}) if data["passed"] else None
        training = data["training"]
        if not isinstance(training["sizes"], dict) or min(map(int, training["sizes"].values())) < 1:
            raise ValueError("sizes of a mesh are wanted")
        if int(training["parts"]) < 1 or int(training["traced_steps"]) < 0:
            raise ValueError("parts and traced steps are wanted")
        return Facts(
            training, int(data["ranks"]), str(data["device"]), int(data["cores"]), int(data["threads"]),
            str(data["torch"]), passed, str(data.get("unseen", "")),
        )  # fmt: skip


def look(model: nn.Module, inputs: Tensor) -> Passed:
    """Runs a whole model of its own forward for one sequence of the batch, on this rank alone, and notes what would
    pass."""
    import torch

    one, batch = inputs[:1], inputs.shape[0]
    states: list[int] = []
    outputs: list[tuple[int, int]] = []
    cut = getattr(model, "stages", None)
    with torch.no_grad():
        middle = cut(2)[0](one) if callable(cut) else one
        _note(model, states, outputs)
        model(one)
    return Passed(
        batch=batch, steps=inputs.shape[1], weights=sum(map(_size, model.parameters())), scans=len(states),
        state=batch * max(states, default=0), rows=len(outputs),
        row_output=batch * max((size for size, _ in outputs), default=0),
        channels=min((channels for _, channels in outputs), default=0), between=batch * _size(middle),
    )  # fmt: skip


def _note(model: nn.Module, states: list[int], outputs: list[tuple[int, int]]) -> None:
    """Every scan adds the bytes of its state, every layer that is split by rows those of its output."""

    def noting(scan: Any) -> Any:
        def noted(a: Tensor, b: Tensor, h0: Tensor) -> Any:
            states.append(h0.numel() * max(4, h0.element_size()))
            return scan(a, b, h0)

        return noted

    plan = getattr(model, "tensor_plan", None)
    styles = plan() if callable(plan) else {}
    for name, module in model.named_modules():
        if callable(getattr(module, "scan", None)):
            module.scan = noting(module.scan)
        if styles.get(name) == "rows":
            module.register_forward_hook(
                lambda _module, given, made: outputs.append((_size(made), int(given[0].shape[-1])))
            )


def _size(tensor: Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())
