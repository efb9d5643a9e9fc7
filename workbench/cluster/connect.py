"""Ray, joined at an address or started here for the time of a command; and what of this checkout travels."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN
from workbench.cluster.guard import guarded
from workbench.problem import Problem, installing
from workbench.stdout import kept_clean
from workbench.temporary import temporary_folder

LOCAL = "local"
"""In place of an address: a Ray of this machine alone, started for the command and ended with it."""
NAMESPACE = "workbench"
"""Of the actors of all sweeps in a cluster: what `workbench cluster status` asks."""
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 2,
}
"""With these a machine that is gone is noticed within 2 s; with Ray's own it takes up to 15. docs/cluster.md says how a
cluster is started with them."""
STORE_BYTES = 80 << 20
"""Ray's shared memory in a local cluster: events of a sweep are small."""
REACH_S = 5.0
"""That an address may take to answer."""
INSTALL = "pip install 'scan-workbench[cluster]'"
TRAVELLED = "workbench_kernels_of_one_s_own"
"""The folder in which a user's own kernels arrive on a machine."""
LEFT_OUT = ["**/__pycache__", "**/.git", "**/*.pyc"]


@contextlib.contextmanager
def connected(address: str = LOCAL, kernels: Path | None = None) -> Iterator[None]:
    """Ray for the time of the block. `kernels`: the folder whose declarations and sources every machine gets beside
    this workbench's; none where nothing is to be done there.

    Problem where Ray is not installed, nothing answers at the address, or what answers is another version.
    """
    if importlib.util.find_spec("ray") is None:
        raise Problem(f"--cluster needs Ray, which is not installed: {installing(INSTALL)}")
    if address != LOCAL:
        _require_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with contextlib.ExitStack() as held:
        held.enter_context(kept_clean())  # what Ray has to say of lost machines would go to standard output
        travels = _travelling(kernels, held.enter_context(temporary_folder())) if kernels is not None else {}
        options: dict[str, Any] = {"address": address, "namespace": NAMESPACE, "runtime_env": travels}
        if address == LOCAL:
            held.enter_context(_token())
            folder = held.enter_context(temporary_folder())
            options |= {
                "include_dashboard": False, "object_store_memory": STORE_BYTES, "resources": {"machine": 1},
                "_system_config": HEALTH, "_temp_dir": str(folder),
            }  # fmt: skip
        held.callback(ray.shutdown)
        try:
            with _words_kept() as words:
                ray.init(log_to_driver=False, logging_level="CRITICAL", configure_logging=True, **options)
        except (RuntimeError, ConnectionError, ValueError, OSError, TimeoutError, ray.exceptions.RayError) as error:
            raise Problem(_in_words(address, error, words[0])) from None
        finally:  # Ray puts its own in their place
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if address == LOCAL:
            # Entered last and left last but for its folder: whoever kills this command leaves nothing running.
            held.enter_context(guarded())
        yield


@contextlib.contextmanager
def _token() -> Iterator[None]:
    """A word without which nobody runs code in a local Ray, for its time alone: Ray would write one into the user's
    home, and clusters that are started later would ask for it."""
    own = {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE"} - os.environ.keys()
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _words_kept() -> Iterator[list[str]]:
    """What Ray's own code writes to standard error meanwhile: twenty times the same where it is not let in."""
    words = [""]
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        try:
            yield words
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            words[0] = kept.read().decode(errors="replace")


def _require_answer(address: str) -> None:
    """Ray would try for a minute what a connection answers at once."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise Problem(f"--cluster {address}: an address is HOST:PORT, such as 10.0.0.1:6379", exit_status=2)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        raise Problem(f"--cluster {address}: nothing answers there ({why}); is `ray start --head` running?") from None


def _in_words(address: str, error: Exception, written: str) -> str:
    text = " ".join(str(error).split())
    if "InvalidAuthToken" in text + written:
        return (
            f"--cluster {address}: the cluster asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to that "
            "of its head; see docs/cluster.md"
        )
    there = re.search(r"Version mismatch: The cluster was started with: Ray: (\S+) Python: (\S+) This process .*?"
                      r"was started with: Ray: (\S+) Python: (\S+)", text)  # fmt: skip
    if there:
        ray_there, python_there, ray_here, python_here = (word.rstrip(".") for word in there.groups())
        return (
            f"--cluster {address}: the cluster has Ray {ray_there} with Python {python_there}, this machine Ray "
            f"{ray_here} with Python {python_here}; install the same on both"
        )
    return f"--cluster {address}: Ray cannot be joined or started ({text[:200]}); see docs/cluster.md"


def _travelling(kernels: Path, folder: Path) -> dict[str, Any]:
    """The runtime environment of all that is done on machines: this workbench, its kernels, the user's."""
    modules = [BUILTIN.parent / "workbench", BUILTIN]
    if kernels != BUILTIN:
        # In a folder of a name that shadows no module.
        own = folder / TRAVELLED
        try:
            shutil.copytree(kernels, own / "kernels", ignore=shutil.ignore_patterns("__pycache__", ".git", "*.pyc"))
        except (OSError, shutil.Error) as error:
            raise Problem(f"{kernels}: cannot be sent to other machines ({str(error)[:200]})") from None
        modules.append(own)
    return {"py_modules": [str(module) for module in modules], "excludes": LEFT_OUT}


def labels_of(node: Mapping[str, Any]) -> dict[str, str]:
    """What whoever started a machine has said of it; Ray's own labels are left out."""
    return {key: value for key, value in node.get("Labels", {}).items() if not key.startswith("ray.io/")}


def name_of(node: Mapping[str, Any]) -> str:
    """Its label `name`, else its host's name."""
    return str(labels_of(node).get("name", node["NodeManagerHostname"]))
