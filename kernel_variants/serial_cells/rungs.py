"""The rungs of every serial cell, forward and training: torch step by step, a launch per step, the same in a CUDA
graph, blocks of time that are done again on the way back, and the library (cuDNN on a GPU, oneDNN or torch's loop on a
CPU)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from kernel_variants.gate import products
from kernel_variants.own_form import OwnForm
from kernel_variants.serial_cells import in_torch
from kernel_variants.serial_cells.cells import SerialCell
from kernel_variants.serial_cells.in_blocks import InBlocks
from kernel_variants.serial_cells.passes import OF_FIRST_STATES, elements, kept_bytes, least, training_least
from kernel_variants.serial_cells.steps import carried_back, gradient_of_state_product, step, step_back
from workbench.declare import Call, Cost, Plan, Repeat, Setting, Settings, Shape, Tensor, Turn, Variant, ceil_div

GIVEN = ("x", "w", "u", "bias")
OPERATORS = {"rnn": 3, "gru": 11, "lstm": 13}
"""Torch operators per step, the product among them, forwards; about twice as many back."""
SAVED = {"rnn": 1, "gru": 7, "lstm": 7}
"""Float32 values per element that autograd keeps of the layer step by step, beside x."""
LOST_BY_THE_LIBRARY = {"gru": "in bfloat16 on a CPU 1 - z has few digits where gates hold the state, z near 1"}
BLOCK: dict[str, tuple[Setting, ...]] = {"block": (128, 256)}
BLOCK_OF_TIME: dict[str, tuple[Setting, ...]] = {"block_of_time": (32, 256)}
IN_GRAPH = "the same launches replayed from one CUDA graph"


def _pre_activations(cell: SerialCell, shape: Shape) -> Tensor:
    return Tensor("p", (shape["B"], shape["T"], cell.gates, shape["H"]), shape.dtype, "scratch")


def per_step(cell: SerialCell, graph: bool, shape: Shape, settings: Settings) -> Plan:
    """One product for all inputs, then a launch per step."""
    steps = Repeat((step(cell, shape, settings, Turn(), (0, shape["T"]), keeps=False),), shape["T"])
    return Plan((Call(in_torch.input_product, ("x", "w", "bias", "p")), steps), (_pre_activations(cell, shape),), graph)


def per_step_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """p is written and read; U, and the step before, come from the L2 cache."""
    between = 2 * cell.gates * elements(shape) * shape.element_bytes
    once = least(cell, shape)
    return replace(once, bytes=once.bytes + between, launches=shape["T"] + 1)


def training(cell: SerialCell, graph: bool, shape: Shape, settings: Settings) -> Plan:
    """Forwards, back, then the gradients of weights and input as products over all steps."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    dq, whole = gradient_of_state_product(cell), (0, T)
    steps = (
        Call(in_torch.input_product, ("x", "w", "bias", "p")),
        Repeat((step(cell, shape, settings, Turn(), whole, keeps=True),), T),
        Call(in_torch.transposed, ("u", "columns")),
        Repeat((step_back(cell, shape, settings, Turn(T - 1, -1), whole),), T),
        Call(products.input_gradient, ("dp", "w", "dx")),
        Call(products.weight_gradient, ("dp", "x", "dw")),
        Call(in_torch.state_gradient, (dq, "h", "h0", "du")),
        Call(in_torch.bias_gradients, ("dp", dq, "dbias")),
        Call(in_torch.into_first_state, (dq, "direct", "u", "dh0")),
    )
    rows = (B, T, cell.gates, H)
    scratch = (
        _pre_activations(cell, shape),
        Tensor("kept", (B, T, cell.kept, H), "float32", "scratch"),
        Tensor("columns", (H, cell.gates, H), shape.dtype, "scratch"),
        *(Tensor(name, rows, shape.dtype, "scratch") for name in dict.fromkeys(("dp", dq))),
        carried_back(shape),
    )
    return Plan(steps, scratch, graph)


def training_cost(cell: SerialCell, shape: Shape, settings: Settings) -> Cost:
    """p written and read, the gates kept and read, dp written and read by four, h read by two; a GRU has dq as well."""
    E, size = elements(shape), shape.element_bytes
    gradients = 5 if cell.name != "gru" else 4 + 3
    between = E * (size * (2 * cell.gates + gradients * cell.gates + 2) + 4 * 2 * cell.kept)
    once = training_least(cell, shape)
    columns = 2 * cell.gates * shape["H"] ** 2 * size
    return replace(once, bytes=once.bytes + between + columns, launches=2 * shape["T"] + 8 + OF_FIRST_STATES,
                   special=once.special + cell.special_back * E,
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
    first, last, incoming, into_first = (
        tuple(name.format(state) for state in cell.states) for name in ("{}0", "{}_last", "g{}_last", "d{}0")
    )
    given, values = (*GIVEN, *first), ("h", *last)
    trained_of = (*given, "gh", *incoming)
    results = (*values, "dx", "dw", "du", "dbias", *into_first)

    def launched(plan: Callable[..., Plan], cost: Callable[..., Cost], idea: str, rung: int) -> Iterator[Variant]:
        """One by one, and out of one CUDA graph."""
        for graph, name, how in ((False, "per_step", idea), (True, "per_step_graph", IN_GRAPH)):
            yield Variant(name, cell.name, ("cuda",), how, partial(plan, cell, graph), partial(cost, cell),
                          factors={"batching": "inputs, graph" if graph else "inputs", "source": "cuda"},
                          settings=BLOCK, rung=rung)  # fmt: skip

    def in_blocks(name: str, pass_: str, idea: str, rung: int, graph: bool, at_once: bool = False) -> Variant:
        def plan(shape: Shape, settings: Settings) -> Plan:
            blocks = InBlocks(cell, shape, settings, at_once)
            return replace(blocks.training() if pass_ == "training" else blocks.forward(), graph=graph)

        def cost(shape: Shape, settings: Settings) -> Cost:
            blocks = InBlocks(cell, shape, settings, at_once)
            return blocks.training_cost() if pass_ == "training" else blocks.forward_cost()

        factors = {"batching": "inputs, graph" if graph else "inputs", "source": "cuda", "time": "blocks"}
        factors |= {"kept": "blocks"} if pass_ == "training" else {}
        return Variant(name, cell.name, ("cuda",), idea, plan, cost, factors, {**BLOCK, **BLOCK_OF_TIME}, rung=rung,
                       pass_=pass_)  # fmt: skip

    def eager(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.forward, name=cell.name), given, values),))

    def back(shape: Shape, settings: Settings) -> Plan:
        block = int(settings["block_of_time"]) if "block_of_time" in settings else None
        function = partial(in_torch.training, name=cell.name, block=block)
        return Plan((Call(function, trained_of, results),))

    def in_library(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.library_forward, layer_of=library), given, values),))

    def trained_in_library(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(in_torch.library_training, layer_of=library), trained_of, results),))

    forwards = (
        Variant("eager", cell.name, ("cpu", "cuda"), "torch: one product for all inputs, then a step at a time",
                eager, partial(eager_cost, cell), factors={"batching": "inputs", "source": "torch"}, rung=0),
        *launched(per_step, per_step_cost, "a launch per step: product with the state, gates, next state", 10),
        in_blocks("blocks_per_step", "forward", "in blocks of time: pre-activations of one block at a time", 12, False),
        in_blocks("blocks_per_step_graph", "forward", IN_GRAPH, 12, True),
        Variant("torch", cell.name, ("cpu", "cuda"), f"{kind}: cuDNN on a GPU; its weights laid out beforehand",
                in_library, partial(_library_cost, cell), factors={"source": "torch", "peer": "yes"}),
    )  # fmt: skip
    trained = (
        Variant("autograd", cell.name, ("cpu", "cuda"), "torch step by step, and its autograd",
                back, partial(autograd_cost, cell), factors={"batching": "inputs", "source": "torch"}, rung=0),
        Variant("in_blocks", cell.name, ("cpu", "cuda"), "of each block of time only its first states are kept",
                back, partial(in_blocks_cost, cell),
                factors={"batching": "inputs", "source": "torch", "kept": "blocks"},
                settings=BLOCK_OF_TIME, rung=1),
        *launched(training, training_cost, "a launch per step both ways; gradients of weights batched after", 11),
        in_blocks("blocks_per_step", "training", "only states between blocks of time kept, a block's steps done again",
                  12, False),
        in_blocks("blocks_per_step_graph", "training", IN_GRAPH, 12, True),
        in_blocks("blocks_gates_graph", "training", "a block's gates done again at once: the states are still there",
                  13, True, at_once=True),
        Variant("torch", cell.name, ("cpu", "cuda"), f"{kind} and its own way back; its weights laid out beforehand",
                trained_in_library, partial(_library_training_cost, cell), factors={"source": "torch", "peer": "yes"},
                known_loss=LOST_BY_THE_LIBRARY.get(cell.name, "")),
    )  # fmt: skip
    return *forwards, *(replace(variant, pass_="training") for variant in trained)
