"""The layers to take home: backward passes against the machine, training steps against nn.GRU, and one step's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from kernel_variants.modules import QRNN, SRU, MinGRU, MinLSTM, kernels, passes
from tests.bench.cpu_scan import CEILING_SECONDS, SIZE, TRIAD, in_memory, in_turn, triads
from tests.bench.figure import Figure, of_rounds, over
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
    yield from fading(1024)
    yield from one_step()
    yield from kept()


def backward_passes() -> Iterator[Figure]:
    """In memory like the variants' own, the best round of each and of the ceilings, as cpu_scan compares; what torch's
    own memory and fresh pages of it cost is shown beside it."""
    B, T, H = (SIZE[axis] for axis in "BTH")
    n = B * T * H
    kv, gh, gh_last = in_memory(B, T, 2, H).normal_(), in_memory(B, T, H).normal_(), in_memory(B, H).normal_()
    a, h, h0 = in_memory(B, T, H).uniform_(), in_memory(B, T, H), in_memory(B, H).normal_()
    h.copy_(kernels.gated_scan(kv, h0, None, None, False, False)[0])
    da, db, dkv, dh0 = in_memory(B, T, H), in_memory(B, T, H), in_memory(B, T, 2, H), in_memory(B, H)
    ceilings: list[Mapping[str, float]] = []
    seconds: list[list[float]] = [[] for _ in range(4)]
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
        ceilings.append(measure_cpu_ceilings(CEILING_SECONDS).rates)
        passes = partial(scan_back, 1), partial(gated_back, 1), partial(scan_back, 0), partial(gated_back, 0)
        for samples, more in zip(seconds, in_turn(*passes, rounds=ROUNDS), strict=True):
            samples += more
    triad = triads(ceilings)
    plain, gated, plain_cached, gated_cached = seconds
    by_bytes, by_exp = [6 * 4 * n / rate for rate in triad], [EXPONENTIALS * n / r["exp_per_s"] for r in ceilings]
    bound = max(by_bytes, by_exp, key=min)
    yield of_rounds(TRIAD, triad, "B/s", best=max)
    yield of_rounds("scan backward", plain, "s")
    yield over("scan backward over its bound, 5 values per element at the triad", [5 * 4 * n / rate for rate in triad],
               plain, 0.85, at_least=True)  # fmt: skip
    yield of_rounds("gated_scan backward", gated, "s")
    yield over("gated_scan backward over its bound, 6 values per element or its exponentials", bound, gated, 0.85,
               at_least=True)  # fmt: skip
    yield of_rounds("scan backward with cached stores", plain_cached, "s")
    yield of_rounds("gated_scan backward with cached stores", gated_cached, "s")
    given = [t.clone() for t in (kv, h, h0, gh, gh_last)]
    (fresh,) = in_turn(
        lambda: kernels.gated_scan_backward(*given[:3], None, None, *given[3:], False, False), rounds=ROUNDS
    )
    yield of_rounds("gated_scan backward on torch's tensors, into fresh ones", fresh, "s")


def fading(T: int) -> Iterator[Figure]:
    """A backward pass whose gradients fade over time to nothing, through numbers that a core is slow with, over one
    whose do not. The products around it are torch's."""
    kv, h0 = torch.randn(B, T, 2, H), torch.zeros(B, H)
    kv[:, :, 0] = -2.2  # a tenth of the state goes at each step
    h, _ = passes.gated_scan(kv.requires_grad_(), h0)
    every = torch.ones_like(h)
    last = torch.zeros_like(h)
    last[:, -1] = 1

    def back(gh: torch.Tensor) -> None:
        torch.autograd.grad(h, kv, gh, retain_graph=True)

    fades, stays = in_turn(partial(back, last), partial(back, every), rounds=ROUNDS)
    yield over(f"gated_scan backward of the last output over that of all, T={T}", fades, stays, 1.25)


def training(T: int) -> Iterator[Figure]:
    x = torch.randn(T, B, H)
    ours, peer = MinGRU(H, H), nn.GRU(H, H)

    def step(rnn: nn.Module) -> Callable[[], None]:
        def run() -> None:
            rnn.zero_grad()
            rnn(x)[0].sum().backward()

        return run

    own, theirs = in_turn(step(ours), step(peer), rounds=5 if T < 4096 else 3)
    yield of_rounds(f"MinGRU training step, B={B} T={T} H={H}", own, "s")
    yield over(f"nn.GRU over it, T={T}", theirs, own, 1.0, at_least=True)
    if T == 1024 and (published := mingru_pytorch()) is not None:
        batch_first = x.transpose(0, 1).contiguous()

        def theirs_step() -> None:
            published.zero_grad()
            published(batch_first).sum().backward()

        own, theirs = in_turn(step(MinGRU(H, H, bias=False)), theirs_step, rounds=5)
        yield over(f"minGRU-pytorch over MinGRU, T={T}", theirs, own, 5.0, at_least=True)


def mingru_pytorch() -> Any:
    """The layer of minGRU-pytorch of the same size; None where it is not installed."""
    try:
        from minGRU_pytorch.minGRU import minGRU
    except ImportError:
        return None
    return minGRU(H)


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

        whole, product = in_turn(calls, products, rounds=STEP_ROUNDS)
        beside = (min(whole) - min(product)) / STEP_CALLS
        each = [(one - other) / STEP_CALLS for one, other in zip(whole, product, strict=True)]
        yield of_rounds(f"a call of {type(rnn).__name__} at T=1 beside its product", each, "s", 60e-6,
                        best=lambda _, beside=beside: beside)  # fmt: skip
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
