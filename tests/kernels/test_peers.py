"""Other people's code as variants: declared, unsupported with the line that installs them, right where they run."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from kernel_variants.gated_scan.peers import batched_backward, log_gates
from kernel_variants.layer.peers import batched_layer, step
from kernel_variants.own_form import OwnForm
from kernel_variants.scan import backward_in_torch
from kernel_variants.scan.peers import LOG_DECAY, TIME_LAST, compiled, power_of_two
from tests.kernels.executed import catalog
from workbench.catalog import BUILTIN
from workbench.check.case import InputSet, checked_sets, make_set
from workbench.check.compare_outputs import compare_outputs, tolerances
from workbench.check.direct import DirectCheck
from workbench.declare import Shape, Variant
from workbench.dtypes import torch_view
from workbench.execute.load import load
from workbench.execute.this_machine import missing_requirement, why_unsupported
from workbench.sweep.selection import small_shape

CATALOG = catalog()
PEERS = [v for v in CATALOG if v.factors.get("peer") == "yes"]
EXPECTED = {
    "scan/accelerated_scan_scalar",
    "scan/accelerated_scan_warp",
    "scan/fla_hgrn",
    "scan/associative_scan_compiled",
    "scan/associative_scan_pointwise",
    "scan/backward/compiled",
    "gated_scan/fla_hgrn",
    "gated_scan/backward/compiled",
    "layer/mingru_pytorch",
    "layer/compiled",
    "layer/compiled_step",
    "rnn/torch",
    "rnn/training/torch",
    "gru/torch",
    "gru/training/torch",
    "lstm/torch",
    "lstm/training/torch",
    "qrnn_window/conv2d",
    "qrnn_window/training/conv2d",
    "causal_conv/torch",
    "causal_conv/causal_conv1d",
}
LOSSY = {"float32": 1e-3, "bfloat16": 0.1}
"""What those with a known loss come to at most at an operation's small shape."""
ON_CPU = [v for v in PEERS if "cpu" in v.devices and v.name != "compiled"]
"""Those that torch compiles for seconds at every shape are executed as they are written (below)."""


def test_all_are_declared() -> None:
    assert {v.key for v in PEERS} == EXPECTED


@pytest.mark.parametrize("variant", PEERS, ids=lambda v: v.key)
def test_a_missing_package_is_a_line_to_install_it(variant: Variant) -> None:
    lacking = [r for r in variant.requires if importlib.util.find_spec(r.module) is None]
    reason = missing_requirement(variant)
    if lacking:
        assert reason is not None and lacking[0].install in reason and reason.count("pip install") == 1
    else:
        assert reason is None


@pytest.mark.parametrize("variant", PEERS, ids=lambda v: v.key)
def test_costs_cover_what_any_algorithm_moves(variant: Variant) -> None:
    operation = CATALOG.operation(variant.operation_key)
    for dtype in operation.dtypes:
        for sizes in (operation.axes, operation.small):
            shape = Shape(tuple(sizes.items()), dtype)
            least = operation.least(shape)
            for name, values in ({"": ("",)} | dict(variant.settings)).items():
                for value in values:
                    settings = variant.default_settings() | ({name: value} if name else {})
                    cost = variant.cost(shape, settings)
                    # States at the borders and weights aside, nobody moves less than the least.
                    assert cost.bytes >= 0.98 * least.bytes and cost.launches >= 1
                    assert cost.matrix_flops == least.matrix_flops


@pytest.mark.parametrize("variant", ON_CPU, ids=lambda v: v.key)
@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_is_right_on_the_cpu(variant: Variant, dtype: str) -> None:
    operation = CATALOG.operation(variant.operation_key)
    shape = small_shape(operation, dtype)
    if why_unsupported(variant, shape):
        pytest.skip(str(why_unsupported(variant, shape)))
    input_sets = (InputSet(operation.regimes[0], 0), *checked_sets(operation))
    found = DirectCheck(BUILTIN, variant.key, "cpu").check(shape, variant.default_settings(), input_sets)
    bound = LOSSY[dtype] if variant.known_loss else operation.tolerance[dtype]
    assert found.relative_l2 <= bound, found.reason


@pytest.mark.parametrize("variant", ON_CPU, ids=lambda v: v.key)
def test_other_inputs_in_the_same_buffers_are_not_taken_for_those_before(variant: Variant) -> None:
    """What was made beforehand of tensors (own_form.py) is made again where their memory holds others: a sweep writes
    new inputs into the same buffers between blocks of samples."""
    operation = CATALOG.operation(variant.operation_key)
    shape = small_shape(operation, "float32")
    if why_unsupported(variant, shape) or variant.known_loss:
        pytest.skip(str(why_unsupported(variant, shape) or variant.known_loss))
    (first, _), (second, want) = (make_set(operation, shape, InputSet(operation.regimes[0], seed)) for seed in (0, 1))
    bound = load(variant.plan(shape, variant.default_settings()), operation.tensors(shape), [first], "float32", "cpu")
    try:
        bound.run()
        bound.load(second)
        bound.poison()
        bound.run()
        compared = compare_outputs(bound.outputs(), want, tolerances(operation, shape))
    finally:
        bound.close()
    assert compared.right, compared.reason


@pytest.mark.parametrize(("T", "taken"), [(32, True), (4096, True), (65536, True), (16, False), (67, False)])
def test_warp_takes_powers_of_two(T: int, taken: bool) -> None:
    assert (power_of_two(Shape.of(B=1, T=T, H=8)) is None) == taken


def tensors_of(operation: str, shape: Shape, given: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs as torch tensors by name (an absent one is None), and the float64 outputs."""
    declared = CATALOG.operation(operation)
    inputs, want = make_set(declared, shape, InputSet("normal", 3, given))
    names = [t for t in declared.tensors(shape) if t.role == "input"]
    return {t.name: torch_view(inputs[t.name], t.dtype) if t.name in inputs else None for t in names}, want


@pytest.mark.parametrize("given", (True, False))
def test_time_last_with_the_first_state_folded_in_is_the_same_scan(given: bool) -> None:
    """What accelerated-scan is handed, scanned from zero in numpy, gives the operation's own states."""
    x, want = tensors_of("scan", Shape.of(B=2, T=37, H=5), given)
    decay, inputs = (t.double().numpy() for t in TIME_LAST(x["a"], x["b"], x["h0"]))
    state, h = np.zeros(decay.shape[:2]), np.empty_like(decay)
    for t in range(decay.shape[2]):
        state = decay[..., t] * state + inputs[..., t]
        h[..., t] = state
    assert np.abs(h.transpose(0, 2, 1) - want["h"]).max() < 1e-6
    assert (x["b"].numpy() == tensors_of("scan", Shape.of(B=2, T=37, H=5), given)[0]["b"].numpy()).all()


@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_what_hgrn_is_handed_gives_the_same_states(dtype: str) -> None:
    """exp(g) o + x over the log gates, in numpy, at the operation's tolerance."""
    shape = Shape.of(dtype, B=2, T=300, H=9)
    x, want = tensors_of("gated_scan", shape, given=False)
    decay, inputs = (t.double().numpy() for t in log_gates(x["kv"]))
    state, h = np.zeros(inputs[:, 0].shape), np.empty_like(inputs)
    for t in range(300):
        state = np.exp(decay[:, t]) * state + inputs[:, t]
        h[:, t] = state
    error = np.linalg.norm(h - want["h"]) / np.linalg.norm(want["h"])
    assert error <= CATALOG.operation("gated_scan").tolerance[dtype]


@pytest.mark.parametrize("given", (True, False))
def test_what_the_compiler_is_handed_is_the_layer(given: bool) -> None:
    shape = Shape.of(B=2, T=19, D=7, H=5, O=3)
    x, want = tensors_of("layer", shape, given)
    y, last = batched_layer(**x)
    assert np.abs(y.numpy() - want["y"]).max() < 1e-5 and np.abs(last.numpy() - want["h_last"]).max() < 1e-5


@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
@pytest.mark.parametrize("regime", ("normal", "slow", "saturated"))
@pytest.mark.parametrize(
    ("operation", "function"),
    [("scan", backward_in_torch.associative_scan), ("gated_scan", batched_backward)],
    ids=["scan", "gated_scan"],
)
def test_what_the_compiler_is_handed_is_the_backward_pass(
    operation: str, function: Any, regime: str, dtype: str
) -> None:
    declared = CATALOG.operation(f"{operation}/backward")
    shape = Shape.of(dtype, B=2, T=37, H=5)
    inputs, want = make_set(declared, shape, InputSet(regime, 3))
    tensors = declared.tensors(shape)
    given = [torch_view(inputs[t.name], t.dtype) for t in tensors if t.given]
    outputs = [t for t in tensors if t.compared]
    found = dict(zip((t.name for t in outputs), (each.float().numpy() for each in function(*given)), strict=True))
    compared = compare_outputs(found, want, tolerances(declared, shape))
    assert compared.right, compared.reason


@pytest.mark.thorough
def test_the_compiled_step_is_the_step() -> None:
    """One real compilation, of the smallest thing that is compiled."""
    x, _ = tensors_of("layer", Shape.of(B=2, T=1, D=7, H=5, O=3))
    arguments = (x["x"][:, 0], x["w"], x["bias"], x["h0"], x["w_out"], x["bias_out"])
    for plain, fast in zip(step(*arguments), compiled(step)(*arguments), strict=True):
        assert np.abs(plain.numpy() - fast.numpy()).max() < 1e-5


def test_an_own_form_is_made_once_and_again_after_a_write() -> None:
    import torch

    made = []
    form = OwnForm(lambda x, y: made.append(1) or float(x.sum()))
    x = torch.ones(3)
    assert form(x, None) == 3.0 and form(x, None) == 3.0 and len(made) == 1
    x += 1
    assert form(x, None) == 6.0 and len(made) == 2
    assert form(torch.full((3,), 5.0), None) == 15.0 and len(made) == 3


def test_logarithms_of_decays_are_kept_with_their_tensor() -> None:
    import torch

    a = torch.full((1, 2, 3), 0.5)
    assert LOG_DECAY(a) is LOG_DECAY(a)
