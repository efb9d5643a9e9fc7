"""The operators of minLSTM, SRU and QRNN: their kernels against the same made in torch in float64, and by records."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kernel_variants.modules import QRNN, SRU, MinLSTM, cell_passes, cells, kernels, passes, window_pass
from tests.modules import reference
from workbench.catalog import load_catalog
from workbench.declare import FORWARD, Kernel, Shape, variant_key
from workbench.dispatch import Choice, prepare
from workbench.dispatch.choose import TABLE
from workbench.dispatch.table import Entry, write_table
from workbench.execute.this_machine import device_name
from workbench.problem import Problem
from workbench.steps import kind_of, leaves_of

B, T, H = 3, 37, 33


@dataclass(frozen=True)
class Form:
    name: str
    rows: int
    directions: int = 1
    tanh: bool = False
    masked: bool = False

    @property
    def is_sru(self) -> bool:
        return self.name.startswith("sru")

    def given(self, sizes: tuple[int, int, int] = (B, T, H)) -> list[Tensor]:
        """pre, the initial state, and where there are any x and w."""
        B, T, H = sizes
        more = (self.directions,) if self.is_sru else ()
        found = [torch.randn(B, T, *more, self.rows, H), torch.randn(*more, B, H)]
        if self.is_sru and self.rows == 3:
            found.append(torch.randn(B, T, *more, H))
        if self.name == "sru2_scan":
            found.append(0.5 * torch.randn(*more, 2, H))
        return found

    def run(self, given: list[Tensor], marks: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
        pre, initial, *others = given
        if not self.is_sru:
            return getattr(cell_passes, self.name)(pre, initial, marks, reverse)
        x = others.pop(0) if self.rows == 3 else None
        both = None if marks is None else torch.stack([marks] * self.directions)
        kept = torch.arange(initial.numel(), device=pre.device) % 3
        mask = kept.view(initial.shape) * 0.5 if self.masked else None
        return cell_passes.sru_scan(pre, x, others[0] if others else None, initial, both, self.tanh, mask)


FORMS = {
    "minLSTM": Form("minlstm_scan", 3),
    "QRNN f": Form("qrnn_pool", 2),
    "QRNN fo": Form("qrnn_pool", 3),
    "QRNN ifo": Form("qrnn_pool", 4),
    "SRU": Form("sru_scan", 4),
    "SRU tanh, both": Form("sru_scan", 3, 2, True),
    "SRU tanh, both, dropping": Form("sru_scan", 3, 2, True, True),
    "SRU v2 tanh": Form("sru2_scan", 4, 1, True),
    "SRU v2, both": Form("sru2_scan", 3, 2),
    "SRU v2, both, dropping": Form("sru2_scan", 3, 2, False, True),
}
WAYS = [
    pytest.param(form, reverse, id=f"{name}{', backwards' * reverse}")
    for name, form in FORMS.items()
    for reverse in ((False,) if form.is_sru else (False, True))
]
"""SRU takes both directions at once."""
every_way = pytest.mark.parametrize(("form", "reverse"), WAYS)


def errors(form: Form, dtype: torch.dtype, marks: Tensor | None, reverse: bool) -> dict[str, float]:
    """Relative errors of values and gradients. In float64 the same function is minGRU's passes in torch."""
    given = form.given()
    given[0] = given[0].to(dtype)
    if form.is_sru and form.rows == 3:
        given[2] = given[2].to(dtype)
    own, exact = ([x.to(d or x.dtype).requires_grad_() for x in given] for d in (None, torch.float64))
    h, last = form.run(own, marks, reverse)
    gh, g_last = torch.randn(h.shape).to(h.dtype), torch.randn(last.shape)
    found = [h, last, *torch.autograd.grad([h, last], own, [gh, g_last])]
    values = form.run(exact, marks, reverse)
    expected = [*values, *torch.autograd.grad(values, exact, [gh.double(), g_last.double()])]
    names = ("h", "last", "dpre", "dinitial", "dx or dw", "dw")
    return {name: reference.error(f, e) for name, f, e in zip(names, found, expected, strict=False)}


@pytest.fixture
def of_60_elements(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What counts as small, and nothing kept that was made for another size."""
    of_a_size = cells._pass, cells.small_walk, cells._nobodys
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "SMALL", 3 * 4 * 5 + 1)
        for cached in of_a_size:
            cached.cache_clear()
        yield
    for cached in of_a_size:
        cached.cache_clear()


@every_way
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
@pytest.mark.usefixtures("of_60_elements")
def test_without_gradients_a_step_comes_by_another_way_to_the_same(
    form: Form, marked: bool, reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is small goes past the operator, again and with other values; what is larger does not."""
    calls = []
    monkeypatch.setattr(cell_passes, "called", lambda *given: calls.append(1) or passes.called(*given))
    for T, asked in ((4, 0), (4, 0), (5, 1)):
        given = form.given((3, T, 5))
        crossing = (0, 2) if form.is_sru and form.rows == 3 else (0,)
        given = [tensor.bfloat16() if n in crossing else tensor for n, tensor in enumerate(given)]
        marks = torch.randint(0, 3, (3, T), dtype=torch.uint8) if marked else None
        right = form.run(given, marks, reverse)
        calls.clear()
        with torch.no_grad():
            found = form.run(given, marks, reverse)
        assert len(calls) == asked
        assert all(torch.equal(a, b) for a, b in zip(found, right, strict=True))


@every_way
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
def test_they_are_what_torch_makes_of_them_in_float64(form: Form, marked: bool, reverse: bool) -> None:
    for dtype, bound in reference.BOUNDS.items():
        assert cells.has_kernel(form.name, "cpu", dtype, form.directions, form.rows, form.tanh, form.masked, marked)
        found = errors(form, dtype, reference.random_marks(B, T) if marked else None, reverse)
        assert max(found.values()) <= bound, (dtype, found)


@pytest.mark.parametrize("form", [FORMS["minLSTM"], FORMS["SRU v2, both"]], ids=["minLSTM", "SRU v2, both"])
def test_rows_past_the_caches_and_on_threads_are_the_same(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [x.requires_grad_() for x in form.given((3, 70, 256))]

    def everything() -> list[Tensor]:
        h, last = form.run(given, None, False)
        return [h, last, *torch.autograd.grad(h.sum() + last.sum(), given)]

    monkeypatch.setattr(kernels, "threads", lambda: 1)
    cached = everything()
    monkeypatch.setattr(kernels, "threads", lambda: 2)
    monkeypatch.setattr(kernels, "PAST_CACHES_FROM", 0)
    assert all(torch.equal(c, s) for c, s in zip(cached, everything(), strict=True))


@every_way
def test_a_gpu_is_given_what_its_kernels_take(form: Form, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's path with a CPU rung in the kernel's place; every tensor that the kernel's plan names is there."""
    catalog, ran = load_catalog(), []

    def stands_in(choice: Choice, shape: Shape, like: Tensor, tensors: dict[str, Tensor]) -> None:
        variant = catalog.variant(variant_key(choice.operation, choice.variant, choice.pass_))
        plan = variant.plan(shape, variant.default_settings())
        steps = list(leaves_of(plan.steps))
        assert all(isinstance(step, Kernel) for step in steps)
        named = {name for step in steps for name in kind_of(step).names(step)}
        assert named <= {*tensors, *(t.name for t in plan.scratch)}
        ran.append(f"{choice.pass_} {choice.variant}")
        prepare(choice.operation, "simd", (), shape, "cpu", choice.pass_)(tensors)

    monkeypatch.setattr(kernels, "device_of", lambda x: "cuda")
    monkeypatch.setattr(kernels, "run_variant", stands_in)
    found = errors(form, torch.float32, None, reverse)
    assert max(found.values()) <= 2e-6, found
    serial = "serial" if form.name == "sru2_scan" else "serial_gated"
    assert ran == [f"forward {serial}", f"backward {serial}"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@every_way
def test_a_gpu_gives_what_the_cpu_gives(form: Form, reverse: bool) -> None:
    given, found = form.given((3, 200, 64)), []
    gh = torch.randn_like(form.run(given, None, reverse)[0])
    for device in ("cpu", "cuda"):
        own = [x.to(device).requires_grad_() for x in given]
        h, last = form.run(own, None, reverse)
        gradients = torch.autograd.grad([h, last], own, [gh.to(device), torch.ones_like(last)])
        found.append([x.detach().cpu() for x in (h, last, *gradients)])
    for cpu, gpu in zip(*found, strict=True):
        assert reference.error(gpu, cpu) <= 2 * reference.BOUNDS[torch.float32]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("window", [3, 9])
def test_windows_are_products_of_what_they_see(window: int, dtype: torch.dtype) -> None:
    """Of 9 inputs some see nothing yet: there are 7 steps."""
    given = [torch.randn(2, 7, 5), torch.randn(6, window * 5), torch.randn(6)]
    own, exact = ([x.to(dtype).to(d).requires_grad_() for x in given] for d in (dtype, torch.float64))
    pre, gradient = window_pass.qrnn_window(*own), torch.randn(2, 7, 6).to(dtype)
    seen = torch.cat([F.pad(exact[0], (0, 0, back, 0))[:, :7] for back in range(window)], -1)
    expected = F.linear(seen, exact[1], exact[2])
    found = [pre, *torch.autograd.grad(pre, own, gradient)]
    for one, other in zip(found, [expected, *torch.autograd.grad(expected, exact, gradient.double())], strict=True):
        assert reference.error(one, other) <= reference.BOUNDS[dtype]


@pytest.mark.parametrize("name", ["qrnn_window", "qrnn_window_backward"])
def test_torch_takes_windows_for_operators(name: str) -> None:
    x, weight, bias = (torch.randn(*size, requires_grad=True) for size in ((2, 7, 5), (6, 15), (6,)))
    arguments = (x, weight, bias) if name == "qrnn_window" else (x.detach(), weight.detach(), torch.randn(2, 7, 6))
    torch.library.opcheck(getattr(torch.ops.scan_workbench, name).default, arguments)


@pytest.mark.parametrize("name", ["sru2_scan", "sru2_scan_backward", "qrnn_pool"])
def test_torch_takes_them_for_operators(name: str) -> None:
    form = FORMS["QRNN f"] if name == "qrnn_pool" else FORMS["SRU v2, both"]
    pre, initial, *others = [x.requires_grad_() for x in form.given((2, 9, 8))]
    x, w = others or (None, None)
    mask = None if w is None else torch.rand(initial.shape)
    arguments: tuple[object, ...] = (pre, x, w, mask, initial, None, False, form.tanh)
    if name.endswith("backward"):
        c = torch.randn(2, 9, 2, 8)
        detached = (None if each is None else each.detach() for each in (pre, x, w, mask, initial))
        arguments = (*detached, c, None, c, initial.detach(), False, form.tanh)
    torch.library.opcheck(getattr(torch.ops.scan_workbench, name).default, arguments)


def test_double_backward_is_refused_in_words() -> None:
    pre = torch.randn(1, 4, 3, 3, requires_grad=True)
    h, _ = cell_passes.minlstm_scan(pre)
    (dpre,) = torch.autograd.grad(h.square().sum(), pre, create_graph=True)
    with pytest.raises(RuntimeError, match="minlstm_scan_backward has no gradient of its own: no double backward"):
        torch.autograd.grad(dpre.sum(), pre)


def test_without_a_compiler_torch_does_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise Problem("no C++ compiler: g++ is not on PATH")

    monkeypatch.setattr(cells, "bind", none)
    for cached in (cells.has_kernel, cells.compiles, cells._walk):
        cached.cache_clear()
    try:
        with pytest.warns(UserWarning, match="qrnn_pool runs as a loop in torch, which is slow: no C"):
            assert [choice.variant for choice in QRNN(3, 5).chosen(2, 9)] == ["torch", "torch"]
        assert max(errors(FORMS["QRNN fo"], torch.float32, None, False).values()) <= 2e-6
    finally:
        for cached in (cells.has_kernel, cells.compiles, cells._walk):
            cached.cache_clear()


LAYERS: dict[str, tuple[Callable[..., torch.nn.Module], dict[str, int]]] = {
    "minlstm_scan": (MinLSTM, {}),
    "qrnn_pool": (QRNN, {"rows": 3}),
    "sru_scan": (functools.partial(SRU, num_layers=1, v1=True, bidirectional=True),
                 {"directions": 2, "phi": 1, "rows": 3, "dropout": 1}),
}  # fmt: skip


@pytest.mark.parametrize("operation", LAYERS)
def test_layers_run_what_was_measured_of_their_operation(
    operation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, axes = LAYERS[operation]
    layer, x = make(128, 64, batch_first=True), torch.randn(4, 100, 128)
    ran: list[str] = []

    def gradient() -> Tensor:
        layer.zero_grad()
        layer(x)[0].square().sum().backward()
        return layer.weight_ih_l0.grad.clone()

    def entry(pass_: str) -> Entry:
        sizes = {"B": 4, "T": 64, "H": 64, **axes}
        return Entry(operation, pass_, "cpu", device_name("cpu"), "float32", sizes, "simd", {"slice": 4096}, 1e-3,
                     1e-3, 1e-3, "run-1")  # fmt: skip

    run_variant = kernels.run_variant

    def recorded(choice: Choice, shape: Shape, like: Tensor, tensors: dict[str, Tensor]) -> None:
        ran.append(f"{choice.pass_} {choice.variant}")
        run_variant(choice, shape, like, tensors)

    monkeypatch.setattr(kernels, "run_variant", recorded)
    table = tmp_path / "none.json"
    write_table(table, ())
    monkeypatch.setenv(TABLE, str(table))
    own = gradient()
    assert ran == [] and [c.variant for c in layer.chosen(4, 100)] == ["walk", "walk_backward"]
    table = tmp_path / "measured.json"
    write_table(table, (entry(FORWARD), entry(kernels.BACKWARD)))
    monkeypatch.setenv(TABLE, str(table))
    assert torch.equal(gradient(), own)
    assert ran == ["forward simd", "backward simd"]
    assert str(layer.chosen(4, 100)[1]).startswith(f"{operation} backward: simd (slice=4096), from run run-1")
