"""`workbench doctor` on machines that a test makes up: every line, in each state that it can have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from typer.testing import CliRunner

from workbench.cli import make_app
from workbench.doctor import Check, Machine, can_sweep, diagnose
from workbench.doctor.machine import Torch

SMI = "| NVIDIA-SMI 580.65.06   Driver Version: 580.65.06   CUDA Version: 13.0 |"
GPU = {
    "name": "NVIDIA H200",
    "driver_version": "580.65.06",
    "compute_cap": "9.0",
    "memory.total": "143771",
    "mig.mode.current": "Disabled",
    "clocks.sm": "345",
    "clocks.max.sm": "1980",
    "clocks_event_reasons.active": "0x0000000000000001",
}
TORCH = Torch("2.13.0", "13.0", True)
ARCHS = ("sm_80", "sm_89", "sm_90", "sm_121")


@dataclass
class Fake(Machine):
    """A machine with an H200 where all is well; a test breaks one thing."""

    programs: dict[str, str] = field(
        default_factory=lambda: {"nvidia-smi": "/usr/bin/nvidia-smi", "ncu": "/usr/bin/ncu"}
    )
    gpu: dict[str, str] = field(default_factory=lambda: dict(GPU))
    smi: str | None = SMI
    ncu_version: str | None = "NVIDIA (R) Nsight Compute Command Line Profiler\nVersion 2026.3.1.0 (build 1)"
    parameters: str | None = "RmProfilingAdminOnly: 0\n"
    admin: bool = False
    running: frozenset[str] = frozenset({"systemd", "bash"})
    torch_: Torch = TORCH
    compiler_: Sequence[str] | str = ("/usr/bin/g++",)
    compiler_says: str | None = "g++ (Debian 12.2.0-14+deb12u1) 12.2.0\n"
    nvrtc_: tuple[str, Sequence[str]] | str = ("13.4.92", ARCHS)
    packages: dict[str, str] = field(
        default_factory=lambda: {
            "nvidia-cuda-runtime": "13.5.37",
            "nvidia-cuda-crt": "13.5.37",
            "nvidia-cuda-cccl": "13.3.5",
            "ncu-report": "2026.3.1",
        }
    )

    def which(self, program: str) -> str | None:
        return self.programs.get(program)

    def output(self, *command: str) -> str | None:
        if command[0] == "nvidia-smi":
            if "nvidia-smi" not in self.programs or self.smi is None:
                return None
            if len(command) == 1:
                return self.smi
            return self.gpu.get(command[1].removeprefix("--query-gpu="))
        if command[0] == "/usr/bin/ncu":
            return self.ncu_version
        return self.compiler_says

    def text(self, path: str) -> str | None:
        return self.parameters if path == "/proc/driver/nvidia/params" else None

    def package(self, name: str) -> str | None:
        return self.packages.get(name)

    def processes(self) -> set[str]:
        return set(self.running)

    def may_read_counters_as_admin(self) -> bool:
        return self.admin

    @property
    def torch(self) -> Torch:  # type: ignore[override]
        return self.torch_

    def compiler(self) -> Sequence[str] | str:
        return self.compiler_

    def nvrtc(self) -> tuple[str, Sequence[str]] | str:
        return self.nvrtc_

    def user(self) -> str:
        return "user 1000"


def laptop(**fields: object) -> Fake:
    """No GPU, no driver, no ncu."""
    nothing = {"programs": {}, "gpu": {}, "smi": None, "parameters": None, "torch_": Torch("2.13.0+cpu", None, False)}
    return Fake(**{**nothing, **fields})  # type: ignore[arg-type]


def line(machine: Machine, name: str) -> Check:
    return next(check for check in diagnose(machine) if check.name == name)


def test_all_is_well() -> None:
    checks = diagnose(Fake())
    assert [check.name for check in checks if check.state != "ok"] == []
    assert can_sweep(checks)
    text = {check.name: check.text for check in checks}
    assert text["driver"] == "580.65.06, CUDA up to 13.0"
    assert text["GPU"] == "NVIDIA H200, 143771 MiB"
    assert text["compute capability"] == "sm_90"
    assert text["ncu"] == "2026.3.1.0 at /usr/bin/ncu"
    assert text["clocks"] == "SM 345 MHz now, 1980 MHz at most"


def test_a_laptop_without_a_gpu_can_sweep() -> None:
    checks = diagnose(laptop())
    assert can_sweep(checks)
    missing = [check.name for check in checks if check.state == "missing"]
    assert missing == [
        "driver", "GPU", "compute capability", "ncu", "counter permission", "MIG", "clocks", "throttling",
    ]  # fmt: skip
    assert not can_sweep(diagnose(laptop(compiler_="no C++ compiler")))
    assert not can_sweep(diagnose(laptop(torch_=Torch(error="No module named 'torch'"))))


def test_a_gpu_needs_no_host_compiler_and_a_host_compiler_no_gpu() -> None:
    assert can_sweep(diagnose(Fake(compiler_="no C++ compiler")))
    assert not can_sweep(diagnose(Fake(compiler_="no C++ compiler", nvrtc_="NVRTC is missing")))


def test_every_line_that_is_not_ok_has_a_fix() -> None:
    for machine in (laptop(), Fake(smi=None), laptop(compiler_="none", nvrtc_="none", packages={})):
        for check in diagnose(machine):
            assert (check.state == "ok") == (check.fix == ""), check


BROKEN = [
    ("driver", Fake(smi=None), "wrong", "reload the driver"),
    ("compute capability", Fake(gpu={**GPU, "compute_cap": "7.0"}), "wrong", "Ampere or later"),
    ("compute capability", Fake(gpu={**GPU, "compute_cap": "13.0"}), "wrong", "pip install -U nvidia-cuda-nvrtc"),
    ("torch", Fake(torch_=Torch(error="No module named 'torch'")), "missing", "pip install torch"),
    ("torch", Fake(torch_=Torch("2.13.0+cpu", None, False)), "wrong", "torch's CUDA build"),
    ("torch", Fake(torch_=Torch("2.13.0", "13.0", False)), "wrong", "update the driver to one for CUDA 13.0"),
    ("NVRTC", Fake(nvrtc_="it is missing"), "missing", "pip install nvidia-cuda-nvrtc"),
    ("NVRTC", Fake(smi=SMI.replace("13.0", "12.8")), "wrong", "nvidia-cuda-nvrtc<13"),
    ("CUDA headers", Fake(packages={}), "missing", "pip install nvidia-cuda-runtime"),
    ("CUDA headers", Fake(nvrtc_=("12.8.93", ARCHS)), "wrong", "all of one CUDA major version"),
    ("C++ compiler", Fake(compiler_="no C++ compiler"), "missing", "apt install g++"),
    ("C++ compiler", Fake(compiler_says="g++ (GCC) 8.5.0 20210514 (Red Hat 8.5.0-4)\n"), "wrong", "g++ 10 or later"),
    ("C++ compiler", Fake(compiler_says=None), "wrong", "g++ 10 or later"),
    ("ncu", Fake(programs={"nvidia-smi": "x"}), "missing", "workbench import"),
    ("ncu", Fake(ncu_version=None), "wrong", "reinstall"),
    ("ncu", Fake(ncu_version="Version 2019.5.0"), "wrong", "since 2021"),
    ("report reader", Fake(packages={}), "missing", "pip install ncu-report"),
    ("counter permission", Fake(parameters="RmProfilingAdminOnly: 1\n"), "wrong", "--cap-add=SYS_ADMIN"),
    ("counter permission", Fake(parameters=None), "missing", "ERR_NVGPUCTRPERM"),
    ("DCGM", Fake(running=frozenset({"nv-hostengine"})), "wrong", "dcgmi profile --pause"),
    ("MIG", Fake(gpu={**GPU, "mig.mode.current": "Enabled"}), "wrong", "nvidia-smi -mig 0"),
    ("throttling", Fake(gpu={**GPU, "clocks_event_reasons.active": "0x0000000000000044"}), "wrong", "let the GPU cool"),
]


@pytest.mark.parametrize(("name", "machine", "state", "fix"), BROKEN, ids=[f"{b[0]}-{b[3]}" for b in BROKEN])
def test_what_is_broken_is_named_with_its_fix(name: str, machine: Machine, state: str, fix: str) -> None:
    check = line(machine, name)
    assert check.state == state
    assert fix in check.fix


def test_admins_may_read_counters() -> None:
    check = line(Fake(parameters="RmProfilingAdminOnly: 1\n", admin=True), "counter permission")
    assert check.state == "ok"


def test_throttle_reasons_are_named() -> None:
    slow = Fake(gpu={**GPU, "clocks_event_reasons.active": "0x0000000000000044"})
    assert line(slow, "throttling").text == "throttled now: power cap, thermal, by hardware"


def test_older_drivers_name_throttle_reasons_otherwise() -> None:
    gpu = {k: v for k, v in GPU.items() if k != "clocks_event_reasons.active"}
    assert line(Fake(gpu={**gpu, "clocks_throttle_reasons.active": "0x20"}), "throttling").state == "wrong"
    assert line(Fake(gpu=gpu), "throttling").state == "missing"
    assert line(Fake(gpu={**GPU, "mig.mode.current": "[N/A]"}), "MIG").state == "ok"


def test_the_command_here() -> None:
    """On whatever machine the tests run: the exit status is what the lines say."""
    result = CliRunner().invoke(make_app(), ["doctor", "--json"])
    answer = json.loads(result.stdout)
    assert (result.exit_code == 0) == answer["can_sweep"]
    assert {"driver", "GPU", "torch", "NVRTC", "C++ compiler", "ncu", "DCGM"} <= {c["name"] for c in answer["checks"]}
    printed = CliRunner().invoke(make_app(), ["doctor"]).stdout
    assert ("a sweep can run here" in printed) == answer["can_sweep"]


def test_it_exits_with_1_where_no_sweep_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.doctor.diagnose", lambda: diagnose(laptop(compiler_="none")))
    result = CliRunner().invoke(make_app(), ["doctor"])
    assert result.exit_code == 1
    assert "a sweep cannot run here" in result.stdout


def test_the_machine_itself_answers() -> None:
    machine = Machine()
    assert machine.which("sh")
    assert machine.which("no-such-program") is None
    assert machine.output("no-such-program") is None
    assert machine.output("false") is None
    assert machine.output("echo", "a") == "a\n"
    assert machine.text("/no/such/file") is None
    assert machine.package("no-such-package") is None
    assert machine.package("pytest")
    assert machine.processes()


def test_wsl_is_told_where_its_switch_is() -> None:
    from workbench.doctor.checks import Gpu, permission

    class Wsl:
        def text(self, path: str) -> str | None:
            return "Linux version 5.15.90.1-microsoft-standard-WSL2" if path == "/proc/version" else None

    found = permission(Gpu("NVIDIA RTX 4090"), Wsl())  # type: ignore[arg-type]
    assert "NVIDIA's control panel" in found.fix and "run as root" not in found.fix


@dataclass
class Placed(Fake):
    """A machine with files that tell where it stands."""

    files: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        return self.files.get(path, super().text(path))


CONTAINER = {"/.dockerenv": ""}
RENTED = {**CONTAINER, "/proc/self/environ": "HOME=/root\0RUNPOD_POD_ID=abc\0"}
WSL = {"/proc/version": "Linux version 5.15.90.1-microsoft-standard-WSL2"}


@pytest.mark.parametrize(
    ("files", "said", "unsaid"),
    [
        ({}, "profile as root", "Windows"),
        (CONTAINER, "start this container with --cap-add=SYS_ADMIN", "as root"),
        (RENTED, "a container of RunPod is not allowed to", "SYS_ADMIN"),
        (WSL, "NVIDIA's control panel", "as root"),
    ],
)
@pytest.mark.parametrize("parameters", ["RmProfilingAdminOnly: 1\n", None])
def test_counters_are_opened_where_that_works(
    files: dict[str, str], said: str, unsaid: str, parameters: str | None
) -> None:
    check = line(Placed(parameters=parameters, files=files), "counter permission")
    assert check.state != "ok" and said in check.fix and unsaid not in check.fix
