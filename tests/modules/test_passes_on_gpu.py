"""What a GPU does for the passes: on one where there is one, else its kernels in the simulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kernel_variants.modules import composed, kernels, passes
from tests.kernels.executed import NUMPY_DTYPE, executed
from tests.modules import reference
from workbench.catalog import load_catalog
from workbench.declare import Shape, operation_key, variant_key
from workbench.dispatch import Choice
from workbench.simulate.launch import Checks, Options

CATALOG = load_catalog()


def needs_gpu(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")(test))


def test_what_a_gpu_composes_is_right_where_its_scan_is() -> None:
    """The GPU's path around its scan kernel, with a loop in the kernel's place."""
    B, T, H = 3, 40, 6
    marks = reference.random_marks(B, T)
    kv, h0 = reference.preactivations(B, T, H, "normal").double(), torch.randn(B, H).double()
    for reverse in (False, True):
        h, h_last = composed.gated_forward(composed.loop, kv, h0, None, marks, reverse, False)
        expected = reference.gated_scan(kv, h0, None, marks, reverse)
        assert reference.error(h, expected[0]) < 1e-14
        assert reference.error(h_last, expected[1]) < 1e-14


def simulated(choice: Choice, like: Tensor, tensors: dict[str, Tensor]) -> None:
    """The catalogue's kernel of a choice, executed in the simulator in the place of a GPU."""
    operation = CATALOG.operation(operation_key(choice.operation, choice.pass_))
    variant = CATALOG.variant(variant_key(choice.operation, choice.variant, choice.pass_))
    shape = Shape.of(kernels.DTYPES[like.dtype], **dict(zip("BTH", like.shape, strict=True)))
    declared = operation.tensors(shape)
    given = {
        t.name: tensors[t.name].float().numpy().astype(NUMPY_DTYPE[t.dtype])
        for t in declared
        if t.given and tensors[t.name] is not None
    }
    plan = variant.plan(shape, {**variant.default_settings(), **choice.settings})
    for name, value in executed(plan, declared, given, shape.dtype, Options(checks=Checks.ALL)).items():
        tensors[name].copy_(torch.from_numpy(value.astype("float32")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_what_a_gpu_runs_both_ways_is_right(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "device_of", lambda x: "cuda")
    ran: list[str] = []

    def recorded(choice: Choice, like: Tensor, tensors: dict[str, Tensor]) -> None:
        ran.append(f"{choice.pass_} {choice.variant}")
        simulated(choice, like, tensors)

    monkeypatch.setattr(kernels, "_catalogue", recorded)
    kv = reference.preactivations(2, 19, 33, "slow").to(dtype)
    errors = reference.gated_errors(kv, torch.randn(2, 33), None, None, False, False)
    assert max(errors.values()) <= reference.BOUNDS[dtype], errors
    assert ran == ["forward serial_gated", "backward serial_gated"]
    if dtype == torch.float32:
        own = [x.requires_grad_() for x in (torch.rand(2, 19, 33), torch.randn(2, 19, 33), torch.randn(2, 33))]
        exact = [x.detach().double().requires_grad_() for x in own]
        found, expected = passes.scan(*own), reference.scan(*exact)
        for one, other in zip(torch.autograd.grad([o.sum() for o in found], own),
                              torch.autograd.grad([o.sum() for o in expected], exact), strict=True):  # fmt: skip
            assert reference.error(one, other) <= 2e-6
        assert ran[2:] == ["forward serial", "backward serial"]


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
def test_a_gpu_gives_what_the_cpu_gives(marked: bool, dtype: torch.dtype) -> None:
    B, T, H = 3, 200, 64
    kv, h0 = reference.preactivations(B, T, H, "normal").to(dtype), torch.randn(B, H)
    marks = reference.random_marks(B, T) if marked else None
    gh, gh_last = torch.randn(B, T, H).to(dtype), torch.randn(B, H)
    found = []
    for device in ("cpu", "cuda"):
        own = [kv.to(device).requires_grad_(), h0.to(device).requires_grad_()]
        at = None if marks is None else marks.to(device)
        outputs = passes.gated_scan(own[0], own[1], None, at)
        gradients = torch.autograd.grad(outputs, own, [gh.to(device), gh_last.to(device)])
        found.append([x.detach().cpu() for x in (*outputs, *gradients)])
    for cpu, gpu in zip(*found, strict=True):
        assert reference.error(gpu, cpu) <= 2 * reference.BOUNDS[dtype]


@needs_gpu
def test_a_gpu_captures_it_into_a_graph() -> None:
    kv, h0 = torch.randn(2, 100, 2, 64, device="cuda"), torch.randn(2, 64, device="cuda")
    expected, _ = passes.gated_scan(kv, h0)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        h, _ = passes.gated_scan(kv, h0)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(h, expected)
