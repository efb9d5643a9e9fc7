"""The torch operators under the layers: values and gradients against float64, and what torch asks of an operator."""

from __future__ import annotations

import itertools
import platform
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kernel_variants.modules import cell_passes, composed, fresh, kernels, passes
from tests.kernels.executed import NUMPY_DTYPE, executed
from tests.modules import reference
from workbench.catalog import load_catalog
from workbench.declare import Shape, operation_key, variant_key
from workbench.dispatch import Choice
from workbench.problem import Problem
from workbench.simulate.launch import Checks, Options

CATALOG = load_catalog()

BOUNDS = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
KINDS = [(linear, w) for linear, w in ((False, False), (True, False), (True, True))]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(7)


def gated_errors(
    kv: Tensor, h0: Tensor, w: Tensor | None, marks: Tensor | None, reverse: bool, linear: bool
) -> dict[str, float]:
    """Relative errors of values and gradients, every output with a gradient of its own."""
    given = [x for x in (kv, h0, w) if x is not None]
    own = [x.clone().requires_grad_() for x in given]
    exact = [x.double().requires_grad_() for x in given]
    h, h_last = passes.gated_scan(own[0], own[1], own[2] if w is not None else None, marks, reverse, linear)
    gh, gh_last = torch.randn(h.shape).to(h.dtype), torch.randn(h_last.shape)
    found = [h, h_last, *torch.autograd.grad([h, h_last], own, [gh, gh_last])]
    values = reference.gated_scan(exact[0], exact[1], exact[2] if w is not None else None, marks, reverse, linear)
    expected = [*values, *torch.autograd.grad(values, exact, [gh.double(), gh_last.double()])]
    names = ("h", "h_last", "dkv", "dh0", "dw")
    return {name: reference.error(f, e) for name, f, e in zip(names, found, expected, strict=False)}


@pytest.mark.parametrize("regime", ["normal", "slow", "saturated"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("sizes", [(3, 67, 33), (2, 131, 64), (1, 1, 5)], ids=str)
def test_gated_scan_in_every_regime(sizes: tuple[int, int, int], dtype: torch.dtype, regime: str) -> None:
    B, T, H = sizes
    kv = reference.preactivations(B, T, H, regime).to(dtype)
    errors = gated_errors(kv, torch.randn(B, H), None, None, False, False)
    assert max(errors.values()) <= BOUNDS[dtype], errors


@pytest.mark.parametrize(("linear", "sees_state"), KINDS, ids=["log_safe", "linear", "sees_state"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
@pytest.mark.parametrize("H", [33, 48])
def test_gated_scan_of_every_kind(H: int, marked: bool, reverse: bool, linear: bool, sees_state: bool) -> None:
    B, T = 3, 67
    w = torch.randn(H) if sees_state else None
    marks = reference.random_marks(B, T) if marked else None
    for dtype in BOUNDS:
        kv = reference.preactivations(B, T, H, "normal").to(dtype)
        errors = gated_errors(kv, torch.randn(B, H), w, marks, reverse, linear)
        assert max(errors.values()) <= BOUNDS[dtype], (dtype, errors)


@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
@pytest.mark.parametrize("regime", ["normal", "slow"])
@pytest.mark.parametrize("H", [33, 48])
def test_scan(H: int, regime: str, marked: bool, reverse: bool) -> None:
    B, T = 3, 67
    kv = reference.preactivations(B, T, H, regime)
    given = [torch.sigmoid(-kv[:, :, 0]), kv[:, :, 1].clone(), torch.randn(B, H)]
    marks = reference.random_marks(B, T) if marked else None
    own, exact = ([x.to(d).requires_grad_() for x in given] for d in (torch.float32, torch.float64))
    h, h_last = passes.scan(*own, marks, reverse)
    gh, gh_last = torch.randn(B, T, H), torch.randn(B, H)
    found = [h, h_last, *torch.autograd.grad([h, h_last], own, [gh, gh_last])]
    values = reference.scan(*exact, marks, reverse)
    expected = [*values, *torch.autograd.grad(values, exact, [gh.double(), gh_last.double()])]
    errors = [reference.error(f, e) for f, e in zip(found, expected, strict=True)]
    assert max(errors) <= 2e-6, errors


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_past_the_caches_and_on_threads_are_the_same(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores past the caches and threads change where results go, not what they are."""
    B, T, H = 3, 200, 256
    kv, h0 = reference.preactivations(B, T, H, "normal"), torch.randn(B, H)
    gh, gh_last = torch.randn(B, T, H), torch.randn(B, H)
    a = torch.sigmoid(kv[:, :, 0])

    def everything() -> list[Tensor]:
        h, h_last = kernels.gated_scan(kv, h0, None, None, True, False)
        back = kernels.gated_scan_backward(kv, h, h0, None, None, gh, gh_last, True, False)
        hs, _ = kernels.scan(a, gh, h0, None, True)
        return [h, h_last, *back[:2], hs, *kernels.scan_backward(a, hs, h0, None, gh, gh_last, True)]

    monkeypatch.setattr(kernels, "threads", lambda: 1)
    cached = everything()
    monkeypatch.setattr(kernels, "threads", lambda: threads)
    monkeypatch.setattr(kernels, "PAST_CACHES_FROM", 0)
    assert all(torch.equal(c, s) for c, s in zip(cached, everything(), strict=True))


def test_a_sequence_in_two_pieces_is_the_whole_in_gradients_too() -> None:
    B, T, H, cut = 2, 75, 33, 31
    kv, h0 = reference.preactivations(B, T, H, "slow"), torch.randn(B, H)
    gh, gh_last = torch.randn(B, T, H), torch.randn(B, H)

    def gradients(pieces: list[slice]) -> list[Tensor]:
        own = [kv.clone().requires_grad_(), h0.clone().requires_grad_()]
        state, rows = own[1], []
        for piece in pieces:
            h, state = passes.gated_scan(own[0][:, piece], state)
            rows.append(h)
        outputs = [torch.cat(rows, 1), state]
        return [o.detach() for o in outputs] + list(torch.autograd.grad(outputs, own, [gh, gh_last]))

    whole, split = gradients([slice(0, T)]), gradients([slice(0, cut), slice(cut, T)])
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_finite_differences_agree_in_float64() -> None:
    B, T, H = 2, 5, 3
    marks = torch.tensor([[0, 0, 1, 0, 0], [0, 2, 0, 0, 2]], dtype=torch.uint8)
    double = {"dtype": torch.float64, "requires_grad": True}
    a, b, h0 = torch.rand(B, T, H, **double), torch.randn(B, T, H, **double), torch.randn(B, H, **double)
    kv, w = torch.randn(B, T, 2, H, **double), torch.randn(H, **double)
    for use, reverse in itertools.product((None, marks), (False, True)):
        assert torch.autograd.gradcheck(lambda *x, m=use, r=reverse: passes.scan(*x, m, r), (a, b, h0))
        for linear in (False, True):
            assert torch.autograd.gradcheck(
                lambda kv, h0, m=use, r=reverse, ln=linear: passes.gated_scan(kv, h0, None, m, r, ln), (kv, h0)
            )
        assert torch.autograd.gradcheck(
            lambda kv, h0, w, m=use, r=reverse: passes.gated_scan(kv, h0, w, m, r, True), (kv, h0, w)
        )


def needs_gpu(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")(test))


def arguments() -> dict[str, tuple[object, ...]]:
    B, T, H = 2, 9, 8
    kv, h0, h = torch.randn(B, T, 2, H), torch.randn(B, H), torch.randn(B, T, H)
    a, marks, w = torch.rand(B, T, H), torch.zeros(B, T, dtype=torch.uint8), torch.randn(H)
    grad = {n: x.clone().requires_grad_() for n, x in {"kv": kv, "h0": h0, "a": a, "b": h, "w": w}.items()}
    return {
        "scan": (grad["a"], grad["b"], grad["h0"], marks, False),
        "scan_backward": (a, h, None, None, h, h0, True),
        "gated_scan": (grad["kv"], grad["h0"], grad["w"], None, False, True),
        "gated_scan_backward": (kv, h, h0, None, marks, h, h0, False, False),
    }


@pytest.mark.parametrize("name", list(passes.SCHEMAS))
def test_torch_takes_them_for_operators(name: str) -> None:
    torch.library.opcheck(getattr(torch.ops.scan_workbench, name).default, arguments()[name])


class Seen(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_without_gradients_it_is_the_same_operator_to_all_who_look() -> None:
    """The values are the same, and modes, profilers, tracers and vmap see it, though it is passed by where none is."""
    kv = torch.randn(2, 5, 2, 33)
    right = passes.gated_scan(kv.clone().requires_grad_())
    with torch.no_grad(), Seen() as seen:
        found = passes.gated_scan(kv)
    assert seen.names == ["scan_workbench.gated_scan.default"]
    assert all(torch.equal(a, b) for a, b in zip(found, right, strict=True)) and right[0].requires_grad
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = torch.func.vmap(lambda one: passes.gated_scan(one)[0])(kv[:, None])
    assert torch.equal(each[:, 0], right[0])
    with torch.no_grad(), torch.profiler.profile() as profile:
        passes.gated_scan(kv)
    assert "scan_workbench::gated_scan" in {event.key for event in profile.key_averages()}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(lambda given: passes.gated_scan(given)[0], kv, check_trace=False)
        assert torch.equal(traced(-kv), passes.gated_scan(-kv)[0])
        assert all(torch.equal(a, b) for a, b in zip(passes.gated_scan(kv), right, strict=True))


def test_where_nobody_looks_no_operator_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(*_: object) -> None:
        raise AssertionError

    kv = torch.randn(2, 5, 2, 33)
    right = passes.gated_scan(kv)
    monkeypatch.setitem(passes._FUNCTIONS, operator, kernels.gated_scan)
    with torch.no_grad():
        found = passes.called(operator, kv, None, None, None, False, False)
    assert all(torch.equal(a, b) for a, b in zip(found, right, strict=True))


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages to ask for")
def test_what_is_large_asks_for_huge_pages_and_what_is_small_does_not() -> None:
    """In a process of its own: what is small gets memory that a large tensor of another test has asked for."""
    code = f"from {__name__} import what_asks_for_huge_pages; what_asks_for_huge_pages()"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def what_asks_for_huge_pages() -> None:
    """By the flag of the mapping that a tensor's middle lies in."""

    def asks(tensor: Tensor) -> bool:
        middle, mapping = tensor.data_ptr() + tensor.nbytes // 2, (0, 0)
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
                mapping = tuple(int(end, 16) for end in line.split()[0].split("-"))
            elif line.startswith("VmFlags:") and mapping[0] <= middle < mapping[1]:
                return "hg" in line.split()
        raise AssertionError("its memory is in no mapping")

    like = torch.empty(0)
    assert asks(fresh.fresh(like, (1, fresh.FRESH_FROM // 4)))
    assert not asks(fresh.fresh(like, (1, fresh.FRESH_FROM // 8)))
    assert fresh.fresh(like, (2, 3), torch.bfloat16).dtype == torch.bfloat16
    kv = torch.randn(1, 1024, 2, 8192)
    h, _ = kernels.gated_scan(kv, None, None, None, False, False)
    assert asks(h) and not asks(kv)


def test_importing_the_layers_does_not_import_the_compiler() -> None:
    """torch's own takes as long to import as torch."""
    code = "import sys, kernel_variants.modules; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_double_backward_is_refused_in_words() -> None:
    kv = torch.randn(1, 4, 2, 3, requires_grad=True)
    h, _ = passes.gated_scan(kv)
    (dkv,) = torch.autograd.grad(h.square().sum(), kv, create_graph=True)
    with pytest.raises(RuntimeError, match="no double backward"):
        torch.autograd.grad(dkv.sum(), kv)


def test_without_a_compiler_torch_does_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise Problem("no C++ compiler: g++ is not on PATH")

    monkeypatch.setattr(kernels, "host_function", none)
    kernels.walk.cache_clear()
    try:
        with pytest.warns(UserWarning, match="loop in torch, which is slow: no C"):
            errors = gated_errors(torch.randn(2, 9, 2, 5), torch.randn(2, 5), None, None, False, False)
        assert max(errors.values()) <= 2e-6, errors
        forward, backward = kernels.chosen("gated_scan", "cpu", torch.float32, 2, 9, 5, True)
        assert (forward.variant, backward.variant) == ("torch", "torch")
    finally:
        kernels.walk.cache_clear()


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
    errors = gated_errors(reference.preactivations(2, 19, 33, "slow").to(dtype), torch.randn(2, 33), None, None, False,
                          False)  # fmt: skip
    assert max(errors.values()) <= BOUNDS[dtype], errors
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
        assert reference.error(gpu, cpu) <= 2 * BOUNDS[dtype]


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


FADING = {
    "scan": (1, lambda pre: passes.scan(torch.sigmoid(pre[:, :, 0]).detach(), pre[:, :, 0])),
    "gated_scan": (2, passes.gated_scan),
    "minlstm_scan": (3, cell_passes.minlstm_scan),
    "qrnn_pool": (3, cell_passes.qrnn_pool),
    "sru_scan": (4, lambda pre: cell_passes.sru_scan(pre[:, :, None])),
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="other machines keep subnormals")
@pytest.mark.parametrize("name", FADING)
@pytest.mark.parametrize("sizes", [(2, 300, 33), (4, 300, 512)], ids=str)
def test_a_gradient_of_the_last_step_fades_to_zero_without_subnormals(name: str, sizes: tuple[int, int, int]) -> None:
    """They made a step of a trained layer three times as long as one of a fresh layer."""
    (B, T, H), (rows, run) = sizes, FADING[name]
    pre = torch.randn(B, T, rows, H).requires_grad_()
    h, _ = run(pre)
    (gradient,) = torch.autograd.grad(h[:, -1].sum(), pre)
    size = gradient.abs()
    assert (size[:, -1] > 0).any() and (size[:, 0] == 0).all()
    assert not ((size > 0) & (size < torch.finfo(torch.float32).tiny)).any()
