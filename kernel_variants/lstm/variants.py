"""The LSTM layer of torch: cuDNN on a GPU, oneDNN or torch's own loop on a CPU."""

from __future__ import annotations

from functools import partial

from kernel_variants.gru.variants import module, plan
from kernel_variants.lstm.operation import OPERATION
from kernel_variants.own_form import OwnForm
from workbench.declare import Variant

LSTM = OwnForm(partial(module, kind="LSTM"))

VARIANTS = (
    Variant(
        name="torch",
        operation="lstm",
        devices=("cpu", "cuda"),
        idea="torch.nn.LSTM: cuDNN on a GPU; its weights laid out beforehand",
        plan=partial(plan, layer_of=LSTM),
        cost=lambda shape, settings: OPERATION.least(shape),
        factors={"source": "torch", "peer": "yes"},
    ),
)
