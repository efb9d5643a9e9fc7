"""`workbench dashboard`: the pages over profiles/, in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.options import Kernels, Profiles, whole_number
from workbench.problem import Problem


def command(
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
    port: Annotated[int, typer.Option(parser=whole_number, metavar="N", help="Port on this machine.")] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the dashboard. It works on an empty folder too, and needs no GPU and no network."""
    from dashboard.start import serve

    if not 1 <= port <= 65535:
        raise Problem(f"--port {port}: a port lies between 1 and 65535", exit_status=2)
    if kernels is not None and not kernels.is_dir():
        raise Problem(
            f"--kernels {kernels}: no such folder; name one that holds operations and variants", exit_status=2
        )
    serve(profiles, kernels, port, address, browser and can_show(os.environ))


def can_show(environment: Any) -> bool:
    """Whether there is a screen to open a browser on."""
    import sys

    return sys.platform in ("darwin", "win32") or any(environment.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
