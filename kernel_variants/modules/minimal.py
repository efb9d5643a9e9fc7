"""minGRU and minLSTM (arXiv 2410.01201): one gate, or two that are normalised, and a candidate, all of the input
alone."""

from __future__ import annotations

from typing import Any

from kernel_variants.modules.cell_passes import minlstm_logit, minlstm_scan
from kernel_variants.modules.composed import Tensor
from kernel_variants.modules.passes import gated_scan
from kernel_variants.modules.recurrent import Recurrent

CANDIDATES = ("log_safe", "linear")


class _Minimal(Recurrent):
    def __init__(self, *arguments: Any, candidate: str = "log_safe", **keywords: Any) -> None:
        if candidate not in CANDIDATES:
            raise ValueError(f"candidate must be one of {', '.join(CANDIDATES)}, got {candidate!r}")
        self._linear = candidate == "linear"
        super().__init__(*arguments, **keywords)
        self.candidate = candidate
        self.plain = not self._linear

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.candidate == "log_safe" else f", candidate={self.candidate!r}")


class MinGRU(_Minimal):
    """h_t = sigma(-k_t) h_{t-1} + sigma(k_t) g(v_t), with k, v = weight_ih x + bias_ih.

    `candidate`: "log_safe", g(v) = v + 1/2 for v >= 0, sigma(v) below; or "linear", g(v) = v. Rows of weight_ih: k, v.
    """

    def _direction(
        self, suffix: str, x: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        return gated_scan(self._product(suffix, x), h0, None, marks, reverse, self._linear)


class MinLSTM(_Minimal):
    """h_t = f' h_{t-1} + i' g(v_t), f' = f / (f + i), i' = i / (f + i), with f, i = sigma(k_f), sigma(k_i).

    Computed as minGRU with the logit k = softplus(-k_f) - softplus(-k_i), exact where f + i would vanish. `candidate`
    as MinGRU's. Rows of weight_ih: k_f, k_i, v.
    """

    blocks = 3

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.operation = "gated_scan" if self._linear else "minlstm_scan"

    def _direction(
        self, suffix: str, x: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        pre = self._product(suffix, x)
        if self._linear:
            return gated_scan(minlstm_logit(pre), h0, None, marks, reverse, True)
        return minlstm_scan(pre, h0, marks, reverse)
