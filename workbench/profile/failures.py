"""Why a profile failed, out of what ncu said: one line, with the fix.

`python -m workbench.profile.failures LOG STATUS REPORT` says it of a log that `profiles/ncu_profile.sh` kept, and ends
with 1 where there is something to say. It imports nothing that a cluster node may lack.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.problem import Problem

ADVICE = (
    (
        r"ERR_NVGPUCTRPERM",
        "the driver keeps counters for admins (ERR_NVGPUCTRPERM): run as root, in a container with "
        "--cap-add=SYS_ADMIN, or load the driver with NVreg_RestrictProfilingToAdminUsers=0; under WSL2 none of "
        "these helps: allow it on Windows, in NVIDIA's control panel (Developer, Manage GPU Performance Counters); on "
        "a rented container only its host can allow it",
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
        r"[Cc]annot lock GPU clock",
        "ncu may not lock the clocks of this GPU (MIG and shared machines forbid it): pass --clock-control none, as "
        "this workbench's own commands do",
    ),
    (
        r"InterprocessLockFailed|[Ll]ock file|nsight-compute-lock",
        "another user's ncu left its lock in the temporary folder, or is running: set TMPDIR to a folder of your own, "
        "and profile again",
    ),
    (
        r"Cuda driver is not compatible",
        "ncu and the driver do not fit together: take the ncu of the driver's CUDA version, or update the driver",
    ),
    (
        r"LaunchFailed",
        "a kernel failed to launch under ncu (LaunchFailed): run the program without ncu first; if it is right there, "
        "give ncu fewer sections (--set basic) or another replay (--replay-mode application)",
    ),
    (
        r"Failed to prepare kernel",
        "ncu could not prepare a kernel for replay (too little free memory on the GPU, or a kernel that cannot be "
        "replayed): profile fewer sections (--set basic) or with --replay-mode application",
    ),
    (
        r"Unknown Error on device",
        "the driver failed under ncu without a reason (Unknown Error): run the program without ncu first; if it is "
        "right there, give ncu fewer sections (--set basic) or another replay (--replay-mode application)",
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
        r"not supported on (?:this |the )?device|No supported (?:GPU|device)",
        "this ncu does not support the GPU: ncu --list-chips shows those it does; GPUs before Volta need nvprof, newer "
        "ones a newer Nsight Compute",
    ),
)
"""What stands in ncu's output, and what to do; the first that fits counts."""

REPLAY_FAILED = re.compile(r"^replay: (.*)$", re.MULTILINE)
APPLICATION_ERROR = re.compile(r"The application returned an error code \((-?\d+)\)")


NCU_LINE = re.compile(r"(?<!=)==(ERROR|WARNING)==\s*(?:Error:\s*)?(.*)$", re.MULTILINE)
"""Also behind what the profiled program printed without an end of line."""
CONSEQUENCES = re.compile(
    r"The application returned an error code|An error occurred while trying to profile|Failed to profile|"
    r"No kernels were profiled|An error was reported by|requires the --target-processes"
)
"""What ncu says after the first cause, whatever that was."""


def explain(output: str, status: int, report: Path) -> Problem | None:
    """The problem of a finished ncu, or None where it left a report worth reading.

    Only ncu's own lines count, and of those the first cause: what the profiled program printed may name any error. A
    warning beside a report is none: ncu warns of every metric of a section that the chip lacks.
    """
    left = report.is_file()
    said = [(kind, line.strip()) for kind, line in NCU_LINE.findall(output) if line.strip()]
    if left and status == 0:
        said = [(kind, line) for kind, line in said if kind == "ERROR" or "No kernels were profiled" in line]
    causes = [line for _, line in said if not CONSEQUENCES.search(line)]
    advice = _advice(causes)
    if advice:
        return Problem(f"ncu: {advice}")
    if status < 0:
        return Problem(f"ncu crashed ({_signal(-status)}); try fewer sections (--set basic), or another version of ncu")
    if causes and not left:
        return Problem(f"ncu failed (exit status {status}): {causes[0]}; ncu's own documentation explains it")
    if any("No kernels were profiled" in line for _, line in said):
        return Problem(_no_kernels(output))
    first = [line for _, line in said] or REPLAY_FAILED.findall(output)
    if not left:
        return Problem(
            f"ncu left no report (exit status {status}) and "
            + (f"said: {first[0]}" if first else "printed nothing; run it by hand: --print-command")
        )
    if status != 0 and said:
        return Problem(f"ncu failed (exit status {status}): {(causes or first)[0]}")
    return None


def explain_log(output: str) -> str:
    """Why there is no page in a log of ncu that somebody kept, with the fix where one is known."""
    said = [line.strip() for _, line in NCU_LINE.findall(output) if line.strip()]
    causes = [line for line in said if not CONSEQUENCES.search(line)]
    if any("No kernels were profiled" in line for line in said) and not causes:
        return "no kernel was profiled; do the filters (-k, --nvtx-include, --launch-skip) match one?"
    return _advice(causes) or next(iter(causes or said), "it names no error; profile again with --page raw")


def last_warning(output: str) -> str:
    """The last thing that ncu warned of, as where a profile takes too long; empty where nothing."""
    return next((line.strip() for kind, line in reversed(NCU_LINE.findall(output)) if kind == "WARNING"), "")


def _advice(causes: Sequence[str]) -> str | None:
    """What to do about the first cause that something is known of."""
    known = (f"{advice}{_named(line)}" for line in causes for pattern, advice in ADVICE if re.search(pattern, line))
    return next(known, None)


def _named(line: str) -> str:
    """The metrics that a line about unknown ones names."""
    metrics = re.findall(r"\b\w+__[\w.]+", line)
    return f" ({', '.join(metrics)})" if metrics else ""


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


def main(log: Path, status: int, report: Path) -> int:
    failure = explain(log.read_text(errors="replace"), status, report)
    if failure is not None:
        print(failure)
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
