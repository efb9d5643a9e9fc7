"""The layers to take home: backward passes against the machine, training steps against nn.GRU, and one step's cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from kernel_variants.modules import QRNN, SRU, MinGRU, MinLSTM, kernels
from tests.bench.cpu_scan import CEILING_SECONDS, SIZE, in_memory, seconds_of
from tests.bench.figure import Figure
from workbench.measure.ceilings_cpu import measure_cpu_ceilings

ROUNDS = 7
STEP_ROUNDS, STEP_CALLS = 60, 50
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


def in_turn(
    *actions: Callable[[], Any], rounds: int = ROUNDS, of: Callable[[list[float]], float] = statistics.median
) -> list[float]:
    """The median seconds of each (or what `of` makes of them), one after the other in every round, so that a
    neighbour's load hits all."""
    samples: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(rounds):
        for seconds, action in zip(samples, actions, strict=True):
            seconds.append(seconds_of(action))
    return [of(seconds) for seconds in samples]


def backward_passes() -> Iterator[Figure]:
    """In memory like the variants' own, the best round of each and of the ceilings, as cpu_scan compares; what torch's
    own memory and fresh pages of it cost is shown beside it."""
    B, T, H = (SIZE[axis] for axis in "BTH")
    n = B * T * H
    kv, gh, gh_last = in_memory(B, T, 2, H).normal_(), in_memory(B, T, H).normal_(), in_memory(B, H).normal_()
    a, h, h0 = in_memory(B, T, H).uniform_(), in_memory(B, T, H), in_memory(B, H).normal_()
    h.copy_(kernels.gated_scan(kv, h0, None, None, False, False)[0])
    da, db, dkv, dh0 = in_memory(B, T, H), in_memory(B, T, H), in_memory(B, T, 2, H), in_memory(B, H)
    ceilings: dict[str, float] = {}
    seconds = [float("inf")] * 4
    at = {name: t.data_ptr() for name, t in locals().items() if isinstance(t, torch.Tensor)}
    scan, gated_scan = kernels.walk("scan", True, "float32"), kernels.walk("gated_scan", True, "float32")
    threads = torch.get_num_threads()

    def scan_back(past_caches: int) -> None:
        scan(*(at[n] for n in ("a", "h", "h0")), None, *(at[n] for n in ("gh", "gh_last", "da", "db", "dh0")), B, T, H,
             0, past_caches, threads)  # fmt: skip

    def gated_back(past_caches: int) -> None:
        gated_scan(at["kv"], at["h"], at["h0"], None, None, *(at[n] for n in ("gh", "gh_last", "dkv", "dh0")), None, B,
                   T, H, 0, 0, past_caches, threads)  # fmt: skip

    for _ in range(3):
        for name, rate in measure_cpu_ceilings(CEILING_SECONDS).rates.items():
            ceilings[name] = max(rate, ceilings.get(name, 0.0))
        passes = partial(scan_back, 1), partial(gated_back, 1), partial(scan_back, 0), partial(gated_back, 0)
        seconds = [min(pair) for pair in zip(seconds, in_turn(*passes, of=min), strict=True)]
    triad = max(ceilings["triad_bytes_per_s"], ceilings["triad_nt_bytes_per_s"])
    plain, gated, plain_cached, gated_cached = seconds
    bound = max(6 * 4 * n / triad, EXPONENTIALS * n / ceilings["exp_per_s"])
    yield Figure("triad, better of plain and non-temporal stores", triad, "B/s")
    yield Figure("scan backward", plain, "s")
    yield Figure("scan backward over its bound, 5 values per element at the triad", 5 * 4 * n / triad / plain, "ratio",
                 0.85, at_least=True)  # fmt: skip
    yield Figure("gated_scan backward", gated, "s")
    yield Figure("gated_scan backward over its bound, 6 values per element or its exponentials", bound / gated, "ratio",
                 0.85, at_least=True)  # fmt: skip
    yield Figure("scan backward with cached stores", plain_cached, "s")
    yield Figure("gated_scan backward with cached stores", gated_cached, "s")
    given = [t.clone() for t in (kv, h, h0, gh, gh_last)]
    (fresh,) = in_turn(
        lambda: kernels.gated_scan_backward(*given[:3], None, None, *given[3:], False, False), rounds=3, of=min
    )
    yield Figure("gated_scan backward on torch's tensors, into fresh ones", fresh, "s")


def training(T: int) -> Iterator[Figure]:
    x = torch.randn(T, B, H)
    ours, peer = MinGRU(H, H), nn.GRU(H, H)

    def step(rnn: nn.Module) -> Callable[[], None]:
        def run() -> None:
            rnn.zero_grad()
            rnn(x)[0].sum().backward()

        return run

    own, theirs = in_turn(step(ours), step(peer), rounds=3 if T < 4096 else 1)
    yield Figure(f"MinGRU training step, B={B} T={T} H={H}", own, "s")
    yield Figure(f"nn.GRU over it, T={T}", theirs / own, "ratio", 1.0, at_least=True)


def one_step() -> Iterator[Figure]:
    """Calls at T = 1 without gradients, less their product, on one thread: a product of two waits for the other. The
    best of many short rounds: what a neighbour takes comes on top of a call as of its product, but not as much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for rnn in (MinGRU(H, H), MinLSTM(H, H), QRNN(H, H), SRU(H, H, 1)):
        x, h = torch.randn(1, B, H), torch.randn(1, B, H)
        weight = rnn.weight_ih_l0.detach()
        bias = torch.zeros(len(weight))

        def calls(rnn: nn.Module = rnn, x: Any = x, h: Any = h) -> None:
            with torch.no_grad():
                for _ in range(STEP_CALLS):
                    rnn(x, h)

        def products(x: Any = x, weight: Any = weight, bias: Any = bias) -> None:
            for _ in range(STEP_CALLS):
                nn.functional.linear(x, weight, bias)

        whole, product = in_turn(calls, products, rounds=STEP_ROUNDS, of=min)
        beside, limit = (whole - product) / STEP_CALLS, 60e-6 if isinstance(rnn, MinGRU) else None
        yield Figure(f"a call of {type(rnn).__name__} at T=1 beside its product", beside, "s", limit)
    torch.set_num_threads(threads)


def kept() -> Iterator[Figure]:
    """What autograd keeps from forward for backward, beside parameters and the input, in values per element of
    output."""
    T = 512
    for name, rnn, limit in (
        ("MinGRU, batch first,", MinGRU(H, H, batch_first=True), 3.2),
        ("MinGRU, time first (its input once more),", MinGRU(H, H), None),
        ("nn.GRU", nn.GRU(H, H), None),
    ):
        x = torch.randn(B, T, H)
        known = {p.untyped_storage().data_ptr() for p in (*rnn.parameters(), x)}
        seen: dict[int, int] = {}

        def keep(t: torch.Tensor, known: set[int] = known, seen: dict[int, int] = seen) -> torch.Tensor:
            storage = t.untyped_storage()
            if storage.data_ptr() not in known:
                seen[storage.data_ptr()] = storage.nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            output = rnn(x)[0]
        kept = sum(seen.values()) / 4 / output.numel()
        yield Figure(f"{name} keeps for backward, values per element", kept, "ratio", limit)
