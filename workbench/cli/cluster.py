"""`workbench cluster status`: the machines of a cluster, what runs on them, what waits."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Json
from workbench.problem import Problem


def command(
    what: Annotated[str, typer.Argument(metavar="status", help="What to show: status.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="HOST:PORT of the cluster.")] = "127.0.0.1:6379",
    as_json: Json = False,
) -> None:
    """Show the machines of a Ray cluster, and what sweeps do on them."""
    if what != "status":
        raise Problem(f"cluster {what}: `workbench cluster status ADDRESS` is what there is", exit_status=2)
    from workbench.cluster.connect import connected

    with connected(address):
        from workbench.cluster.status import status

        nodes, doing = status()
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps({"nodes": [asdict(one) for one in nodes], "doing": [asdict(one) for one in doing]}, indent=2))
        return
    from workbench.cli.terminal import say
    from workbench.quantity import quantity

    for node in nodes:
        has = ", ".join(f"{value:g} {name}" for name, value in sorted(node.resources.items()))
        labels = "".join(f" {key}={value}" for key, value in sorted(node.labels.items()))
        say(f"{node.name} {node.id[:8]}{labels}: {(has or 'coordinates') if node.alive else 'gone'}")
        for one in doing:
            if not node.id.startswith(one.node):
                continue
            if one.answer is None:
                say("  waits for what others hold, or does not answer")
            else:
                a = one.answer
                what_now = f"{a['doing']}, for {quantity(a['seconds'], 's')}" if a["doing"] else "idle"
                say(f"  {a['run'] or 'a sweep'}: {what_now}; {a['done']} done here, {a['waiting']} wait")
    if not doing:
        say("no sweep runs")
