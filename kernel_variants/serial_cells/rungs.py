"""The rungs of every serial cell, forward and training: torch step by step, a launch per step, the same in a CUDA
graph, blocks of time that are done again on the way back, and the library (cuDNN on a GPU, oneDNN or torch's loop on a
CPU)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernel_variants.gate import products
from kernel_variants.own_form import OwnForm
from kernel_variants.serial_cells import in_torch
from kernel_variants.serial_cells.cells import SerialCell
from kernel_variants.serial_cells.passes import elements, kept_bytes, least, training_least
from workbench.declare import At, Call, Cost, Kernel, Plan, Repeat, Settings, Shape, Tensor, Turn, Variant, ceil_div

HERE = Path(__file__).parent
GIVEN, RESULTS = ("x", "w", "u", "bias"), ("h", "dx", "dw", "du", "dbias")
LANES = 32
OPERATORS = {"rnn": 3, "gru": 13, "lstm": 13}
"""Torch operators per step, the product among them, forwards; about twice as many back."""
SAVED = {"rnn": 1, "gru": 8, "lstm": 7}
"""Float32 values per element that autograd keeps of the layer step by step, beside x."""


def _step(cell: SerialCell, shape: Shape, settings: Settings, keeps: bool) -> Kernel:
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    offset = At("bias", cell.gates * H)
    arguments = ("p", "u", offset, "h", "inner", "kept" if keeps else None, Turn(), B, T, H)
    grid = (ceil_div(B * H, block // LANES), 1, 1)
    return Kernel(HERE / "10_step.cu", "serial_cell_step", grid, (block, 1, 1), arguments,
                  defines=(("CELL", cell.gates),))  # fmt: skip


def _scratch(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("p", (B, T, cell.gates, H), shape.dtype, "scratch"),
        Tensor("inner", (B, H), "float32", "scratch"),
    )


def per_step(cell: SerialCell, graph: bool, shape: Shape, settings: Settings) -> Plan:
    """One product for all inputs, then a launch per step."""
    steps = Repeat((_step(cell, shape, settings, keeps=False),), shape["T"])
    return Plan((Call(in_torch.input_product, ("x", "w", "bias", "p")), steps), _scratch(cell, shape), graph)


def per_step_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """p is written and read; U, and the step before, come from the L2 cache."""
    between = 2 * cell.gates * elements(shape) * shape.element_bytes
    once = least(cell, shape)
    return replace(once, bytes=once.bytes + between, launches=shape["T"] + 1)


def training(cell: SerialCell, graph: bool, shape: Shape, settings: Settings) -> Plan:
    """Forwards, back, then the gradients of weights and input as products over all steps."""
    B, T, H, block = shape["B"], shape["T"], shape["H"], int(settings["block"])
    dq = "dq" if cell.name == "gru" else "dp"
    arguments = ("gh", "columns", "h", "kept", "dp", dq, "direct", "inner", Turn(T - 1, -1), B, T, H)
    back = Kernel(HERE / "11_step_back.cu", "serial_cell_step_back", (ceil_div(B * H, block // LANES), 1, 1),
                  (block, 1, 1), arguments, defines=(("CELL", cell.gates),))  # fmt: skip
    steps = (
        Call(in_torch.input_product, ("x", "w", "bias", "p")),
        Repeat((_step(cell, shape, settings, keeps=True),), T),
        Call(in_torch.transposed, ("u", "columns")),
        Repeat((back,), T),
        Call(products.input_gradient, ("dp", "w", "dx")),
        Call(products.weight_gradient, ("dp", "x", "dw")),
        Call(in_torch.state_gradient, (dq, "h", "du")),
        Call(in_torch.bias_gradients, ("dp", dq, "dbias")),
    )
    rows = (B, T, cell.gates, H)
    scratch = (
        *_scratch(cell, shape),
        Tensor("kept", (B, T, cell.kept, H), "float32", "scratch"),
        Tensor("columns", (H, cell.gates, H), shape.dtype, "scratch"),
        *(Tensor(name, rows, shape.dtype, "scratch") for name in dict.fromkeys(("dp", dq))),
        Tensor("direct", (B, H), "float32", "scratch"),
    )
    return Plan(steps, scratch, graph)


def training_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """p written and read, the gates kept and read, dp written and read by four, h read by two; a GRU has dq as well."""
    E, size = elements(shape), shape.element_bytes
    gradients = 5 if cell.name != "gru" else 4 + 3
    between = E * (size * (2 * cell.gates + gradients * cell.gates + 2) + 4 * 2 * cell.kept)
    once = training_least(cell, shape)
    columns = 2 * cell.gates * shape["H"] ** 2 * size
    return replace(once, bytes=once.bytes + between + columns, launches=2 * shape["T"] + 8,
                   kept_bytes=_input_bytes(shape) + kept_bytes(cell, shape))  # fmt: skip


def _input_bytes(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["D"] * shape.element_bytes


def eager_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """Float32 between the operators of a step, each of which reads two and writes one; bf16 is widened first."""
    once, count = least(cell, shape), OPERATORS[cell.name]
    moved = 4 * elements(shape) * (3 * count + 2 * cell.gates)
    return replace(once, bytes=once.bytes + moved, launches=count * shape["T"] + 1)


def autograd_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    once, forward = training_least(cell, shape), eager_cost(cell, shape, settings)
    kept = 4 * (shape["B"] * shape["T"] * shape["D"] + SAVED[cell.name] * elements(shape))
    return replace(once, bytes=once.bytes + 3 * forward.bytes, launches=3 * forward.launches, kept_bytes=kept)


def in_blocks_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """Forwards twice. Kept: x and p, both states at the beginning of each block, and one block's steps."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    block = min(T, int(settings["block_of_time"]))
    once, forward = autograd_cost(cell, shape, settings), eager_cost(cell, shape, settings)
    kept = 4 * B * (T * (D + cell.gates * H) + 2 * H * ceil_div(T, block) + block * SAVED[cell.name] * H)
    recurrent = 2 * cell.gates * H * H * B * T
    return replace(
        once, bytes=once.bytes + forward.bytes, launches=once.launches + forward.launches, kept_bytes=kept,
        matrix_flops=once.matrix_flops + recurrent, serial_steps=3 * T,
    )  # fmt: skip


def _library_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    return least(cell, shape)


def _library_training_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    return training_least(cell, shape)


def variants(cell: SerialCell) -> tuple[Variant, ...]:
    library = OwnForm(partial(in_torch.module, kind=cell.name.upper()))
    kind = f"torch.nn.{cell.name.upper()}"

    def launched(plan: Callable[..., Plan], cost: Callable[..., Cost], idea: str, rung: int) -> Iterator[Variant]:
        """One by one, and out of one CUDA graph."""
        in_graph = "the same launches replayed from one CUDA graph"
        for graph, name, how in ((False, "per_step", idea), (True, "per_step_graph", in_graph)):
            yield Variant(name, cell.name, ("cuda",), how, partial(plan, cell, graph), partial(cost, cell),
                          factors={"batching": "inputs, graph" if graph else "inputs", "source": "cuda"},
                          settings={"block": (128, 256)}, rung=rung)  # fmt: skip

    def eager(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.forward, name=cell.name), GIVEN, ("h",)),))

    def back(shape: Shape, settings: Settings) -> Plan:
        block = int(settings["block_of_time"]) if "block_of_time" in settings else None
        function = partial(in_torch.training, name=cell.name, block=block)
        return Plan((Call(function, (*GIVEN, "gh"), RESULTS),))

    def in_library(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.library_forward, layer_of=library), GIVEN, ("h",)),))

    def trained_in_library(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.library_training, layer_of=library), (*GIVEN, "gh"), RESULTS),))

    forward = (
        Variant("eager", cell.name, ("cpu", "cuda"), "torch: one product for all inputs, then a step at a time",
                eager, partial(eager_cost, cell), factors={"batching": "inputs", "source": "torch"}, rung=0),
        *launched(per_step, per_step_cost, "a launch per step: product with the state, gates, next state", 10),
        Variant("torch", cell.name, ("cpu", "cuda"), f"{kind}: cuDNN on a GPU; its weights laid out beforehand",
                in_library, partial(_library_cost, cell), factors={"source": "torch", "peer": "yes"}),
    )  # fmt: skip
    trained = (
        Variant("autograd", cell.name, ("cpu", "cuda"), "torch step by step, and its autograd",
                back, partial(autograd_cost, cell), factors={"batching": "inputs", "source": "torch"}, rung=0),
        Variant("in_blocks", cell.name, ("cpu", "cuda"), "of each block of time only its first states are kept",
                back, partial(in_blocks_cost, cell),
                factors={"batching": "inputs", "source": "torch", "kept": "blocks"},
                settings={"block_of_time": (64, 256)}, rung=1),
        *launched(training, training_cost, "a launch per step both ways; gradients of weights batched after", 11),
        Variant("torch", cell.name, ("cpu", "cuda"), f"{kind} and its own way back; its weights laid out beforehand",
                trained_in_library, partial(_library_training_cost, cell), factors={"source": "torch", "peer": "yes"}),
    )  # fmt: skip
    return *forward, *(replace(variant, pass_="training") for variant in trained)
