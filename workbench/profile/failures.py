"""Why a profile failed, out of what ncu said: one line, with the fix."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from workbench.problem import Problem

ADVICE = (
    (
        r"ERR_NVGPUCTRPERM",
        "the driver keeps counters for admins (ERR_NVGPUCTRPERM): run as root, in a container with "
        "--cap-add=SYS_ADMIN, or load the driver with NVreg_RestrictProfilingToAdminUsers=0",
    ),
    (
        r"driver resource was unavailable|\bDCGM\b",
        "another profiler holds the counters (DCGM does by default): dcgmi profile --pause, profile, then "
        "dcgmi profile --resume",
    ),
    (
        r"LibraryNotLoaded|compatible driver library",
        "ncu and the driver do not fit together, or the container lacks the driver's libraries: take the ncu of the "
        "driver's CUDA version, and start the container with NVIDIA_DRIVER_CAPABILITIES=all",
    ),
    (
        r"did not match any section",
        "a section is unknown to this ncu: ncu --list-sections shows its own, --section takes them",
    ),
    (
        r"Failed to (?:find|access).*metric",
        "a metric is unknown to this chip: leave it out, or name the section that has it",
    ),
    (
        r"[Uu]nrecogni[sz]ed option",
        "this ncu does not know an option: update Nsight Compute (2021 or later)",
    ),
    (
        r"not supported on (?:this|the) device|No supported (?:GPU|device)",
        "this ncu does not support the GPU: update Nsight Compute",
    ),
)
"""What stands in ncu's output, and what to do; the first that fits counts."""

REPLAY_FAILED = re.compile(r"^replay: (.*)$", re.MULTILINE)
APPLICATION_ERROR = re.compile(r"The application returned an error code \((-?\d+)\)")


def explain(output: str, status: int, report: Path) -> Problem | None:
    """The problem of a finished ncu, or None where it left a report worth reading."""
    said = "\n".join(line for line in output.splitlines() if line.startswith("==ERROR=="))
    for pattern, advice in ADVICE:
        if re.search(pattern, said or output):
            return Problem(f"ncu: {advice}")
    if status < 0:
        return Problem(f"ncu crashed ({_signal(-status)}); try fewer sections (--set basic), or another version of ncu")
    if "No kernels were profiled" in output:
        return Problem(_no_kernels(output))
    if not report.is_file():
        last = (said or output).strip().splitlines()
        return Problem(
            f"ncu left no report (exit status {status}) and "
            + (f"said: {last[-1].strip()}" if last else "printed nothing; run it by hand: --print-command")
        )
    if status != 0 and said:
        return Problem(f"ncu failed (exit status {status}): {said.splitlines()[0].removeprefix('==ERROR==').strip()}")
    return None


def _no_kernels(output: str) -> str:
    error = APPLICATION_ERROR.search(output)
    failed = REPLAY_FAILED.findall(output)
    if failed:
        return f"ncu profiled no kernel: {failed[0]}"
    if error:
        return f"ncu profiled no kernel: the replay ended with status {error[1]}; run it by hand: --print-command"
    return "ncu profiled no kernel: none was launched inside a range; was torch or nvtx started before ncu?"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def notes(output: str) -> list[str]:
    """Records that could not be replayed while others could, a line each."""
    return REPLAY_FAILED.findall(output)
