"""Every pass in terms of one plain scan, in torch: for dtypes and devices that have no kernel of their own for it.

`scan(a, b, h0)` is h_t = a_t h_{t-1} + b_t along dimension 1, all float32 or float64: a loop here, a kernel of the
catalogue on a GPU. What `marks` and `w` mean stands in include/time_walk.hpp and include/gated_walk.hpp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

START_ANEW, SKIPPED = 1, 2

Tensor = Any
"""torch.Tensor; torch comes without types here."""
Scan = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def loop(a: Tensor, b: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    """The scan as a loop over time: a, b (B, T, H), h0 (B, H) → h (B, T, H), h_last (B, H)."""
    h, state = torch.empty_like(b), h0
    for t in range(b.shape[1]):
        state = torch.addcmul(b[:, t], a[:, t], state)
        h[:, t] = state
    return h, state.clone()


def scan_forward(
    scan: Scan, a: Tensor, b: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool
) -> tuple[Tensor, Tensor]:
    a, b, marks = _in_order(a, reverse), _in_order(b, reverse), _in_order(marks, reverse)
    if marks is not None:
        a, b = _decay(a, marks), b.masked_fill(_is(marks, SKIPPED), 0)
    h, h_last = scan(a.contiguous(), b.contiguous(), _initial(h0, b))
    if marks is not None:
        h = h.masked_fill(_is(marks, SKIPPED), 0)
    return _in_order(h, reverse), h_last


def scan_backward(
    scan: Scan,
    a: Tensor,
    h: Tensor,
    h0: Tensor | None,
    marks: Tensor | None,
    gh: Tensor,
    gh_last: Tensor,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a, b, h0. The carry m_t = a_t (gh_t + m_{t+1}) is a scan over flipped time."""
    a, h, gh = _in_order(a, reverse), _in_order(h, reverse), _in_order(gh, reverse)
    marks = _in_order(marks, reverse)
    if marks is not None:
        a, gh = _decay(a, marks), gh.masked_fill(_is(marks, SKIPPED), 0)
    carry, into_state = scan(a.flip(1).contiguous(), (a * gh).flip(1), gh_last.to(a.dtype))
    gradient = gh + torch.cat([carry.flip(1)[:, 1:], gh_last.to(a.dtype)[:, None]], 1)
    to_a = gradient * _before(h, _initial(h0, h), marks)
    if marks is not None:
        skipped = _is(marks, SKIPPED)
        to_a, gradient = to_a.masked_fill(skipped, 0), gradient.masked_fill(skipped, 0)
    return _in_order(to_a, reverse), _in_order(gradient, reverse), into_state


def gated_forward(
    scan: Scan,
    kv: Tensor,
    h0: Tensor | None,
    w: Tensor | None,
    marks: Tensor | None,
    reverse: bool,
    linear: bool,
) -> tuple[Tensor, Tensor]:
    k, v = _wide(kv).unbind(2)
    if w is None:
        h, h_last = scan_forward(scan, torch.sigmoid(-k), torch.sigmoid(k) * _candidate(v, linear), h0, marks, reverse)
        return h.to(kv.dtype), h_last
    k, c, marks = _in_order(k, reverse), _in_order(_candidate(v, linear), reverse), _in_order(marks, reverse)
    state, rows = _initial(h0, k), []
    for t in range(k.shape[1]):
        before = state if marks is None else state.masked_fill((marks[:, t] == START_ANEW)[:, None], 0)
        gate = k[:, t] + w * before
        state = torch.sigmoid(-gate) * before + torch.sigmoid(gate) * c[:, t]
        row = state
        if marks is not None:
            skipped = (marks[:, t] == SKIPPED)[:, None]
            state, row = torch.where(skipped, before, state), state.masked_fill(skipped, 0)
        rows.append(row)
    return _in_order(torch.stack(rows, 1), reverse).to(kv.dtype), state.clone()


def gated_backward(
    scan: Scan,
    kv: Tensor,
    h: Tensor,
    h0: Tensor | None,
    w: Tensor | None,
    marks: Tensor | None,
    gh: Tensor,
    gh_last: Tensor,
    reverse: bool,
    linear: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of kv, h0 and (a sequence each) w. A linear scan whatever the gates see: its decay holds their
    slope."""
    k, v = _wide(kv).unbind(2)
    h = _wide(h)
    before = previous(h, h0, marks, reverse)
    gate = k if w is None else k + w * before
    z, a = torch.sigmoid(gate), torch.sigmoid(-gate)
    slope = z * a * (_candidate(v, linear) - before)
    decay = a if w is None else a + w * slope
    _, gradient, into_state = scan_backward(scan, decay, h, h0, marks, _wide(gh), gh_last, reverse)
    to_k, to_v = gradient * slope, gradient * z
    if not linear:
        s = torch.sigmoid(v)
        to_v = to_v * torch.where(v >= 0, torch.ones_like(v), s * torch.sigmoid(-v))
    to_w = (to_k * before).sum(1) if w is not None else h.new_empty(0)
    return torch.stack([to_k, to_v], 2).to(kv.dtype), into_state, to_w


def previous(h: Tensor, h0: Tensor | None, marks: Tensor | None, reverse: bool) -> Tensor:
    """h_{t-1} of every step in the order of the recurrence, (B, T, H): what its gates may see."""
    ordered = _in_order(h, reverse)
    return _in_order(_before(ordered, _initial(h0, ordered), _in_order(marks, reverse)), reverse)


def _before(h: Tensor, initial: Tensor, marks: Tensor | None) -> Tensor:
    if marks is None:
        return torch.cat([initial[:, None], h[:, :-1]], 1)
    rows = torch.cat([initial[:, None], h], 1)
    # Of every step the last one up to it that is no padding, 0 standing for the initial state.
    place = torch.arange(1, h.shape[1] + 1, device=h.device).expand(marks.shape)
    last = torch.where(marks == SKIPPED, 0, place).cummax(1).values
    from_row = F.pad(last[:, :-1], (1, 0))[..., None].expand_as(h)
    return rows.gather(1, from_row).masked_fill(_is(marks, START_ANEW), 0)


def _candidate(v: Tensor, linear: bool) -> Tensor:
    return v if linear else torch.where(v >= 0, v + 0.5, torch.sigmoid(v))


def _decay(a: Tensor, marks: Tensor) -> Tensor:
    return a.masked_fill(_is(marks, START_ANEW), 0).masked_fill(_is(marks, SKIPPED), 1)


def _is(marks: Tensor, mark: int) -> Tensor:
    return (marks == mark)[..., None]


def _in_order(x: Tensor, reverse: bool) -> Tensor:
    return x.flip(1) if reverse and x is not None else x


def _initial(h0: Tensor | None, like: Tensor) -> Tensor:
    return like.new_zeros(like.shape[0], like.shape[2]) if h0 is None else h0.to(like.dtype)


def _wide(x: Tensor) -> Tensor:
    """As the state is computed: float32 for what is narrower."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
