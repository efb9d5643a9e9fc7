"""Whole layers of cells whose gates see the input alone: what makes pre-activations for all steps, around the rungs of
the cell's own scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kernel_variants.placed import with_own_scratch
from workbench.declare import Cost, Plan, Settings, Shape, Step, Tensor, Variant, chain


@dataclass(frozen=True)
class AroundScan:
    """A layer's products. Tensors have the names that the scan knows: pre, dpre, its states."""

    operation: str
    scanned: Callable[[Shape], Shape]
    """The layer's shape → that of its scan."""
    there: tuple[Step, ...]
    """What the layer is given → pre."""
    back: tuple[Step, ...]
    """dpre → the gradients of what the layer is given."""
    there_cost: Callable[[Shape], Cost]
    back_cost: Callable[[Shape], Cost]
    between: Callable[[Shape, bool], tuple[Tensor, ...]]
    """pre, the states that are not handed over, and in training dpre."""
    kept_bytes: Callable[[Shape], int]

    def forward(self, scan: Variant) -> Variant:
        """The products, and a rung of the scan."""

        def plan(shape: Shape, settings: Settings) -> Plan:
            return chain((Plan(self.there), scan.plan(self.scanned(shape), settings)), self.between(shape, False))

        return replace(
            scan,
            operation=self.operation,
            idea=f"one product, then the scan: {scan.idea}",
            plan=plan,
            cost=lambda shape, settings: self.there_cost(shape) + scan.cost(self.scanned(shape), settings),
            supports=lambda shape: scan.supports(self.scanned(shape)),
        )

    def training(self, there: Variant, back: Variant) -> Variant:
        """Forwards, the scan's way back, and the products' gradients; pre and states stay in between."""

        def plan(shape: Shape, settings: Settings) -> Plan:
            own = self.scanned(shape)
            plans = (
                with_own_scratch(there.plan(own, there.default_settings()), "there"),
                back.plan(own, settings),
                Plan(self.back),
            )
            return chain((Plan(self.there), *plans), self.between(shape, True))

        def cost(shape: Shape, settings: Settings) -> Cost:
            own = self.scanned(shape)
            both = there.cost(own, there.default_settings()) + back.cost(own, settings)
            return replace(self.there_cost(shape) + both + self.back_cost(shape), kept_bytes=self.kept_bytes(shape))

        return replace(
            back,
            operation=self.operation,
            pass_="training",
            idea=f"products, and the scan both ways: {back.idea}",
            plan=plan,
            cost=cost,
            supports=lambda shape: there.supports(self.scanned(shape)) or back.supports(self.scanned(shape)),
        )
