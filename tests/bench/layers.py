"""The layers to take home: backward passes against the machine, training steps against nn.GRU, and one step's cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from kernel_variants.modules import MinGRU, kernels
from tests.bench.cpu_scan import CEILING_SECONDS, SIZE, seconds_of
from tests.bench.figure import Figure
from workbench.measure.ceilings_cpu import measure_cpu_ceilings

ROUNDS = 7
EXPONENTIALS = 2
"""Of the gates, an element, in backward as in forward."""
B, H = 16, 256


def measure() -> Iterator[Figure]:
    torch.manual_seed(0)
    yield from backward_passes()
    for T in (256, 1024, 4096):
        yield from training(T)
    yield from one_step()
    yield from kept()


def in_turn(*actions: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """The median seconds of each, one after the other in every round, so that a neighbour's load hits all."""
    samples: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(rounds):
        for seconds, action in zip(samples, actions, strict=True):
            seconds.append(seconds_of(action))
    return [statistics.median(seconds) for seconds in samples]


def backward_passes() -> Iterator[Figure]:
    B, T, H = (SIZE[axis] for axis in "BTH")
    n = B * T * H
    kv, gh, gh_last = torch.randn(B, T, 2, H), torch.randn(B, T, H), torch.randn(B, H)
    a, h0 = torch.rand(B, T, H), torch.randn(B, H)
    h, _ = kernels.gated_scan(kv, h0, None, None, False, False)
    ceilings: dict[str, list[float]] = {}
    seconds: list[list[float]] = [[], []]
    for _ in range(3):
        for name, rate in measure_cpu_ceilings(CEILING_SECONDS).items():
            ceilings.setdefault(name, []).append(rate)
        found = in_turn(
            lambda: kernels.scan_backward(a, h, h0, None, gh, gh_last, False),
            lambda: kernels.gated_scan_backward(kv, h, h0, None, None, gh, gh_last, False, False),
        )
        for collected, value in zip(seconds, found, strict=True):
            collected.append(value)
    rates = {name: statistics.median(values) for name, values in ceilings.items()}
    triad = max(rates["triad_bytes_per_s"], rates["triad_nt_bytes_per_s"])
    plain, gated = (statistics.median(values) for values in seconds)
    bound = max(6 * 4 * n / triad, EXPONENTIALS * n / rates["exp_per_s"])
    yield Figure("scan backward", plain, "s")
    yield Figure("scan backward over its bound, 5 values an element at the triad", 5 * 4 * n / triad / plain, "ratio",
                 0.85, at_least=True)  # fmt: skip
    yield Figure("gated_scan backward", gated, "s")
    yield Figure("gated_scan backward over its bound, 6 values an element or its exponentials", bound / gated, "ratio",
                 0.85, at_least=True)  # fmt: skip


def training(T: int) -> Iterator[Figure]:
    x = torch.randn(T, B, H)
    ours, peer = MinGRU(H, H), nn.GRU(H, H)

    def step(rnn: nn.Module) -> Callable[[], None]:
        def run() -> None:
            rnn.zero_grad()
            rnn(x)[0].sum().backward()

        return run

    own, theirs = in_turn(step(ours), step(peer), rounds=5 if T < 4096 else 3)
    yield Figure(f"MinGRU training step, B={B} T={T} H={H}", own, "s")
    yield Figure(f"nn.GRU over it, T={T}", theirs / own, "ratio", 1.0, at_least=True)


def one_step() -> Iterator[Figure]:
    """A call at T = 1 without gradients, less its product."""
    rnn, x, h = MinGRU(H, H), torch.randn(1, B, H), torch.randn(1, B, H)
    weight, bias = rnn.weight_ih_l0.detach(), rnn.bias_ih_l0.detach()

    def calls() -> None:
        with torch.no_grad():
            for _ in range(200):
                rnn(x, h)

    def products() -> None:
        for _ in range(200):
            nn.functional.linear(x, weight, bias)

    whole, product = in_turn(calls, products)
    yield Figure("a call at T=1 beside its product", (whole - product) / 200, "s", 60e-6)


def kept() -> Iterator[Figure]:
    """What autograd keeps from forward for backward, beside parameters and the input, in values an element of
    output."""
    T = 512
    for name, rnn, limit in (("MinGRU", MinGRU(H, H), 3.2), ("nn.GRU", nn.GRU(H, H), None)):
        x = torch.randn(T, B, H)
        known = {p.untyped_storage().data_ptr() for p in (*rnn.parameters(), x)}
        seen: dict[int, int] = {}

        def keep(t: torch.Tensor, known: set[int] = known, seen: dict[int, int] = seen) -> torch.Tensor:
            storage = t.untyped_storage()
            if storage.data_ptr() not in known:
                seen[storage.data_ptr()] = storage.nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            output = rnn(x)[0]
        elements = output.numel()
        yield Figure(f"{name} keeps for backward, values an element", sum(seen.values()) / 4 / elements, "ratio", limit)
