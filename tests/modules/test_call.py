"""The layers called as nn.GRU is called: shapes, states, padding, resets, steps, and errors in nn.GRU's own words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from kernel_variants.modules import QRNN, SRU, MinGRU, MinLSTM
from tests.modules import reference

D, H, T, B = 7, 12, 11, 3
CELLS: dict[str, Callable[..., Any]] = {
    "MinGRU": MinGRU,
    "MinGRU linear": lambda *a, **k: MinGRU(*a, candidate="linear", **k),
    "MinLSTM": MinLSTM,
    "SRU": lambda *a, **k: SRU(*a, **k),
    "SRU v1 tanh": lambda *a, **k: SRU(*a, v1=True, use_tanh=True, **k),
    "QRNN f": lambda *a, **k: QRNN(*a, pooling="f", **k),
    "QRNN fo window 3": lambda *a, **k: QRNN(*a, window=3, **k),
    "QRNN ifo window 2": lambda *a, **k: QRNN(*a, pooling="ifo", window=2, **k),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_direction = pytest.mark.parametrize("bidirectional", [False, True], ids=["forwards", "both"])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@every_cell
@every_direction
def test_outputs_and_states_have_the_shapes_of_nn_gru(cell: Callable[..., Any], bidirectional: bool) -> None:
    for keywords in ({}, {"batch_first": True}):
        ours = cell(D, H, num_layers=2, bidirectional=bidirectional, **keywords)
        peer = nn.GRU(D, H, num_layers=2, bidirectional=bidirectional, **keywords)
        for x in (torch.randn(B, T, D), torch.randn(T, D)):
            (y, h_n), (peer_y, peer_h) = ours(x), peer(x)
            assert (y.shape, h_n.shape, y.dtype) == (peer_y.shape, peer_h.shape, peer_y.dtype)
            assert ours(x, h_n)[1].shape == peer_h.shape


@every_cell
def test_names_of_parameters_are_those_of_torch(cell: Callable[..., Any]) -> None:
    ours = set(cell(D, H, num_layers=2, bidirectional=True).state_dict())
    assert {"weight_ih_l0", "bias_ih_l1", "weight_ih_l0_reverse", "bias_ih_l1_reverse"} <= ours
    assert ours <= set(nn.GRU(D, H, num_layers=2, bidirectional=True).state_dict())


@every_cell
@every_direction
def test_batch_first_is_the_same_transposed_and_unbatched_the_same_alone(
    cell: Callable[..., Any], bidirectional: bool
) -> None:
    ours = cell(D, H, num_layers=2, bidirectional=bidirectional)
    x, h0 = torch.randn(T, B, D), torch.randn(2 * (1 + bidirectional), B, H)
    y, h_n = ours(x, h0)
    first = copy.deepcopy(ours)
    first.batch_first = True
    close(first(x.transpose(0, 1), h0)[0].transpose(0, 1), y)
    alone_y, alone_h = ours(x[:, 1], h0[:, 1])
    close(alone_y, y[:, 1])
    close(alone_h, h_n[:, 1])


@every_cell
def test_step_by_step_is_the_whole_in_gradients_too(cell: Callable[..., Any]) -> None:
    ours, x, h0 = cell(D, H, num_layers=2), torch.randn(T, B, D), torch.randn(2, B, H)
    weights = torch.randn(T, B, H)

    def gradients(pieces: list[int]) -> list[Tensor]:
        ours.zero_grad()
        more: dict[str, Any] = {"history": []} if isinstance(ours, QRNN) else {}
        state, rows = h0, []
        for piece in x.split(pieces):
            y, state = ours(piece, state, **more)
            rows.append(y)
        y = torch.cat(rows)
        ((y * weights).sum() + state.square().sum()).backward()
        return [y.detach(), state.detach(), *(p.grad.clone() for p in ours.parameters())]

    whole = gradients([T])
    for pieces in ([1] * T, [4, 7]):
        for one, other in zip(gradients(pieces), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@every_cell
@every_direction
def test_padding_counts_for_nothing(cell: Callable[..., Any], bidirectional: bool) -> None:
    ours = cell(D, H, num_layers=2, bidirectional=bidirectional)
    lengths = torch.tensor([5, T, 8])
    x, h0 = torch.randn(T, B, D), torch.randn(2 * (1 + bidirectional), B, H)
    y, h_n = ours(x, h0, lengths=lengths)
    for b, length in enumerate(lengths.tolist()):
        alone_y, alone_h = ours(x[:length, b : b + 1], h0[:, b : b + 1])
        close(y[:length, b], alone_y[:, 0])
        close(h_n[:, b], alone_h[:, 0])
        assert not y[length:, b].any()
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    packed_y, packed_h = ours(packed, h0)
    assert isinstance(packed_y, PackedSequence)
    close(pad_packed_sequence(packed_y)[0], y)
    close(packed_h, h_n)
    # Whatever stands in the padding, neither values nor gradients see it.
    other = torch.where(torch.arange(T)[:, None, None] < lengths[:, None], x, torch.full_like(x, 1e3)).requires_grad_()
    other_y, other_h = ours(other, h0, lengths=lengths)
    close(other_y, y)
    close(other_h, h_n)
    (gradient,) = torch.autograd.grad(other_y.sum() + other_h.sum(), other)
    assert not gradient[5:, 0].any()
    assert gradient[:5, 0].any()


@every_cell
@every_direction
def test_a_reset_begins_anew_in_gradients_too(cell: Callable[..., Any], bidirectional: bool) -> None:
    ours = cell(D, H, num_layers=2, bidirectional=bidirectional)
    x, cut = torch.randn(T, B, D), 4
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[cut] = True
    weights = torch.randn(T, B, H * (1 + bidirectional))

    def gradients(run: Callable[[], Tensor]) -> list[Tensor]:
        ours.zero_grad()
        y = run()
        (y * weights).sum().backward()
        return [y.detach(), *(p.grad.clone() for p in ours.parameters())]

    apart = gradients(lambda: torch.cat([ours(x[:cut])[0], ours(x[cut:])[0]]))
    for one, other in zip(gradients(lambda: ours(x, resets=resets)[0]), apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@every_cell
def test_bfloat16_keeps_a_float32_state(cell: Callable[..., Any]) -> None:
    ours = cell(D, H, num_layers=2)
    narrow = copy.deepcopy(ours).bfloat16()
    x = torch.randn(T, B, D)
    y, h_n = narrow(x.bfloat16())
    assert (y.dtype, h_n.dtype) == (torch.bfloat16, torch.float32)
    assert reference.error(y, ours(x)[0]) < 0.05
    narrow(x.bfloat16(), h_n)[0].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in narrow.parameters())


@pytest.mark.parametrize(
    "cell",
    [pytest.param(cell, id=name, marks=() if name == "SRU" else pytest.mark.thorough) for name, cell in CELLS.items()],
)
def test_compiled_whole_it_is_the_same(cell: Callable[..., Any]) -> None:
    """Traced as one graph, forward and backward, in both directions of time; what a backend makes of it is that
    backend's own."""
    torch.compiler.reset()
    ours = cell(D, H, bidirectional=True)
    x, lengths = torch.randn(T, B, D), torch.tensor([5, T, 8])
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for keywords in ({}, {"lengths": lengths}):
        for run in (ours, compiled):
            ours.zero_grad()
            y, h_n = run(x, **keywords)
            (y.sum() + h_n.sum()).backward()
            found = [y.detach(), h_n.detach(), *(p.grad.clone() for p in ours.parameters())]
            if run is ours:
                expected = found
        for one, other in zip(found, expected, strict=True):
            close(one, other)


# ------------------------------------------------------------------------------------------------------- bad input

CONSTRUCTORS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((0, H), {}),
    ((D, 0), {}),
    ((D, 1.5), {}),
    ((D, H), {"num_layers": 0}),
    ((D, H), {"dropout": 1.5}),
    ((D, H), {"dropout": "much"}),
    ((D, H), {"batch_first": "no"}),
    ((D, H), {"proj_size": 3}),
    ((D, H), {"colour": "red"}),
    ((D, H), {"device": "abacus"}),
]


def words(action: Callable[[], Any]) -> tuple[type[BaseException], str]:
    with pytest.raises(Exception) as caught:
        action()
    return caught.type, str(caught.value)


@pytest.mark.parametrize("cls", [MinGRU, MinLSTM, QRNN, SRU])
@pytest.mark.parametrize(("arguments", "keywords"), CONSTRUCTORS, ids=str)
def test_a_wrong_constructor_raises_what_nn_gru_raises(
    cls: type[nn.Module], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    assert words(lambda: cls(*arguments, **keywords)) == words(lambda: nn.GRU(*arguments, **keywords))


x = torch.randn(T, B, D)
CALLS: dict[str, tuple[Any, ...]] = {
    "four dimensions": (torch.randn(2, T, B, D),),
    "one dimension": (torch.randn(D),),
    "other inputs": (torch.randn(T, B, D + 1),),
    "no steps": (torch.randn(0, B, D),),
    "float64": (x.double(),),
    "whole numbers": (x.long(),),
    "state of other layers": (x, torch.randn(3, B, H)),
    "state of another batch": (x, torch.randn(2, B + 1, H)),
    "state of another size": (x, torch.randn(2, B, H + 1)),
    "unbatched state": (x, torch.randn(2, H)),
    "batched state": (x[:, 0], torch.randn(2, B, H)),
    "float64 state": (x, torch.randn(2, B, H).double()),
    "packed, of other inputs": (pack_padded_sequence(torch.randn(T, B, D + 1), torch.tensor([T, 5, 2])),),
    "packed, state of another batch": (pack_padded_sequence(x, torch.tensor([T, 5, 2])), torch.randn(2, B + 1, H)),
}


@pytest.mark.parametrize("arguments", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("cls", [MinGRU, SRU])
def test_a_wrong_call_raises_what_nn_gru_raises(cls: type[nn.Module], arguments: tuple[Any, ...]) -> None:
    ours, peer = cls(D, H, num_layers=2), nn.GRU(D, H, num_layers=2)
    kind, text = words(lambda: peer(*arguments))
    assert words(lambda: ours(*arguments)) == (kind, text.replace("GRU", cls.__name__))


@pytest.mark.parametrize("lengths", [[T, 5, 0], [T, -1, 5]], ids=str)
def test_lengths_that_are_not_positive_raise_what_packing_them_raises(lengths: Any) -> None:
    steps = torch.tensor(lengths)
    packing = words(lambda: pack_padded_sequence(x, steps, enforce_sorted=False))
    assert words(lambda: MinGRU(D, H)(x, lengths=steps)) == packing


@pytest.mark.parametrize("lengths", [[T, 5], [T, 5, T + 1], [[T, 5, 2]], [1.0, 2.0, 3.0]], ids=str)
def test_lengths_that_do_not_fit_are_refused(lengths: Any) -> None:
    """torch packs those beyond T without a word, from memory behind the input."""
    with pytest.raises(ValueError, match="lengths must be 3 whole numbers from 1 to 11"):
        MinGRU(D, H)(x, lengths=torch.tensor(lengths))


def test_wrong_resets_masks_and_keywords_say_what_they_must_be() -> None:
    assert "resets must be bool" in words(lambda: MinGRU(D, H)(x, resets=torch.zeros(T, B)))[1]
    assert "resets must be bool" in words(lambda: MinGRU(D, H)(x, resets=torch.zeros(B, T, dtype=torch.bool)))[1]
    assert "mask_pad must have" in words(lambda: SRU(D, H)(x, mask_pad=torch.zeros(T)))[1]
    assert "candidate must be one of" in words(lambda: MinGRU(D, H, candidate="quadratic"))[1]
    assert "pooling must be one of" in words(lambda: QRNN(D, H, pooling="o"))[1]
    assert "window must be" in words(lambda: QRNN(D, H, window=0))[1]
    assert "history goes on forwards" in words(lambda: QRNN(D, H, bidirectional=True)(x, history=[]))[1]
    assert "custom_m is not supported" in words(lambda: SRU(D, H, custom_m=nn.Linear(D, H)))[1]
