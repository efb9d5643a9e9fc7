"""Starts Streamlit in this process, with what the pages need loaded before the first visitor comes."""

from __future__ import annotations

import logging
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
        "theme.dark.primaryColor": "#2577ab",
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
    """Draws the first page for nobody: its imports, plotly's own tables and the newest run's records are then there
    for the first visitor."""
    from streamlit.testing.v1 import AppTest

    logging.disable(logging.CRITICAL)  # Streamlit warns of every call that has no visitor
    try:
        AppTest.from_file(str(APP), default_timeout=60.0).run()
    finally:
        logging.disable(logging.NOTSET)
