"""Starts Streamlit in this process, with what the pages need loaded before the first visitor comes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from dashboard.folders import KERNELS, PROFILES
from workbench.problem import Problem

APP = Path(__file__).resolve().with_name("app.py")


def options(port: int, address: str, browser: bool) -> dict[str, Any]:
    """Streamlit's settings: nothing leaves this machine, nothing is fetched, no files are watched."""
    return {
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "full",
        "server.address": address,
        "server.port": port,
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 2000,
        "global.developmentMode": False,
        "theme.light.primaryColor": "#2f6691",
        "theme.dark.primaryColor": "#2a8cc4",
    }


def serve(profiles: Path, kernels: Path | None, port: int, address: str, browser: bool) -> None:
    """Serves until interrupted. Problem where the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise Problem(f"--port {port}: {error.strerror}; choose another with --port", exit_status=2) from None
    os.environ[PROFILES] = str(profiles.resolve())
    if kernels is not None:
        os.environ[KERNELS] = str(kernels.resolve())
    from streamlit.web import bootstrap

    settings = options(port, address, browser)
    bootstrap.load_config_options(settings)
    load_ahead()
    bootstrap.run(str(APP), False, [], settings)


def load_ahead() -> None:
    """Does once, for nobody, what the first page does: imports, plotly's own tables, the newest run's records."""
    import workbench.analyse.advice
    import workbench.analyse.occupancy  # noqa: F401
    from dashboard.context import Context, catalogue, ladder_places, profiles_folder
    from workbench.analyse.figures.ladder import moved, times
    from workbench.analyse.query import choices
    from workbench.analyse.runs import list_summaries
    from workbench.analyse.selection import Selection

    known, style = ladder_places()
    runs = list_summaries(profiles_folder())
    newest = tuple(run for run in runs if run.state != "corrupt")[:1]
    choices(newest)
    context = Context(profiles_folder(), catalogue(), known, style, runs, newest, None, None, Selection())
    timed = context.records[context.records["time.median_s"].notna()].head(5)
    if len(timed):
        rows = context.ladder(timed)
        times(rows, style)
        moved(rows, style)
