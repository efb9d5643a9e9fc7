"""Whole layers out of two operations, the products over a window of inputs (qrnn_window; a window of 1 is one product)
and a cell's scan: their tensors, references and rungs are those of both, one after the other.

    pre = bias + sum over j < window of W_j x_{t-j}        h, last = the cell's scan of pre, from its first state
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernel_variants import equations
from kernel_variants.around_scan import AroundScan
from kernel_variants.gate import products
from kernel_variants.layer.backward import THROUGH_ROUNDED_GATES
from kernel_variants.qrnn_window import operation as window
from kernel_variants.qrnn_window import variants as window_variants
from workbench.declare import Arrays, Call, Cost, Device, Operation, Pass, Plan, Settings, Shape, Tensor, Variant

VALUES_IN_BF16, STATES_GRADIENT_IN_BF16 = 3e-3, 4e-3
"""As those of a minGRU layer: half a unit of the last place of bf16 is 2e-3 at most, and pre-activations are rounded to
it on the way. A state averages over those, and is float32."""
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
WINDOW = {(v.pass_, v.name): v for v in window_variants.VARIANTS}
FACTORS = {"algorithm": "serial", "source": "torch", "fusion": "none"}
GIVEN, GRADIENTS = ("x", "w", "bias"), ("dx", "dw", "dbias")
ONE_PRODUCT_BACK = (
    Call(products.input_gradient, ("dpre", "w", "dx")),
    Call(products.weight_gradient, ("dpre", "x", "dw")),
    Call(products.bias_gradient, ("dpre", "dbias")),
)


@dataclass(frozen=True)
class ProductAndScan:
    """A layer of a cell. Its axes are B, T, D, H, and `window` where the cell's layer has one."""

    name: str
    title: str
    equation: str
    scan: Operation
    """Of pre (B, T, rows, H) and a state (B, H) makes h, the last state and perhaps states of all steps."""
    rungs: tuple[Variant, ...]
    """Of the scan, forwards and backwards."""
    state: str
    """The name of a state: `h` of h0 and h_last."""
    rows: int
    decay: int
    """The row of pre whose logit, low, makes memory long."""
    eager: Callable[[Any, Any], tuple[Any, Any]]
    """pre, first state → h, last state, both float32, in torch."""
    has_window: bool = False
    candidate: int | None = None
    """The row of pre that goes through minGRU's g, which has a kink."""

    # ----------------------------------------------------------------------------------------- what is computed

    def of_window(self, shape: Shape) -> Shape:
        sizes = {axis: shape[axis] for axis in "BTDH"}
        return Shape.of(shape.dtype, **sizes, window=shape["window"] if self.has_window else 1, rows=self.rows)

    def of_scan(self, shape: Shape) -> Shape:
        rows = {"rows": self.rows} if "rows" in self.scan.axes else {}
        return Shape.of(shape.dtype, **{axis: shape[axis] for axis in "BTH"}, **rows)

    def _first(self, shape: Shape) -> Tensor:
        return next(t for t in self.scan.tensors(self.of_scan(shape)) if t.name == f"{self.state}0")

    def _values(self, shape: Shape) -> tuple[Tensor, ...]:
        made = self.scan.tensors(self.of_scan(shape))
        return tuple(t for t in made if t.name in ("h", f"{self.state}_last"))

    def given(self, shape: Shape) -> tuple[Tensor, ...]:
        x, w, bias, _ = window.tensors(self.of_window(shape))
        first = replace(self._first(shape), optional=False)
        return x, replace(w, role="parameter"), replace(bias, role="parameter"), first

    def tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        return *self.given(shape), *self._values(shape)

    def training_tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        """Also what the loss says of h and of the last state, and the gradients of all that is given."""
        x, w, bias, first = self.given(shape)
        values = self._values(shape)
        incoming = (replace(value, name=f"g{value.name}", role="input") for value in values)
        sums = (replace(t, name=f"d{t.name}", dtype="float32", role="output") for t in (w, bias))
        others = (replace(t, name=f"d{t.name}", role="output") for t in (x, first))
        return *self.given(shape), *incoming, *values, *sums, *others

    def make_inputs(self, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
        """Pre-activations of about N(0, 1); slow: the logit of what comes in about -4."""
        made = dict(window.make_inputs(self.of_window(shape), "normal", random))
        if regime == "slow":
            made["bias"][self.decay] -= 4.0
        first = self._first(shape)
        return {**made, first.name: random.standard_normal(first.shape, dtype=np.float32)}

    def make_training_inputs(self, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
        made = dict(self.make_inputs(shape, regime, random))
        if (row := self.candidate) is not None:
            made["x"] = equations.clear_of_the_kink(made["x"], made["w"][0, row], made["bias"][row])
        incoming = {f"g{t.name}": random.standard_normal(t.shape, dtype=np.float32) for t in self._values(shape)}
        return made | incoming

    def _pre(self, shape: Shape, inputs: Arrays) -> dict[str, Any]:
        """What the scan is given."""
        pre = window.reference(self.of_window(shape), inputs)["pre"]
        return {"pre": pre, f"{self.state}0": inputs[f"{self.state}0"]}

    def reference(self, shape: Shape, inputs: Arrays) -> Arrays:
        found = self.scan.reference(self.of_scan(shape), self._pre(shape, inputs))
        return {t.name: found[t.name] for t in self._values(shape)}

    def training_reference(self, shape: Shape, inputs: Arrays) -> Arrays:
        (back,) = self.scan.passes
        incoming = {f"g{t.name}": inputs[f"g{t.name}"] for t in self._values(shape)}
        of_scan = back.reference(self.of_scan(shape), {**self._pre(shape, inputs), **incoming})
        given = {"x": inputs["x"], "w": inputs["w"], "dpre": of_scan["dpre"]}
        of_window = window.reference_backward(self.of_window(shape), given)
        first = f"d{self.state}0"
        return {**self.reference(shape, inputs), **of_window, first: of_scan[first]}

    def least(self, shape: Shape) -> Cost:
        own, scan = window.least(self.of_window(shape)), self.scan.least(self.of_scan(shape))
        moved = sum(t.nbytes for t in self.tensors(shape))
        return Cost(moved, own.flops + scan.flops, own.matrix_flops, scan.special, launches=1)

    def training_least(self, shape: Shape) -> Cost:
        there, back = self.least(shape), self.scan.passes[0].least(self.of_scan(shape))
        moved = sum(t.nbytes for t in self.training_tensors(shape))
        flops, kept = there.flops + back.flops, self.kept_bytes(shape)
        return Cost(moved, flops, 3 * there.matrix_flops, back.special, launches=1, kept_bytes=kept)

    def kept_bytes(self, shape: Shape) -> int:
        """x, and what the scan's backward pass reads of the forward one."""
        x = self.given(shape)[0].nbytes
        return x + sum(t.nbytes for t in self._saved(shape))

    def _saved(self, shape: Shape) -> tuple[Tensor, ...]:
        made = self.scan.passes[0].tensors(self.of_scan(shape))
        return tuple(t for t in made if t.role == "saved")

    def operation(self, sizes: dict[str, int], small: dict[str, int]) -> Operation:
        return Operation(
            name=self.name,
            title=self.title,
            equation=self.equation,
            axes=sizes,
            small=small,
            presets={"quick": ()},  # the budget of minGRU's ladder
            tensors=self.tensors,
            make_inputs=self.make_inputs,
            reference=self.reference,
            least=self.least,
            baseline="eager",
            tolerance={"float32": 2e-6, "bfloat16": VALUES_IN_BF16},
            regimes=("normal", "slow"),
            depth=lambda shape: shape["T"],
            passes=(
                Pass(
                    name="training",
                    equation=f"h, {self.state}_last and the gradients of x, W, bias, {self.state}_0",
                    tensors=self.training_tensors,
                    make_inputs=self.make_training_inputs,
                    reference=self.training_reference,
                    least=self.training_least,
                    baseline="autograd",
                    tolerance={"float32": 5e-6, "bfloat16": self._training_tolerance()},
                    depth=lambda shape: 2 * shape["T"],
                ),
            ),
        )

    def _training_tolerance(self) -> dict[str, float]:
        return {
            **dict.fromkeys(("h", f"{self.state}_last"), VALUES_IN_BF16),
            **dict.fromkeys(GRADIENTS, THROUGH_ROUNDED_GATES),
            f"d{self.state}0": STATES_GRADIENT_IN_BF16,
        }

    # ------------------------------------------------------------------------------------------ how: the rungs

    def _between(self, shape: Shape, trained: bool) -> tuple[Tensor, ...]:
        handed = {t.name for t in self._values(shape)}
        held = [*self._saved(shape)]
        pre = next(t for t in held if t.name == "pre")
        held += [replace(pre, name="dpre")] * trained
        return tuple(replace(t, role="scratch") for t in held if t.name not in handed)

    def _there_cost(self, shape: Shape) -> Cost:
        return WINDOW["forward", "shifted"].cost(self.of_window(shape), {})

    def _back_cost(self, shape: Shape) -> Cost:
        own = self.of_window(shape)
        if self.has_window:
            return WINDOW["backward", "shifted"].cost(own, {})
        more = 2 * window.pre_elements(own) * own.element_bytes  # dpre by two products and the sum
        return window.least_backward(own) + Cost(more, flops=window.pre_elements(own), launches=2)

    def around(self) -> AroundScan:
        shifted = (Call(window_variants.shifted, (*GIVEN, "pre")),)
        shifted_back = (Call(window_variants.shifted_backward, ("x", "w", "dpre", *GRADIENTS)),)
        one = (Call(products.multiply_add, (*GIVEN, "pre")),)
        return AroundScan(
            self.name, self.of_scan,
            shifted if self.has_window else one,
            shifted_back if self.has_window else ONE_PRODUCT_BACK,
            self._there_cost, self._back_cost, self._between, self.kept_bytes,
        )  # fmt: skip

    def variants(self, chained: tuple[str, ...] = ("serial_gated", "look_back_free", "simd")) -> Iterator[Variant]:
        """torch and its autograd, and the rungs of these names of the scan between products: one idea serial in time,
        one parallel in it, and that of a CPU."""
        scans = {(v.pass_, v.name): v for v in self.rungs}
        first, last = f"{self.state}0", f"{self.state}_last"
        around = self.around()

        def layer(x: Any, w: Any, bias: Any, state: Any) -> tuple[Any, Any]:
            h, state = self.eager(window_variants.windows(x, w, bias), state)
            return h.to(x.dtype), state

        def autograd(x: Any, w: Any, bias: Any, state: Any, gh: Any, g_last: Any) -> tuple[Any, ...]:
            import torch

            leaves = [tensor.detach().requires_grad_() for tensor in (x, w, bias, state)]
            with torch.enable_grad():
                values = layer(*leaves)
                dx, dw, dbias, first = torch.autograd.grad(values, leaves, (gh, g_last))
            return *(value.detach() for value in values), dx, dw.float(), dbias.float(), first

        def eager_cost(shape: Shape, settings: Settings) -> Cost:
            product = WINDOW["forward", "windows"].cost(self.of_window(shape), {})
            return product + scans["forward", "eager"].cost(self.of_scan(shape), {})

        def autograd_cost(shape: Shape, settings: Settings) -> Cost:
            once = WINDOW["forward", "windows"].cost(self.of_window(shape), {})
            back = WINDOW["backward", "autograd"].cost(self.of_window(shape), {})
            whole = once + back + scans["backward", "autograd"].cost(self.of_scan(shape), {})
            return replace(whole, kept_bytes=self.kept_bytes(shape))

        names = (*GIVEN, first)
        yield Variant(
            "eager",
            self.name,
            DEVICES,
            "torch: one product, gates for all steps, two operations per step",
            lambda shape, settings: Plan((Call(layer, names, ("h", last)),)),
            eager_cost,
            FACTORS,
            rung=0,
        )
        yield Variant("autograd", self.name, DEVICES, "torch, and its autograd",
                      lambda shape, settings: Plan((Call(autograd, (*names, "gh", f"g{last}"),
                                                         ("h", last, *GRADIENTS, f"d{first}")),)),
                      autograd_cost, FACTORS, rung=0, pass_="training")  # fmt: skip
        for name in chained:
            yield around.forward(scans["forward", name])
            yield around.training(scans["forward", name], scans["backward", name])
