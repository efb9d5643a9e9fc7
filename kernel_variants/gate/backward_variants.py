"""The gate's backward ladder: autograd, the chain rule in torch, and a kernel before two library products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernel_variants.gate import eager, products
from kernel_variants.gate.backward import cost, moved_bytes
from kernel_variants.gate.inputs import elements, input_elements
from workbench.declare import Call, Clear, Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div

HERE = Path(__file__).parent
NAMES, RESULTS = ("x", "w", "kv", "da", "db"), ("dx", "dw", "dbias")
PRODUCTS = (
    Call(products.input_gradient, ("dkv", "w", "dx")),
    Call(products.weight_gradient, ("dkv", "x", "dw")),
)
SUM = Call(products.bias_gradient, ("dkv", "dbias"))
"""What a layer's chain ends with as well: dkv, x, w → dx, dw, dbias."""
LANES, TOTAL_BLOCK = 32, 128


def autograd(x: Any, w: Any, kv: Any, da: Any, db: Any) -> tuple[Any, Any, Any]:
    """Forward again from x, and back. What the bias was follows from kv, at one step."""
    import torch

    leaves = [products.widened(x).float(), products.widened(w).float(), torch.zeros(w.shape[:2], device=x.device)]
    leaf_x, leaf_w, offset = (leaf.detach().requires_grad_() for leaf in leaves)
    with torch.enable_grad():
        made = torch.nn.functional.linear(leaf_x, leaf_w.flatten(0, 1)).view(kv.shape)
        moved = made + (kv - made).detach() + offset
        k, v = moved[:, :, 0], moved[:, :, 1]
        outputs = torch.sigmoid(-k), torch.sigmoid(k) * eager.candidate(v)
    dx, dw, dbias = torch.autograd.grad(outputs, (leaf_x, leaf_w, offset), (da, db))
    return dx.to(x.dtype), dw, dbias


def chain_rule(x: Any, w: Any, kv: Any, da: Any, db: Any) -> tuple[Any, Any, Any]:
    """An operation at a time over (B, T, H), then three products and sums."""
    import torch

    k, v = kv[:, :, 0], kv[:, :, 1]
    z, a, below = torch.sigmoid(k), torch.sigmoid(-k), torch.sigmoid(v)
    dk = (db * torch.where(v >= 0, v + 0.5, below) - da) * z * a
    dv = db * z * torch.where(v >= 0, torch.ones_like(v), below * torch.sigmoid(-v))
    dkv = torch.stack((dk, dv), dim=2)
    rows, columns = dkv.view(-1, 2 * k.shape[-1]), w.flatten(0, 1).float()
    flat = x.reshape(-1, x.shape[-1]).float()
    dw = (rows.T @ flat).view(w.shape)
    return (rows @ columns).view(x.shape).to(x.dtype), dw, rows.sum(0).view(w.shape[:2])


def _pointwise(shape: Shape) -> int:
    """Bytes of the chain rule in torch: four sigmas, two choices, eight products and sums, the stack; float32."""
    return elements(shape) * (8 * 5 + 2 * (12 + 1 + 5) + 8 * 12 + 16)


def chain_rule_cost(shape: Shape, settings: Settings) -> Cost:
    """dkv in float32 read by two products and a sum."""
    widen = 0 if shape.dtype == "float32" else 2 * input_elements(shape) * (shape.element_bytes + 4)
    moved = moved_bytes(shape) + _pointwise(shape) + 3 * 8 * elements(shape) + widen
    return cost(shape, moved, 22, special=8)


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """The product again, what is added to it, the gates, and about twice as much back."""
    forward = 4 * input_elements(shape) + (6 * 8 + 70) * elements(shape)
    once = chain_rule_cost(shape, settings)
    return Cost(
        once.bytes + forward, once.flops, once.matrix_flops * 3 // 2, once.special, 40, kept_bytes=once.kept_bytes
    )


def _dkv(shape: Shape) -> Tensor:
    return Tensor("dkv", (shape["B"], shape["T"], 2, shape["H"]), shape.dtype, "scratch")


def batched(shape: Shape, settings: Settings) -> Plan:
    rows, H, block = shape["B"] * shape["T"], shape["H"], int(settings["block"])
    grid = (ceil_div(rows * H, block), 1, 1)
    arguments = ("kv", "da", "db", "dkv", rows, H)
    gates = Kernel(HERE / "40_gates_backward.cu", "gate_backward", grid, (block, 1, 1), arguments)
    return Plan((gates, *PRODUCTS, SUM), (_dkv(shape),))


def batched_cost(shape: Shape, settings: Settings) -> Cost:
    """dkv written, read by two products and by the sum."""
    return cost(shape, moved_bytes(shape) + 4 * 2 * elements(shape) * shape.element_bytes, 4)


def bias_sums(shape: Shape, settings: Settings) -> Plan:
    rows, H, of_block = shape["B"] * shape["T"], shape["H"], int(settings["rows"])
    parts = ceil_div(rows, of_block)
    source, grid = HERE / "41_bias_sums.cu", (ceil_div(H, LANES), parts, 1)
    arguments = ("kv", "da", "db", "dkv", "sums", rows, H)
    gates = Kernel(source, "gate_backward_sums", grid, (LANES, 4, 1), arguments, defines=(("ROWS", of_block),))
    total = bias_total("sums", "dbias", parts, 2 * H)
    sums = Tensor("sums", (parts, 2, H), "float32", "scratch")
    return Plan((gates, total, *PRODUCTS), (_dkv(shape), sums))


def bias_total(sums: str, total: str, parts: int, count: int) -> Kernel:
    """The second stage: `count` sums of `parts` each."""
    grid = (ceil_div(count, TOTAL_BLOCK), 1, 1)
    return Kernel(HERE / "41_bias_sums.cu", "bias_total", grid, (TOTAL_BLOCK, 1, 1), (sums, total, parts, count))


def bias_sums_cost(shape: Shape, settings: Settings) -> Cost:
    """dkv written and read by two products; the blocks' sums written and read."""
    parts = ceil_div(shape["B"] * shape["T"], int(settings["rows"]))
    moved = moved_bytes(shape) + 3 * 2 * elements(shape) * shape.element_bytes
    return cost(shape, moved + 2 * 4 * parts * 2 * shape["H"], 4)


def bias_atomics(shape: Shape, settings: Settings) -> Plan:
    rows, H, of_block = shape["B"] * shape["T"], shape["H"], int(settings["rows"])
    source, grid = HERE / "41_bias_sums.cu", (ceil_div(H, LANES), ceil_div(rows, of_block), 1)
    arguments = ("kv", "da", "db", "dkv", "dbias", rows, H)
    defines = (("ROWS", of_block), ("ATOMICS", 1))
    gates = Kernel(source, "gate_backward_sums", grid, (LANES, 4, 1), arguments, defines=defines)
    return Plan((Clear("dbias"), gates, *PRODUCTS), (_dkv(shape),))


def bias_atomics_cost(shape: Shape, settings: Settings) -> Cost:
    """The bias's sums stay in the L2 cache, where they are added to."""
    moved = moved_bytes(shape) + 3 * 2 * elements(shape) * shape.element_bytes
    return cost(shape, moved + 4 * 2 * shape["H"], 4)


GRID_LIMIT = 65535


def few_rows(shape: Shape) -> str | None:
    """Blocks of 32 rows, at the least, lie along a grid's y."""
    most = GRID_LIMIT * 32
    rows = shape["B"] * shape["T"]
    return f"B T = {rows} is over the {most} steps whose blocks fit a grid" if rows > most else None


def _variant(name: str, idea: str, plan: Any, cost: Any, rung: int, **more: Any) -> Variant:
    return Variant(name, "gate", more.pop("devices", ("cuda",)), idea, plan, cost, rung=rung, pass_="backward", **more)


def _in_torch(function: Any) -> Any:
    return lambda shape, settings: Plan((Call(function, NAMES, RESULTS),))


ANY = ("cpu", "cuda")
BACKWARD_VARIANTS = (
    _variant(
        "autograd", "torch's autograd: forward again, and back", _in_torch(autograd), autograd_cost, 0, devices=ANY,
        factors={"fusion": "none", "batching": "all steps", "source": "torch"},
    ),
    _variant(
        "eager", "torch: the chain rule written out", _in_torch(chain_rule), chain_rule_cost, 1, devices=ANY,
        factors={"fusion": "none", "batching": "all steps", "source": "torch"},
    ),
    _variant(
        "batched", "the gates' gradients in one kernel, library products, the bias's sum", batched, batched_cost, 40,
        factors={"fusion": "elementwise", "batching": "all steps", "source": "library, cuda", "bias": "sum apart"},
        settings={"block": (256, 128)},
    ),
    _variant(
        "bias_in_registers", "the bias summed on the way, in two stages", bias_sums, bias_sums_cost, 41,
        factors={"fusion": "elementwise", "batching": "all steps", "source": "library, cuda", "bias": "two stages"},
        settings={"rows": (64, 32, 256)}, supports=few_rows,
    ),
    _variant(
        "bias_atomics", "the bias summed on the way, by atomic additions", bias_atomics, bias_atomics_cost, 42,
        factors={"fusion": "elementwise", "batching": "all steps", "source": "library, cuda", "bias": "atomics"},
        settings={"rows": (64, 32, 256)}, supports=few_rows,
    ),
)  # fmt: skip
