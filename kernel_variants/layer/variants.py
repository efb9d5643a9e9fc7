"""The layer's ladder: the operations' variants chained, from a launch for everything to one kernel.

Declared bytes are those of DRAM; what is small enough to stay in the L2 cache from one launch to the next (weights, a
step's intermediates, the state) counts once or not at all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernel_variants.gate import operation as gate
from kernel_variants.gate import per_step as gate_steps
from kernel_variants.gate import variants as gate_variants
from kernel_variants.layer import eager as torch_eager
from kernel_variants.layer import epilogue
from kernel_variants.layer.backward_variants import BACKWARD_VARIANTS
from kernel_variants.layer.chains import PRODUCT, chained, part, scratch
from kernel_variants.layer.operation import SCAN_FLOPS, state_bytes
from kernel_variants.layer.peers import PEER_VARIANTS
from kernel_variants.projection import variants as projection_variants
from workbench.declare import Call, Cost, Kernel, Plan, Repeat, Settings, Shape, Turn, Variant, ceil_div

HERE = Path(__file__).parent


def eager(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(torch_eager.layer, ("x", "w", "bias", "h0", "w_out", "bias_out"), ("y", "h_last")),))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """The eager gates and projection a step at a time, and a product and a sum a step for the state (6 float32 read
    or written an element, and the state itself).

    A step's tensors are small enough for the L2 cache, so DRAM may see less than this.
    """
    T, elements = shape["T"], gate.elements(shape)
    gates = gate_variants.eager_cost(shape, settings)
    state = Cost(6 * 4 * elements + state_bytes(shape), SCAN_FLOPS * elements, launches=2 * T, serial_steps=2 * T)
    projection = projection_variants.eager_cost(shape, settings)
    return replace(gates, launches=gates.launches * T) + state + replace(projection, serial_steps=0)


def state_cost(shape: Shape, moved: int) -> Cost:
    """The recurrence itself, a launch per step."""
    return Cost(moved, SCAN_FLOPS * gate.elements(shape), launches=shape["T"], serial_steps=shape["T"])


def per_step(shape: Shape, settings: Settings) -> Plan:
    """Step t: the gates' six launches, the state's, the projection's."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    block = int(settings["block"])
    arguments = ("a", "b", "h0", "h", "h_last", Turn(), B, T, H)
    grid = (ceil_div(B * H, block), 1, 1)
    state = Kernel(HERE / "10_state_step.cu", "layer_state_step", grid, (block, 1, 1), arguments)
    steps = (*gate_steps.unfused_step(shape, settings), state, projection_variants.step(shape, settings))
    between = tuple(t for t in scratch(shape) if t.name in ("a", "b", "h"))
    return Plan((Repeat(steps, T),), (*gate_steps.scratch(shape), *between))


def per_step_cost(shape: Shape, settings: Settings) -> Cost:
    """a, b and h of a step are still in the L2 cache when the next launch reads them: written to DRAM, never read."""
    hidden = gate.elements(shape) * shape.element_bytes
    projection = projection_variants.per_step_cost(shape, settings)
    return (
        gate_variants.per_step_cost(shape, settings)
        + state_cost(shape, hidden + state_bytes(shape))
        + replace(projection, bytes=projection.bytes - hidden)
    )


def per_step_fused(shape: Shape, settings: Settings) -> Plan:
    """Step t: one launch for the cell, one for the projection."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    block = int(settings["block"])
    arguments = ("x", "w", "bias", "h0", "h", "h_last", Turn(), B, T, D, H)
    grid = gate_steps.warps(B * H, block)
    cell = Kernel(HERE / "11_cell_step.cu", "layer_cell_step", grid, (block, 1, 1), arguments)
    steps = (cell, projection_variants.step(shape, settings))
    return Plan((Repeat(steps, T),), tuple(t for t in scratch(shape) if t.name == "h"))


def per_step_fused_graph(shape: Shape, settings: Settings) -> Plan:
    return replace(per_step_fused(shape, settings), graph=True)


def per_step_fused_cost(shape: Shape, settings: Settings) -> Cost:
    """As per_step, less a and b."""
    unfused, elements, T = per_step_cost(shape, settings), gate.elements(shape), shape["T"]
    return replace(
        unfused,
        bytes=unfused.bytes - 8 * elements,
        special=gate.GATE_SPECIAL * elements,
        launches=2 * T,
        serial_steps=2 * T,
    )


VARIANTS = (
    Variant(
        name="eager",
        operation="layer",
        devices=("cpu", "cuda"),
        idea="torch, a loop over time with every product inside",
        plan=eager,
        cost=eager_cost,
        factors={"gate": "eager", "scan": "serial", "projection": "per step", "source": "torch"},
        rung=0,
    ),
    Variant(
        name="per_step",
        operation="layer",
        devices=("cuda",),
        idea="the naive beginning: eight launches per step",
        plan=per_step,
        cost=per_step_cost,
        factors={"gate": "per step", "scan": "per step", "projection": "per step", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=10,
    ),
    Variant(
        name="per_step_fused",
        operation="layer",
        devices=("cuda",),
        idea="products, gates and state of a step in one launch, the projection in another",
        plan=per_step_fused,
        cost=per_step_fused_cost,
        factors={"gate": "in the cell", "scan": "per step", "projection": "per step", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=11,
    ),
    Variant(
        name="per_step_fused_graph",
        operation="layer",
        devices=("cuda",),
        idea="the same launches replayed from one CUDA graph",
        plan=per_step_fused_graph,
        cost=per_step_fused_cost,
        factors={"gate": "in the cell", "scan": "per step", "projection": "per step, graph", "source": "cuda"},
        settings={"block": (128, 256)},
        rung=12,
    ),
    chained(
        "source_final",
        (part("gate", "fused_shared"), part("scan", "blelloch"), part("projection", "per_step")),
        between=("a", "b", "h"),
        idea="where the source of this ladder ended: gates and scan batched, the projection still a launch per step",
        factors={"gate": "fused, shared", "scan": "blelloch", "projection": "per step", "source": "cuda"},
        rung=20,
    ),
    chained(
        "gates_serial",
        (part("gate", "batched"), part("scan", "serial"), part("projection", "batched")),
        between=("a", "b", "h"),
        idea="library products for all steps, gates elementwise, serial scan: 7 values per element between products",
        factors={"gate": "batched", "scan": "serial", "projection": "batched", "source": "library, cuda"},
        rung=30,
        tuned=1,
    ),
    chained(
        "gated_serial",
        (PRODUCT, part("gated_scan", "serial_gated"), part("projection", "batched")),
        between=("kv", "h"),
        idea="gates inside the serial scan: 3 values per element between products",
        factors={"gate": "in the scan", "scan": "serial", "projection": "batched", "source": "library, cuda"},
        rung=40,
        tuned=1,
    ),
    chained(
        "gated_ring",
        (PRODUCT, part("gated_scan", "ring"), part("projection", "batched")),
        between=("kv", "h"),
        idea="the same, the scan fed by an asynchronous-copy ring",
        factors={"gate": "in the scan", "scan": "ring", "projection": "batched", "source": "library, cuda"},
        rung=42,
        tuned=1,
    ),
    chained(
        "gated_look_back",
        (PRODUCT, part("gated_scan", "look_back_free"), part("projection", "batched")),
        between=("kv", "h"),
        idea="the same, time split into tiles that look back: for few channels",
        factors={"gate": "in the scan", "scan": "look-back", "projection": "batched", "source": "library, cuda"},
        rung=43,
        tuned=1,
    ),
    chained(
        "batched_streaming",
        (PRODUCT, part("gated_scan", "streaming"), part("projection", "batched")),
        between=("kv", "h"),
        idea="on a CPU: library products, and between them one pass with the gates inside",
        factors={"gate": "in the scan", "scan": "serial", "projection": "batched", "source": "library, c++"},
        rung=41,
        tuned=1,
    ),
    chained(
        "epilogue_scan",
        (epilogue.PLAIN, part("projection", "batched")),
        between=("h",),
        idea="the scan in the epilogue of the gate product: gates and pre-activations never in memory",
        factors={"gate": "in the product", "scan": "in the epilogue", "projection": "batched", "source": "cuda"},
        rung=50,
        tuned=0,
    ),
    chained(
        "epilogue_scan_tensor",
        (epilogue.TENSOR, part("projection", "batched")),
        between=("h",),
        idea="the same on the tensor cores, its steps dealt to the product's columns as the scan wants them",
        factors={
            "gate": "in the product",
            "scan": "in the epilogue",
            "projection": "batched",
            "source": "cuda, tensor",
        },
        rung=51,
        tuned=0,
    ),
    *PEER_VARIANTS,
    *BACKWARD_VARIANTS,
)
