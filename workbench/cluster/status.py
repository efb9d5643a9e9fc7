"""The machines of a cluster, and what sweeps do on them, as `workbench cluster status` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray

from workbench.cluster.connect import NAMESPACE, labels_of, name_of

ANSWER_S = 10.0
"""That holders may take to answer, all of them together."""


@dataclass(frozen=True)
class Node:
    """A machine that is in the cluster."""

    name: str
    id: str
    alive: bool
    resources: dict[str, float]
    labels: dict[str, str]


@dataclass(frozen=True)
class Doing:
    """A holder of a sweep."""

    node: str
    """The machine's id, its first digits."""
    answer: dict[str, Any] | None
    """See `Holder.status`; None where it does not answer, or waits for a machine that others hold."""


def status() -> tuple[list[Node], list[Doing]]:
    """Machines, those that are gone last, and holders of all sweeps. Ray must be connected."""
    nodes = [
        Node(
            name=name_of(node),
            id=node["NodeID"],
            alive=node["Alive"],
            resources={k: v for k, v in node["Resources"].items() if k in ("CPU", "GPU", "machine")},
            labels=labels_of(node),
        )
        for node in ray.nodes()
    ]
    named = [one["name"] for one in ray.util.list_named_actors(all_namespaces=True) if one["namespace"] == NAMESPACE]
    asked: dict[str, Any] = {}
    for name in named:
        try:
            asked[name] = ray.get_actor(name, namespace=NAMESPACE).status.remote()
        except ValueError:  # gone meanwhile
            continue
    ready = set(ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_S)[0]) if asked else set()
    doing = []
    for name, reference in asked.items():
        answer = None
        if reference in ready:
            try:
                answer = ray.get(reference)
            except ray.exceptions.RayError:
                continue
        doing.append(Doing(name.split()[1], answer))
    return sorted(nodes, key=lambda node: (not node.alive, node.name)), doing
