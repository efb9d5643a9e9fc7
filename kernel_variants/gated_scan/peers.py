"""Gates and scan with other people's kernels: pre-activations in, states out, everything between them timed."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.gated_scan import in_torch
from kernel_variants.scan import backward_in_torch
from kernel_variants.scan import peers as scan_peers
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant


def log_gates(kv: Any) -> tuple[Any, Any]:
    """kv (B, T, 2, H) → log a = log sigma(-k) and b, in kv's dtype: what HGRN's layer hands to its kernel."""
    import torch

    k, v = kv[:, :, 0].float(), kv[:, :, 1].float()
    candidate = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
    b = torch.sigmoid(k) * candidate
    return torch.nn.functional.logsigmoid(-k).to(kv.dtype), b.to(kv.dtype)


def hgrn_gated(kv: Any, h0: Any, gates: str, form: str) -> tuple[Any, Any]:
    log_decay, inputs = (scan_peers.compiled(log_gates) if gates == "compiled" else log_gates)(kv)
    h, last = scan_peers.hgrn(log_decay, inputs, h0, form)
    return h, last


def _plan(shape: Shape, settings: Settings) -> Plan:
    return Plan(
        (
            Call(
                partial(hgrn_gated, gates=str(settings["gates"]), form=str(settings["form"])),
                ("kv", "h0"),
                ("h", "h_last"),
            ),
        )
    )


def _cost(shape: Shape, settings: Settings) -> Cost:
    """Compiled gates are one pass of 4 values per element; eager ones an operation each, about 11 in float32 and the
    casts. HGRN then reads 2 and writes 1; in chunks it writes and reads float32 sums and states besides."""
    E, n, T = shape.element_bytes, shape["B"] * shape["T"] * shape["H"], shape["T"]
    fused = settings["gates"] == "compiled"
    gates = Cost(4 * E * n if fused else (4 * E + 22 * 4) * n, 8 * n, special=4 * n, launches=1 if fused else 12)
    if settings["form"] == "chunk":
        return gates + Cost((3 * E + 5 * 4) * n, 5 * n, special=2 * n, launches=3, serial_steps=128 + T // 128)
    return gates + Cost(3 * E * n, 2 * n, special=n, launches=1, serial_steps=T)


PEER_VARIANTS = (
    Variant(
        name="fla_hgrn",
        operation="gated_scan",
        devices=("cuda",),
        own_kernels=False,
        idea="gates in torch, then fla-core's HGRN, recurrent or in chunks",
        plan=_plan,
        cost=_cost,
        factors={"source": "fla", "peer": "yes", "fusion": "none"},
        settings={"gates": ("eager", "compiled"), "form": ("fused_recurrent", "chunk")},
        requires=(*scan_peers.FLA, scan_peers.TRITON),
        rung=scan_peers.FIRST_RUNG,
    ),
)


def batched_backward(kv: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any]:
    """The chain rule for all steps at once, around torch's associative_scan over flipped time."""
    return in_torch.chain_rule(backward_in_torch.associative_scan, kv, h, h0, gh, gh_last)


def compiled_backward(kv: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any]:
    dkv, dh0 = scan_peers.compiled(batched_backward)(kv, h, h0, gh, gh_last)
    return dkv, dh0


def compiled_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """The scan's, with k and v read before it and once more behind it, and dk and dv written, for a, da and db."""
    n, E = shape["B"] * shape["T"] * shape["H"], shape.element_bytes
    gates = Cost(n * (6 * E - 3 * 4), flops=12 * n, special=5 * n, launches=2)
    kept = Cost(0, kept_bytes=n * (2 * E - 4))
    return scan_peers.compiled_backward_cost(shape, settings) + gates + kept


BACKWARD_PEERS = (
    scan_peers.backward_on_a_cpu(
        "gated_scan",
        "torch.compile of the chain rule around associative_scan over flipped time",
        compiled_backward,
        compiled_backward_cost,
        in_torch.BACKWARD_NAMES,
        in_torch.GRADIENTS,
    ),
)
