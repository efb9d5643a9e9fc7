"""The best variant over the best peer, shape by shape: is anybody else's code faster?

A peer is a variant whose factors say so (`peer=yes`): somebody else's package, or a library's own form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.statistics.intervals import ratio_interval
from workbench.store.record import Record


@dataclass(frozen=True)
class AgainstPeer:
    """The two fastest of a shape, by the same timer on the same device."""

    best: Record
    peer: Record
    ratio: float
    """Median of the peer over that of the best: over 1 where the best is ahead."""
    low: float
    high: float
    """The ratio's 95 % interval."""


def is_peer(record: Record) -> bool:
    return record.factors.get("peer") == "yes"


def against_peers(records: Iterable[Record]) -> list[AgainstPeer]:
    """A comparison for every operation, shape, device and timer at which both a peer and another variant have times,
    in the order of the records."""
    places: dict[str, list[Record]] = {}
    for record in records:
        if record.time is not None:
            place = [record.operation, record.pass_, record.shape, record.machine, record.time.timer, record.time.cache]
            places.setdefault(json.dumps(place, sort_keys=True), []).append(record)
    found = []
    for group in places.values():
        peers = sorted(filter(is_peer, group), key=_median_s)
        own = sorted((r for r in group if not is_peer(r)), key=_median_s)
        if peers and own:
            best, peer = own[0], peers[0]
            low, high = ratio_interval(best.samples_s, peer.samples_s)
            found.append(AgainstPeer(best, peer, _median_s(peer) / _median_s(best), low, high))
    return found


def _median_s(record: Record) -> float:
    assert record.time is not None
    return record.time.median_s
