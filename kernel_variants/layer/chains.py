"""A layer made of other operations' variants: their plans in turn over shared scratch, their costs added."""

from __future__ import annotations

from collections.abc import Mapping

from kernel_variants.gate import operation as gate
from kernel_variants.gate import products
from kernel_variants.gate import variants as gate_variants
from kernel_variants.gated_scan import variants as gated_scan_variants
from kernel_variants.projection import variants as projection_variants
from kernel_variants.scan import variants as scan_variants
from workbench.declare import Call, Cost, Device, Plan, Settings, Shape, Tensor, Variant, chain

LADDERS: Mapping[str, tuple[Variant, ...]] = {
    "gate": gate_variants.VARIANTS,
    "scan": scan_variants.VARIANTS,
    "gated_scan": gated_scan_variants.VARIANTS,
    "projection": projection_variants.VARIANTS,
}

SHORT, FEW = 16, 16
"""Fewest steps and states over which bf16 pre-activations hold the bound; see `averaged`."""


def part(operation: str, name: str) -> Variant:
    """The variant of another operation that a chain is made of."""
    return next(variant for variant in LADDERS[operation] if variant.name == name)


def scratch(shape: Shape) -> tuple[Tensor, ...]:
    """What passes from one operation to the next."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("a", (B, T, H), "float32", "scratch"),
        Tensor("b", (B, T, H), "float32", "scratch"),
        Tensor("kv", (B, T, 2, H), shape.dtype, "scratch"),
        Tensor("h", (B, T, H), shape.dtype, "scratch"),
    )


def averaged(shape: Shape) -> str | None:
    """Whether a chain may keep pre-activations in the shape's dtype between product and scan.

    A logit near -4 is off by up to 0.016 in bf16, and so is its sigma(k), relatively. A state averages that over 1 / z
    steps, the error of h_last over B H states; with fewer than 16 steps from no initial state, or very few states, the
    bound of 3e-3 is missed.
    """
    states = shape["B"] * shape["H"]
    if shape.dtype == "bfloat16" and (shape["T"] < SHORT or states < FEW):
        return (
            f"bf16 pre-activations hold the bound from {SHORT} steps and {FEW} states on: T={shape['T']}, B H={states}"
        )
    return None


def _product(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(products.multiply_add, ("x", "w", "bias", "kv")),))


def _product_cost(shape: Shape, settings: Settings) -> Cost:
    read = gate.input_elements(shape) + gate.weight_elements(shape)
    return Cost(
        bytes=(read + 2 * gate.elements(shape)) * shape.element_bytes,
        flops=2 * gate.elements(shape),
        matrix_flops=gate.product_flops(shape),
        launches=1,
    )


PRODUCT = Variant(
    name="product",
    operation="layer",
    devices=("cpu", "cuda"),
    idea="one library product for both pre-activations of all steps: x, w, bias → kv",
    plan=_product,
    cost=_product_cost,
    supports=averaged,
)
"""The first half of every chain with a gated scan. It is part of a layer and no way to compute one."""


def chained(
    name: str,
    parts: tuple[Variant, ...],
    between: tuple[str, ...],
    idea: str,
    factors: Mapping[str, str],
    rung: int,
    tuned: int | None = None,
) -> Variant:
    """The layer that does `parts` in turn and passes the tensors `between` from one to the next.

    Part number `tuned` lends its settings to the chain; the others keep their defaults.
    """
    settings = parts[tuned].settings if tuned is not None else {}

    def chosen(index: int, given: Settings) -> Settings:
        return {**parts[index].default_settings(), **(given if index == tuned else {})}

    def plan(shape: Shape, given: Settings) -> Plan:
        plans = [p.plan(shape, chosen(i, given)) for i, p in enumerate(parts)]
        return chain(plans, (t for t in scratch(shape) if t.name in between))

    def cost(shape: Shape, given: Settings) -> Cost:
        total = Cost(0)
        for index, p in enumerate(parts):
            total += p.cost(shape, chosen(index, given))
        return total

    def supports(shape: Shape) -> str | None:
        return next(filter(None, (p.supports(shape) for p in parts)), None)

    devices: tuple[Device, ...] = ("cpu", "cuda")
    return Variant(
        name=name,
        operation="layer",
        devices=tuple(d for d in devices if all(d in p.devices for p in parts)),
        idea=idea,
        plan=plan,
        cost=cost,
        factors=factors,
        settings=settings,
        supports=supports,
        rung=rung,
    )
