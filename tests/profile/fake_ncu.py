#!/usr/bin/env python3
"""A stand-in for ncu: takes its arguments as strictly as ncu does, and behaves as FAKE_NCU says.

`works` writes a raw page with two launches in each range that was asked for. The other words are the ways in which
a real one fails; the messages are those of ncu 2021 to 2026.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

FLAGS = {"--nvtx", "-f"}
OPTIONS = {
    "--section", "--set", "--nvtx-include", "--clock-control", "--cache-control", "--replay-mode",
    "--target-processes", "--import-source", "-o",
}  # fmt: skip
VALUES = {
    "--clock-control": {"none", "base"},
    "--cache-control": {"none", "all"},
    "--replay-mode": {"kernel", "application", "range"},
    "--target-processes": {"all", "application-only"},
    "--import-source": {"yes", "no"},
    "--set": {"basic", "detailed", "full", "roofline"},
}
SECTIONS = {
    "LaunchStats", "Occupancy", "SpeedOfLight", "SpeedOfLight_RooflineChart", "ComputeWorkloadAnalysis",
    "MemoryWorkloadAnalysis", "MemoryWorkloadAnalysis_Chart", "MemoryWorkloadAnalysis_Tables", "SchedulerStats",
    "WarpStateStats", "InstructionStats", "SourceCounters",
}  # fmt: skip
RANGE_COLUMNS = (
    "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg",
    "Id:Domain:Start/Stop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg",
)
METRICS = {
    "gpu__time_duration.sum": ("usecond", "12.80"),
    "launch__registers_per_thread": ("register/thread", "32"),
    "dram__bytes_read.sum": ("Mbyte", "1.50"),
    "dram__bytes_write.sum": ("Mbyte", "0.50"),
    "sm__warps_active.avg.pct_of_peak_sustained_active": ("%", "45.00"),
    "sm__maximum_warps_per_active_cycle_pct": ("%", "100"),
    "launch__waves_per_multiprocessor": ("", "nan"),
}


def fail(text: str) -> None:
    print(f"==ERROR== {text}")
    sys.exit(1)


def parse(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Options with their values, and the command to profile. Ends as ncu does where it knows an option not."""
    given: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        if name in FLAGS:
            given[name] = []
        elif name in OPTIONS and rest:
            given.setdefault(name, []).append(rest.pop(0))
        else:
            fail(f"unrecognised option '{name}'. Use --help for further details.")
    for name, values in VALUES.items():
        for value in given.get(name, []):
            if value not in values:
                fail(f"the argument ('{value}') for option '{name}' is invalid.")
    for section in given.get("--section", []):
        if section not in SECTIONS:
            fail(f"Option '--section {section}' did not match any section.")
    if "--nvtx-include" in given and "--nvtx" not in given:
        fail("--nvtx-include requires --nvtx.")
    if not rest:
        fail("No application was given.")
    return given, rest


def page(includes: list[str], launches: int = 2) -> str:
    """A raw page whose launches lie in the ranges: push/pop where the filter ends in a slash, start/end where not."""
    context = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", *RANGE_COLUMNS, "Device", "CC"]
    lines = [",".join(f'"{name}"' for name in [*context, *METRICS])]
    lines.append(",".join(f'"{unit}"' for unit in [*[""] * len(context), *(unit for unit, _ in METRICS.values())]))
    number = 0
    for include in includes:
        match = re.fullmatch(r"(?:([\w-]+)@)?([a-z0-9_.-]+)(/?)", include)
        if match is None:
            fail(f"Failed to parse nvtx range expression {include}.")
            raise AssertionError
        push_pop = (
            f'1  ""{match[1] or "<default domain>"}:{match[2]}:none:none:none:none:none:none"" ' if match[3] else ""
        )
        start_end = "" if match[3] else f"0:{match[1]}:{match[2]}:none:none:none:none:none:none"
        for kernel in range(launches):
            row = [str(number), "7", "python", "node", f"kernel_{kernel}", push_pop, start_end, "0", "9.0"]
            lines.append(",".join(f'"{value}"' for value in [*row, *(value for _, value in METRICS.values())]))
            number += 1
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print("NVIDIA (R) Nsight Compute Command Line Profiler\nVersion 2024.3.2.0 (build 0) (stand-in)")
        return
    given, application = parse(sys.argv[1:])
    report = Path(given["-o"][0])
    if os.environ.get("FAKE_NCU_ARGUMENTS"):
        Path(os.environ["FAKE_NCU_ARGUMENTS"]).write_text("\n".join(sys.argv[1:]))
    behave(os.environ.get("FAKE_NCU", "works"), given.get("--nvtx-include", []), application, report)


def behave(way: str, includes: list[str], application: list[str], report: Path) -> None:
    if way == "silent":
        return
    print("==PROF== Connected to process 7 (/usr/bin/python3)", flush=True)
    if way == "permission":
        fail(
            "ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters on the "
            "target device 0."
        )
    elif way == "dcgm":
        print(
            "==ERROR== Profiling failed because a driver resource was unavailable. Ensure that no other tool (like "
            "DCGM) is concurrently collecting profiling data."
        )
        fail('Failed to profile "kernel_0" in process 7')
    elif way == "driver":
        print("==ERROR== An error was reported by the counter measurement library:")
        fail("Failed to initialize the profiler: LibraryNotLoaded. Check that a compatible driver library is loaded.")
    elif way == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print("==WARNING== Backing up device memory in system memory. Kernel replay might be slow.", flush=True)
        Path(os.environ["FAKE_NCU_CHILD"]).write_text(str(child.pid))
        time.sleep(60)
    elif way == "outside":
        print("==PROF== Disconnected from process 7\n==WARNING== No kernels were profiled.")
    elif way == "application":
        status = subprocess.run(application, check=False).returncode
        print(f"==ERROR== The application returned an error code ({status}).\n==WARNING== No kernels were profiled.")
        sys.exit(status)
    elif way == "empty":
        report.write_bytes(b"")
    elif way == "cut":
        report.write_text(page(includes)[:-40])
    elif way == "no_report":
        report.write_text("this is no report\n")
    elif way == "stranger":
        report.write_text(page(["workbench@another.variant/"]))
    elif way == "some":
        print("replay: a.key: Problem: it does not compile", file=sys.stderr)
        report.write_text(page(includes[:1]))
    else:
        for kernel in range(2):
            print(f'==PROF== Profiling "kernel_{kernel}" - {kernel}: 0%....50%....100% - 45 passes')
        report.write_text(page(includes))
        print(f"==PROF== Disconnected from process 7\n==PROF== Report: {report}")


if __name__ == "__main__":
    main()
