"""What the journal of a run that was cut off gives back: samples of records not yet there, and counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.sweep.events import Samples
from workbench.sweep.jobs import Begun, VariantJob
from workbench.sweep.simulating import MachineCodeCounts


def entry_of(block: Samples, machine: str = "") -> dict[str, Any]:
    """`machine`: the id of the one that timed it, where a sweep has several of the device."""
    where = {"machine": machine} if machine else {}
    return {
        **where,
        "key": block.key,
        "settings": block.settings,
        "samples_s": block.samples_s,
        "spent_s": block.spent_s,
        "disturbed": block.disturbed,
    }


def entries_of_lost(variants: Iterable[VariantJob]) -> list[dict[str, Any]]:
    """For an attempt that was lost: what it has told of these variants does not count, what they began with does."""
    one = [{"lost": [variant.key for variant in variants]}]
    return one + [_entry(variant.key, variant.begun) for variant in variants if variant.begun is not None]


def _entry(key: str, begun: Begun) -> dict[str, Any]:
    where = {"machine": begun.machine} if begun.machine else {}
    return {
        **where,
        "key": key,
        "settings": dict(begun.settings),
        "samples_s": list(begun.samples_s),
        "spent_s": begun.spent_s,
        "blocks": begun.blocks,
        "disturbed": begun.disturbed,
    }


def begun_in(entries: Iterable[Mapping[str, Any]]) -> dict[str, Begun]:
    """By the keys of records. An entry that lacks something, or holds something else, is progress lost and no more."""
    found: dict[str, Begun] = {}
    for entry in entries:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if "lost" in entry:
                for key in entry["lost"]:
                    found.pop(key, None)
                continue
            key, settings = str(entry["key"]), dict(entry["settings"])
            samples, spent_s = tuple(float(s) for s in entry["samples_s"]), float(entry["spent_s"])
            blocks, disturbed = int(entry.get("blocks", 1)), int(entry.get("disturbed") or 0)
            machine = str(entry.get("machine", ""))
            known = found.get(key, Begun(settings, machine=machine))
            if known.machine != machine:  # samples of two machines are no series
                known = Begun(settings, machine=machine)
            found[key] = Begun(
                known.settings,
                known.samples_s + samples,
                known.spent_s + spent_s,
                known.blocks + blocks,
                known.disturbed + disturbed,
                machine,
            )
    return found


def counted_in(entries: Iterable[Mapping[str, Any]]) -> dict[str, MachineCodeCounts]:
    """What was counted of machine code, by the keys of records."""
    found: dict[str, MachineCodeCounts] = {}
    for entry in entries:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found[str(entry["counted"])] = MachineCodeCounts.model_validate(entry["found"])
    return found
