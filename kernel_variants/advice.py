"""What somebody who knows gates and scans says about a record: a sentence with its figures, and the rung that mends it.

Counters speak first; where a record has none, what its variant declares does. Each rule names the next variant up
the ladder that has what is missing, on the same device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]

ENOUGH_CHANNELS = 16_384
"""With one thread per channel, B·H of about this many keeps enough bytes in flight on a large GPU."""
ENOUGH_WITH_COPIES = 8_192
"""With a ring of asynchronous copies, each thread keeps more of them in flight and fewer suffice."""
MOST = 0.8
"""A tensor counts as moved once more where at least this share of its bytes is: caches take some."""
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2}
GATE_BYTES = 4
"""a and b are float32 whatever the dtype of the layer."""


def too_few_channels(facts: Facts) -> str | None:
    """One thread per channel, and channels for a part of the chip only: time has to be split as well."""
    factors = facts["factors"]
    serial = "serial" in (factors.get("algorithm"), factors.get("scan")) and factors.get("source") != "torch"
    if not serial or facts["backend"] == "cpu" or not _has(facts, "B", "H"):
        return None
    channels = facts["shape"]["B"] * facts["shape"]["H"]
    waves, blocks = facts["figures"].get("waves"), facts["figures"].get("grid_blocks")
    if waves is not None and blocks is not None and facts["launches"]["counted"] == 1:
        if waves >= 1:
            return None
        figures = f"{channels:,} channels make {blocks:,.0f} blocks, {waves:.2f} of what the chip holds at once"
    elif channels < (enough := ENOUGH_WITH_COPIES if "asynchronous" in factors.get("memory", "") else ENOUGH_CHANNELS):
        figures = f"{channels:,} channels are few: about {enough:,} keep a large GPU busy this way"
    else:
        return None
    time_split = ("three-phase", "look-back")
    return _with_rung(
        f"B·H = {figures}; split time as well",
        facts,
        lambda f: f.get("algorithm", "").startswith(time_split) or f.get("scan", "").startswith(time_split),
    )


def a_launch_a_step(facts: Facts) -> str | None:
    """As many launches as time steps, or more: their cost is the time."""
    if not _has(facts, "T") or facts["shape"]["T"] < 2:
        return None
    launches = facts["launches"]["counted"] or facts["launches"]["declared"]
    steps = facts["shape"]["T"]
    if not launches or launches < steps:
        return None

    def all_at_once(factors: Mapping[str, str]) -> bool:
        one_pass = factors.get("algorithm", "serial") == "serial"
        return one_pass and "per step" not in " ".join(factors.values()) and "torch" not in factors.get("source", "")

    text = (
        f"{launches:,} launches for T = {steps:,}, {launches / steps:.1f} a step, each with its cost whatever it does"
    )
    return _with_rung(text, facts, all_at_once)


def a_second_read_of_x(facts: Facts) -> str | None:
    """Gates that read the layer's input once each, in kernels of their own."""
    apart = facts["factors"].get("fusion") == "none" and facts["factors"].get("source") == "cuda"
    if (
        facts["operation"] != "gate"
        or facts["pass"] != "forward"
        or not apart
        or not _has(facts, "B", "T", "D")
        or facts["bytes"]["least"] is None
    ):
        return None
    shape = facts["shape"]
    element = ELEMENT_BYTES.get(shape.get("dtype", ""))
    if element is None:
        return None
    x_bytes = shape["B"] * shape["T"] * shape["D"] * element
    written = 2 * GATE_BYTES * shape["B"] * shape["T"] * shape.get("H", 0)
    least_read = facts["bytes"]["least"] - written
    read, source = facts["dram_read_bytes"], "counted"
    if read is None and facts["bytes"]["declared"] is not None:
        read, source = facts["bytes"]["declared"] - written, "declared"
    if read is None or read < least_read + MOST * x_bytes:
        return None
    text = f"reads {_mb(read)} ({source}) where {_mb(least_read)} would do: x, {_mb(x_bytes)}, is read more than once"
    return _with_rung(text, facts, lambda f: f.get("fusion") == "gates")


def gates_written(facts: Facts) -> str | None:
    """a and b go through DRAM between gates and scan, though both could happen in one kernel."""
    if facts["operation"] not in ("gated_scan", "layer") or not _has(facts, "B", "T", "H"):
        return None
    if facts["pass"] != "forward":  # a backward pass has other tensors between its steps
        return None
    if facts["bytes"]["least"] is None or (facts["launches"]["counted"] or facts["launches"]["declared"] or 2) < 2:
        return None
    shape = facts["shape"]
    both = 2 * GATE_BYTES * shape["B"] * shape["T"] * shape["H"]
    moved, source = facts["bytes"]["counted"], "counted"
    if moved is None:
        moved, source = facts["bytes"]["declared"], "declared"
    unfused = facts["factors"].get("fusion") in ("none", "gates") or facts["factors"].get("gate") not in (
        None,
        "in the scan",
        "in the cell",
    )
    if not unfused or moved is None or moved < facts["bytes"]["least"] + MOST * 2 * both:
        return None
    text = (
        f"moves {_mb(moved)} ({source}) where {_mb(facts['bytes']['least'])} would do: a and b, {_mb(both)}, are "
        "written and read again between gates and scan"
    )
    # A gate kernel that forms the products itself writes a and b in place of k and v: gates inside the scan would
    # move as much, only the scan inside the product moves less.
    own_product = facts["factors"].get("gate", "").startswith("fused")
    place = ("in the product",) if own_product else ("in the scan",)
    return _with_rung(text, facts, lambda f: f.get("gate") in place or ("gate" not in f and "fusion" not in f))


ADVICE: tuple[Callable[[Facts], str | None], ...] = (
    too_few_channels,
    a_launch_a_step,
    a_second_read_of_x,
    gates_written,
)


def _has(facts: Facts, *axes: str) -> bool:
    return all(isinstance(facts["shape"].get(axis), int) for axis in axes)


def _with_rung(text: str, facts: Facts, mends: Callable[[Mapping[str, str]], bool]) -> str:
    """The sentence, and the next variant up the ladder of the same pass and device that has what is missing."""
    device = "cpu" if facts["backend"] == "cpu" else "cuda"
    own = next((v["rung"] for v in facts["variants"] if v["name"] == facts["variant"]), 0)
    keys = [v["key"] for v in facts["variants"] if v["rung"] > own and device in v["devices"] and mends(v["factors"])]
    return f"{text}: avoided by {keys[0]}" if keys else text


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
