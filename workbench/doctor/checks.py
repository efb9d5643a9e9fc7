"""The lines of `workbench doctor`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from workbench.doctor.machine import Machine
from workbench.measure.observe_gpu import THROTTLE_REASONS

State = Literal["ok", "missing", "wrong"]

NO_GPU = "run it on a machine with an NVIDIA GPU; without one, CPU variants are timed and CUDA kernels simulated"
SEE_GPU = "as for the GPU"
OLDEST_COMPILER = 10
"""GCC 10 is the first with the C++20 that the CPU kernels and the simulator are written in."""
RENTED = {"RUNPOD_POD_ID": "RunPod", "MODAL_TASK_ID": "Modal", "VAST_CONTAINERLABEL": "Vast.ai"}
"""Variables by which a container shows whose it is."""
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
DCGM = {"nv-hostengine", "dcgm-exporter", "dcgm"}
HEADER_PACKAGES = ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-cccl")


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it stands, and what to do."""

    name: str
    state: State
    text: str
    fix: str = ""


@dataclass
class Gpu:
    """The first GPU as nvidia-smi describes it; an empty `name` where there is none."""

    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def diagnose(machine: Machine | None = None) -> list[Check]:
    """Every line, in the order in which one thing needs another."""
    machine = machine or Machine()
    gpu = _gpu(machine)
    lines: list[Callable[[], Check]] = [
        lambda: driver(machine),
        lambda: gpu_line(gpu),
        lambda: capability(gpu, machine),
        lambda: torch(gpu, machine),
        lambda: nvrtc(gpu, machine),
        lambda: headers(machine),
        lambda: compiler(machine),
        lambda: ncu(machine),
        lambda: reader(machine),
        lambda: permission(gpu, machine),
        lambda: dcgm(machine),
        lambda: mig(gpu),
        lambda: clocks(gpu),
        lambda: throttling(gpu),
    ]
    return [line() for line in lines]


def can_sweep(checks: Iterable[Check]) -> bool:
    """Whether the main job can run: torch, and either a GPU with all that its kernels need or a C++ compiler."""
    state = {check.name: check.state for check in checks}
    on_gpu = all(state[name] == "ok" for name in ("driver", "GPU", "compute capability", "NVRTC", "CUDA headers"))
    return state["torch"] == "ok" and (on_gpu or state["C++ compiler"] == "ok")


# ------------------------------------------------------------------------------------------------- the machine


def _gpu(machine: Machine) -> Gpu:
    """One query a field: an older driver refuses a whole query for one field that it does not know."""
    names = machine.output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not names or not names.strip():
        return Gpu()
    gpu = Gpu(names.splitlines()[0].strip())
    for wanted in (
        "driver_version", "compute_cap", "memory.total", "mig.mode.current", "clocks.sm", "clocks.max.sm",
        "clocks_event_reasons.active", "clocks_throttle_reasons.active",
    ):  # fmt: skip
        text = machine.output("nvidia-smi", f"--query-gpu={wanted}", "--format=csv,noheader,nounits")
        value = text.splitlines()[0].strip() if text and text.strip() else ""
        if value and not value.startswith("["):  # [N/A], [Not Supported]
            gpu.fields[wanted] = value
    return gpu


def driver(machine: Machine) -> Check:
    if machine.which("nvidia-smi") is None:
        return Check("driver", "missing", "no nvidia-smi on PATH", NO_GPU)
    text = machine.output("nvidia-smi")
    if text is None:
        fix = "reload the driver or reboot; in a container, start it with --gpus all"
        return Check("driver", "wrong", "nvidia-smi fails or does not answer", fix)
    version = re.search(r"Driver Version:\s*([\d.]+)", text)
    cuda = re.search(r"CUDA(?: UMD)? Version:\s*([\d.]+)", text)
    return Check("driver", "ok", f"{version[1] if version else '?'}, CUDA up to {cuda[1] if cuda else '?'}")


def gpu_line(gpu: Gpu) -> Check:
    if not gpu.name:
        return Check("GPU", "missing", "none", NO_GPU)
    memory = gpu.fields.get("memory.total", "?")
    return Check("GPU", "ok", f"{gpu.name}, {memory} MiB")


def capability(gpu: Gpu, machine: Machine) -> Check:
    if not gpu.name:
        return Check("compute capability", "missing", "no GPU", SEE_GPU)
    arch = "sm_" + gpu.fields.get("compute_cap", "").replace(".", "")
    compiler = machine.nvrtc()
    if isinstance(compiler, str) or arch in compiler[1]:
        return Check("compute capability", "ok", arch)
    known = compiler[1]
    fix = f"update NVRTC (pip install -U nvidia-cuda-nvrtc); it compiles for {known[0]} to {known[-1]}"
    if arch < "sm_80" and len(arch) == 5:
        fix = "the kernels need Ampere or later (asynchronous copies, bf16): use a newer GPU"
    return Check("compute capability", "wrong", f"{arch} is not one that NVRTC {compiler[0]} compiles for", fix)


# ------------------------------------------------------------------------------------------------- the software


def torch(gpu: Gpu, machine: Machine) -> Check:
    found = machine.torch
    if found.error is not None:
        return Check("torch", "missing", found.error, "pip install torch")
    text = f"{found.version}, CUDA {found.cuda or 'none'}"
    if not gpu.name or found.available:
        return Check("torch", "ok", text)
    if found.cuda is None:
        fix = "install torch's CUDA build (pip install torch, not from the cpu index): the GPU is not used now"
        return Check("torch", "wrong", f"{text}: a CPU build on a machine with a GPU", fix)
    fix = f"update the driver to one for CUDA {found.cuda}, or install a torch for the driver's CUDA"
    return Check("torch", "wrong", f"{text}, but it cannot use the GPU", fix)


def nvrtc(gpu: Gpu, machine: Machine) -> Check:
    found = machine.nvrtc()
    if isinstance(found, str):
        return Check("NVRTC", "missing", found, "pip install nvidia-cuda-nvrtc 'cuda-core[cu13]'")
    version, archs = found
    text = f"{version}, {archs[0]} to {archs[-1]}"
    supported = re.search(r"CUDA(?: UMD)? Version:\s*(\d+)", machine.output("nvidia-smi") or "") if gpu.name else None
    major = version.partition(".")[0]
    if supported and int(supported[1]) < int(major):
        fix = f"update the driver, or pip install 'nvidia-cuda-nvrtc<{int(supported[1]) + 1}' with its headers"
        return Check("NVRTC", "wrong", f"{text}: the driver runs code of CUDA {supported[1]} at most", fix)
    return Check("NVRTC", "ok", text)


def headers(machine: Machine) -> Check:
    versions = {name: machine.package(name) for name in HEADER_PACKAGES}
    absent = [name for name, version in versions.items() if version is None]
    if absent:
        return Check("CUDA headers", "missing", f"no {', '.join(absent)}", f"pip install {' '.join(absent)}")
    text = ", ".join(f"{name.removeprefix('nvidia-cuda-')} {version}" for name, version in versions.items())
    compiler = machine.nvrtc()
    majors = {str(version).partition(".")[0] for version in versions.values()}
    if not isinstance(compiler, str):
        majors.add(compiler[0].partition(".")[0])
    if len(majors) > 1:
        fix = f"pip install -U {' '.join(HEADER_PACKAGES)} nvidia-cuda-nvrtc: all of one CUDA major version"
        return Check("CUDA headers", "wrong", f"{text}: of another CUDA than NVRTC", fix)
    return Check("CUDA headers", "ok", text)


def compiler(machine: Machine) -> Check:
    found = machine.compiler()
    fix = "install g++ 10 or later (apt install g++), or name another one in CXX"
    if isinstance(found, str):
        return Check("C++ compiler", "missing", found, fix)
    first = (machine.output(*found, "--version") or "").split("\n")[0]
    version = re.search(r"(\d+)\.\d+(?:\.\d+)?\s*(?:\d{8}.*)?$", first)
    if not first:
        return Check("C++ compiler", "wrong", f"{' '.join(found)} --version fails", fix)
    if version and int(version[1]) < OLDEST_COMPILER:
        return Check("C++ compiler", "wrong", f"{first}: older than its C++20 needs", fix)
    return Check("C++ compiler", "ok", first)


# --------------------------------------------------------------------------------------------------- profiling


def ncu(machine: Machine) -> Check:
    path = machine.which("ncu")
    if path is None:
        fix = "install Nsight Compute (apt install nsight-compute, or with the CUDA toolkit) and put ncu on PATH; "
        fix += "reports made elsewhere are read without it: workbench import"
        return Check("ncu", "missing", "not on PATH", fix)
    version = re.search(r"Version\s+([\d.]+)", machine.output(path, "--version") or "")
    if version is None:
        return Check("ncu", "wrong", f"{path} --version fails", "reinstall Nsight Compute")
    if int(version[1].partition(".")[0]) < 2021:
        return Check("ncu", "wrong", f"{version[1]} at {path}", "update Nsight Compute: reports are read since 2021")
    return Check("ncu", "ok", f"{version[1]} at {path}")


def reader(machine: Machine) -> Check:
    version = machine.package("ncu-report")
    if version is None:
        return Check("report reader", "missing", "no ncu-report", "pip install ncu-report")
    return Check("report reader", "ok", f"ncu-report {version}")


def permission(gpu: Gpu, machine: Machine) -> Check:
    name = "counter permission"
    parameters = machine.text("/proc/driver/nvidia/params")
    if parameters is None:
        if not gpu.name:
            return Check(name, "missing", "no NVIDIA driver", SEE_GPU)
        fix = f"it shows when profiling; if ncu says ERR_NVGPUCTRPERM: {_open_counters(machine)}"
        return Check(name, "missing", "/proc/driver/nvidia/params cannot be read", fix)
    restricted = re.search(r"RmProfilingAdminOnly:\s*1", parameters) is not None
    if not restricted:
        return Check(name, "ok", "counters are open to every user")
    if machine.may_read_counters_as_admin():
        return Check(name, "ok", f"counters are for admins, and this is one ({machine.user()} with CAP_SYS_ADMIN)")
    text = f"counters are for admins only (RmProfilingAdminOnly: 1), {machine.user()}"
    return Check(name, "wrong", text, _open_counters(machine))


def _open_counters(machine: Machine) -> str:
    """How to get at the counters on a machine of this kind, as far as it can be done."""
    if _is_wsl(machine):
        return (
            "under WSL2 Windows decides: NVIDIA's control panel, Developer, Manage GPU Performance Counters, allow "
            "access to all users; being root here, or NVreg_ options, change nothing"
        )
    variables = {line.partition("=")[0] for line in (machine.text("/proc/self/environ") or "").split("\0")}
    rented = next((name for variable, name in RENTED.items() if variable in variables), None)
    if rented:
        return (
            f"a container of {rented} is not allowed to, and nothing inside it can change that; profile on a machine "
            "that is yours as a whole, and bring the report: workbench import"
        )
    if any(machine.text(mark) is not None for mark in CONTAINER_MARKS):
        return (
            "start this container with --cap-add=SYS_ADMIN, or load the driver of its host with "
            "NVreg_RestrictProfilingToAdminUsers=0; where the container is rented only its host can, and some never "
            "do: profile elsewhere then, and bring the report: workbench import"
        )
    return (
        "profile as root, in a container with --cap-add=SYS_ADMIN, or load the driver with "
        "NVreg_RestrictProfilingToAdminUsers=0"
    )


def _is_wsl(machine: Machine) -> bool:
    return "microsoft" in (machine.text("/proc/version") or "").lower()


def dcgm(machine: Machine) -> Check:
    running = sorted(machine.processes() & DCGM)
    if running:
        fix = "pause its use of the counters while profiling: dcgmi profile --pause, afterwards --resume"
        return Check("DCGM", "wrong", f"{', '.join(running)} runs and may hold the counters", fix)
    return Check("DCGM", "ok", "not running")


def mig(gpu: Gpu) -> Check:
    if not gpu.name:
        return Check("MIG", "missing", "no GPU", SEE_GPU)
    mode = gpu.fields.get("mig.mode.current", "Disabled")
    if mode == "Enabled":
        fix = "nothing, if a slice is meant; for the whole GPU an admin runs nvidia-smi -mig 0"
        return Check("MIG", "wrong", "enabled: times and counters are those of a slice of the GPU", fix)
    return Check("MIG", "ok", "off")


def clocks(gpu: Gpu) -> Check:
    if not gpu.name:
        return Check("clocks", "missing", "no GPU", SEE_GPU)
    now, most = gpu.fields.get("clocks.sm"), gpu.fields.get("clocks.max.sm")
    if now is None or most is None:
        return Check("clocks", "missing", "nvidia-smi does not tell", "nothing: the sweep measures the clock itself")
    return Check("clocks", "ok", f"SM {now} MHz now, {most} MHz at most")


def throttling(gpu: Gpu) -> Check:
    if not gpu.name:
        return Check("throttling", "missing", "no GPU", SEE_GPU)
    text = gpu.fields.get("clocks_event_reasons.active") or gpu.fields.get("clocks_throttle_reasons.active")
    if text is None:
        return Check("throttling", "missing", "nvidia-smi does not tell", "nothing: the sweep discards slow samples")
    bits = int(text, 16)
    reasons = [words for bit, words in THROTTLE_REASONS.items() if bits & bit]
    if reasons:
        fix = "let the GPU cool or end what else runs on it, then sweep; slow samples are discarded"
        return Check("throttling", "wrong", f"throttled now: {', '.join(reasons)}", fix)
    return Check("throttling", "ok", "idle" if bits & 1 else "none")
