"""Which machines take part, and what a user is told where none can: without a cluster."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import _with_local_cluster, main
from workbench.cluster.connect import LOCAL, connected
from workbench.problem import Problem
from workbench.store.record import Machine


def test_without_ray_it_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = r"^--cluster needs Ray, which is not installed: .*scan-workbench\[cluster\]"
    with pytest.raises(Problem, match=said), connected(LOCAL):
        pass


def test_nothing_of_it_is_imported_where_no_cluster_is_asked_for() -> None:
    without = (
        "import sys; sys.modules['ray'] = None; import workbench.cluster.connect, workbench.sweep.session; "
        "from workbench.cli import main; sys.argv = ['workbench', 'sweep', '--help']; main()"
    )
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 0 and "--cluster" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "--cluster 127.0.0.1:1: nothing answers there"),
        ("127.0.0.1:99999", "nothing answers there"),
        ("ray://head:10001", "an address is HOST:PORT"),
        ("head", "an address is HOST:PORT"),
    ],
)
def test_where_nothing_answers_it_is_a_line(address: str, said: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(Problem, match=said), connected(address):
        pass


@pytest.mark.parametrize(
    ("raised", "written", "said"),
    [
        ("Failed to connect", "W gcs: Unauthenticated: InvalidAuthToken", "the cluster asks for a token: set"),
        (
            "Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.12.1 This process on node n was "
            "started with: Ray: 2.60.0 Python: 3.11.2.", "",
            "has Ray 2.9.0 with Python 3.12.1, this machine Ray 2.60.0 with Python 3.11.2; install the same on both",
        ),
        ("no room", "", "Ray cannot be joined or started (no room); see docs/cluster.md"),
    ],
)  # fmt: skip
def test_a_cluster_that_lets_nobody_in_is_a_line(
    raised: str, written: str, said: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ray's own code writes of it, twenty times over, is not for a user."""
    ray = pytest.importorskip("ray")

    def refuse(**options: object) -> None:
        os.write(2, written.encode())
        raise ConnectionError(raised)

    monkeypatch.setattr(ray, "init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with pytest.raises(Problem) as end, connected(address):
            pass
    assert said in str(end.value) and "\n" not in str(end.value)
    assert capfd.readouterr() == ("", "")


def test_a_local_ray_has_a_token_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would write one into the user's home, and ask for it in every cluster that is started later."""
    ray = pytest.importorskip("ray")
    found: list[str] = []

    def init(**options: object) -> None:
        found.append(os.environ["RAY_AUTH_TOKEN"])
        os.environ["RAY_AUTH_MODE"] = "token"  # as Ray does

    monkeypatch.setattr(ray, "init", init)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with connected(LOCAL):
            pass
        assert not {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE"} & os.environ.keys()
    assert len(set(found)) == 2 and min(map(len, found)) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    with connected(LOCAL):
        pass
    assert found[-1] == os.environ["RAY_AUTH_TOKEN"] == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scann"], "unknown operation scann: did you mean scan?"),
        (["scan", "--device", "gpu"], "unknown device gpu"),
        (["scan", "--arch", "sm_9"], "sm_9"),
        (["scan", "--name", "a/b"], "a/b"),
    ],
)
def test_what_is_typed_wrong_starts_no_cluster(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.cluster.connect.connected", lambda *_: pytest.fail("a cluster was joined"))
    monkeypatch.setattr(sys, "argv", ["workbench", "sweep", *words, "--cluster", "--profiles", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as end:
        main()
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("workbench: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "runs").exists()


def test_an_address_can_be_left_out() -> None:
    words = ["sweep", "scan", "--cluster", "--T", "64", "--cluster", "10.0.0.1:6379", "--cluster", "scan", "--cluster"]
    assert _with_local_cluster(words) == [
        "sweep", "scan", "--cluster=local", "--T", "64", "--cluster", "10.0.0.1:6379", "--cluster=local", "scan",
        "--cluster=local",
    ]  # fmt: skip


def place(name: str = "a", device: str = "NVIDIA GeForce RTX 4090", parts: int = 1, **versions: str) -> Any:
    pytest.importorskip("ray")
    from workbench.cluster.holder import Greeting, versions_here
    from workbench.cluster.places import Place

    machines = {
        "cuda": Machine(id="cuda", name=device, uuid=f"GPU-0123456{len(name)}-89ab", backend="cuda"),
        "cpu": Machine(id="cpu", name="AMD EPYC, 8 cores", backend="cpu"),
    }
    greeting = Greeting("host", machines, versions_here() | versions, 8)
    share = {"CPU": 8, "GPU": 1, "machine": 1 / parts}
    return Place("node", name, {"kind": "fast"}, share, parts, None, None, greeting)


@pytest.mark.parametrize(
    ("word", "fits"),
    [
        ("rtx4090", True),
        ("RTX 4090", True),
        ("epyc", True),
        ("fast", True),
        ("a", True),
        ("a1", False),
        ("409", False),
        ("h100", False),
    ],
)
def test_a_kind_is_a_word_of_a_machine_s_names(word: str, fits: bool) -> None:
    one = place()
    from workbench.cluster.places import _is

    assert _is(one, word) == fits


def test_a_version_that_differs_is_named_with_its_machine() -> None:
    one = place("far", torch="1.0")
    from workbench.cluster.places import _difference

    assert _difference(place()) is None
    text = _difference(one)
    assert text is not None and text.startswith("far has torch 1.0, this machine ") and "install the same" in text


def test_machines_are_held_whole_or_a_gpu_each_and_their_ids_last(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "remote", lambda holder: holder)
    from workbench.cluster.places import Places

    cpus, gpus = Places(("cpu",), (), False), Places(("cuda", "cpu"), (), False)
    node = {"CPU": 8.0, "GPU": 2.0, "machine": 1.0}
    assert cpus._shares(node) == [{"CPU": 8, "GPU": 0, "machine": 1.0}]
    assert gpus._shares(node) == [{"CPU": 4, "GPU": 1, "machine": 0.5}] * 2
    assert cpus._shares({"memory": 1.0}) == [] and gpus._shares({"CPU": 8.0}) == [{"CPU": 8, "GPU": 0, "machine": 0.0}]
    held = [place("a"), place("a"), place("bb", parts=2)]
    gpus._places = held
    for one in held:
        gpus._name(one)
    assert [one.ids for one in held] == [
        {"cuda": "cuda@a", "cpu": "cpu@a"}, {"cuda": "cuda@a-2", "cpu": "cpu@a-2"}, {"cuda": "cuda@bb-01234562"},
    ]  # fmt: skip
    assert held[2].machine("cuda").host == "bb (host)"


def test_a_kind_that_no_machine_is_of_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    node = {"Alive": True, "NodeID": "n", "Labels": {"kind": "h100"}, "NodeManagerHostname": "host", "Resources": {}}
    monkeypatch.setattr(ray, "remote", lambda holder: holder)
    monkeypatch.setattr(ray, "nodes", lambda: [node])
    from workbench.cluster.places import Places

    wanted = Places(("cpu",), ("h200",), False)
    with pytest.raises(Problem, match=r"^no machine of the cluster has a cpu to time on"):
        wanted.gather()
    wanted._left_out.add("n")
    with pytest.raises(Problem, match=r"^unknown kind of machine h200: did you mean h100\?"):
        wanted.gather()
