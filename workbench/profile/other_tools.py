"""Files that people take for a report of Nsight Compute: what each is, and what to do instead."""

from __future__ import annotations

from pathlib import Path

NCU = "import the .ncu-rep itself, or export it with ncu -i FILE --csv --page raw"
SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of git-lfs, not the report: git lfs pull fetches it"),
    (b"SQLite format 3\x00", "a database, as nsys export writes: it holds times and no counters; profile with ncu"),
    (b"NVPROF is profiling", "output of nvprof, which profiled GPUs up to Volta; profile with ncu"),
    (b'"Type","Time(%)","Time","Calls"', "a summary of nvprof: it holds times and no counters; profile with ncu"),
    (b"Time (%),Total Time (ns),Instances", "a summary of nsys: it holds times and no counters; profile with ncu"),
    (b"Time(%),Total Time (ns),Instances", "a summary of nsys: it holds times and no counters; profile with ncu"),
    (b"Index,KernelName,gpu-id", "counters of AMD's rocprof: only reports of NVIDIA's GPUs can be imported"),
    (b'"Invocations","Section Name","Metric Name"', f"ncu's summary over launches (--print-summary): {NCU}"),
    (b'"#","Address","Source"', f"ncu's page of source lines (--page source): {NCU}"),
    (
        b'"traceEvents"',
        "a trace in Chrome's form (torch, perfetto): it holds times and no counters; profile with ncu",
    ),
    (b'"schemaVersion"', "a trace of torch's profiler: it holds times and no counters; profile with ncu"),
    (b"    Section: ", f"ncu's output as text: {NCU}"),
)
LOOKED_AT = 1 << 16
"""Bytes from the beginning."""


def what_it_is(path: Path) -> str | None:
    """The other tool's file that this is, with what to do; None where nothing says so. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if path.suffix in (".nsys-rep", ".qdrep"):
        return "a report of Nsight Systems: it holds times and no counters; profile with ncu (Nsight Compute)"
    plain = start.replace(b"\x00", b"") if start[:2] in (b"\xff\xfe", b"\xfe\xff") else start
    return next((text for sign, text in SIGNS if sign in plain), None)
