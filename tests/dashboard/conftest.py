"""A dashboard that runs, and a browser to look at it with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Server:
    """`workbench dashboard` over a folder, on a free port."""

    def __init__(self, profiles: Path, kernels: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = profiles.parent / f"dashboard-{self.port}.log"
        command = [sys.executable, "-m", "workbench", "dashboard", "--no-browser", "--port", str(self.port)]
        command += ["--kernels", str(kernels)] if kernels else []
        self.process = subprocess.Popen(
            [*command, "--profiles", str(profiles)], cwd=ROOT, stdout=self.log.open("w"), stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def wait(self, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the dashboard ended: {self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the dashboard did not start: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """A dashboard over a folder of runs. It is one for all tests, since each would take seconds to start: its folder is
    that of whoever asked last, who has a link to it meanwhile. With a folder of kernels it is another."""
    home = tmp_path_factory.mktemp("served")
    servers: dict[Path | None, Server] = {}
    lent: dict[Path, Path] = {}
    """The folder of a server → whose runs are there."""

    def over(profiles: Path, kernels: Path | None = None) -> Server:
        served = home / (kernels.name if kernels else "builtin") / "profiles"
        served.parent.mkdir(exist_ok=True)
        for place in [place for place, owner in lent.items() if place == served or owner == profiles]:
            owner = lent.pop(place)
            owner.unlink()
            if place.exists():
                place.rename(owner)
        if profiles.exists():
            profiles.rename(served)
        profiles.symlink_to(served, target_is_directory=True)
        lent[served] = profiles
        if kernels not in servers:
            servers[kernels] = Server(served, kernels)
            servers[kernels].wait()
        return servers[kernels]

    yield over
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A headless Chromium; the tests skip, and say so, where there is none."""
    if not CHROMIUM.is_file():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
