"""The passes under the layers: values and gradients against float64, in every regime and in pieces."""

from __future__ import annotations

import itertools
import platform

import pytest
import torch
from torch import Tensor

from kernel_variants.modules import cell_passes, kernels, passes
from tests.modules import reference
from workbench.problem import Problem

KINDS = [(linear, w) for linear, w in ((False, False), (True, False), (True, True))]


@pytest.mark.parametrize("regime", ["normal", "slow", "saturated"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("sizes", [(3, 67, 33), (2, 131, 64), (1, 1, 5)], ids=str)
def test_gated_scan_in_every_regime(sizes: tuple[int, int, int], dtype: torch.dtype, regime: str) -> None:
    B, T, H = sizes
    kv = reference.preactivations(B, T, H, regime).to(dtype)
    errors = reference.gated_errors(kv, torch.randn(B, H), None, None, False, False)
    assert max(errors.values()) <= reference.BOUNDS[dtype], errors


@pytest.mark.parametrize(("linear", "sees_state"), KINDS, ids=["log_safe", "linear", "sees_state"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
@pytest.mark.parametrize("H", [33, 48])
def test_gated_scan_of_every_kind(H: int, marked: bool, reverse: bool, linear: bool, sees_state: bool) -> None:
    B, T = 3, 67
    w = torch.randn(H) if sees_state else None
    marks = reference.random_marks(B, T) if marked else None
    for dtype in reference.BOUNDS:
        kv = reference.preactivations(B, T, H, "normal").to(dtype)
        errors = reference.gated_errors(kv, torch.randn(B, H), w, marks, reverse, linear)
        assert max(errors.values()) <= reference.BOUNDS[dtype], (dtype, errors)


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


def test_without_a_compiler_torch_does_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise Problem("no C++ compiler: g++ is not on PATH")

    monkeypatch.setattr(kernels, "host_function", none)
    kernels.walk.cache_clear()
    try:
        with pytest.warns(UserWarning, match="loop in torch, which is slow: no C"):
            errors = reference.gated_errors(torch.randn(2, 9, 2, 5), torch.randn(2, 5), None, None, False, False)
        assert max(errors.values()) <= 2e-6, errors
        forward, backward = kernels.chosen("gated_scan", "cpu", torch.float32, 2, 9, 5, True)
        assert (forward.variant, backward.variant) == ("torch", "torch")
    finally:
        kernels.walk.cache_clear()


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
