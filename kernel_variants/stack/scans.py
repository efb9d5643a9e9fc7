"""The scans of a stack's tiles: gated_scan's serial kernel on a GPU, on a CPU the walk that layers take, in either
direction of time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernel_variants.gated_scan import cpu
from kernel_variants.scan.cells import GATED_SCAN, GATED_SCAN_BACKWARD
from kernel_variants.scan.serial_in_time import serial
from kernel_variants.stack.tiles import Scans
from workbench.declare import Argument, Host, Plan, Settings, Shape, Variant

GATED = Path(cpu.__file__).parent
BOTH_WAYS = (False, True)
"""Whether a direction walks from the end of time."""
ON_GPU = Scans(
    tuple(serial(replace(GATED_SCAN, reversed=reverse)) for reverse in BOTH_WAYS),
    tuple(
        serial(replace(GATED_SCAN_BACKWARD, reversed=not reverse, options=(("OF_THE_SECOND_DIRECTION", 1),) * reverse))
        for reverse in BOTH_WAYS
    ),
    ("block",),
)
THERE = ("kv", "h0", None, None, "h", "h_last")
BACK = ("kv", "h", "h0", None, None, "gh", "gh_last", "dkv", "dh0", None)
"""The tensors of walk.cpp and walk_backward.cpp: no weights of the state's own, no marks."""


def on_cpu(past_caches: bool) -> Scans:
    """Outputs `past_caches` where nobody reads them soon."""
    name = "streaming" if past_caches else "simd"
    there = next(v for v in cpu.CPU_VARIANTS if v.name == name)
    back = next(v for v in cpu.BACKWARD_CPU_VARIANTS if v.name == name)
    return Scans(
        tuple(_walk(there, "walk", THERE, reverse, past_caches) for reverse in BOTH_WAYS),
        tuple(_walk(back, "walk_backward", BACK, reverse, past_caches) for reverse in BOTH_WAYS),
        ("threads",),
    )


def _walk(rung: Variant, name: str, tensors: tuple[Argument, ...], reverse: bool, past_caches: bool) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        sizes, how = (shape["B"], shape["T"], shape["H"]), (int(reverse), 0, int(past_caches))
        arguments = (*tensors, *sizes, *how, int(settings["threads"]))
        return Plan((Host(GATED / f"{name}.cpp", f"gated_scan_{name}", arguments),))

    return replace(rung, plan=plan)
