"""Files that people take for a report of Nsight Compute: what each is, and what to do instead."""

from __future__ import annotations

from pathlib import Path

from workbench.profile.page_text import encoding_of

TIMES = "it holds times and no counters; profile with ncu"
NCU = "import the .ncu-rep itself, or export it with ncu -i FILE --csv --page raw"
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of git-lfs, not the report: git lfs pull fetches it"),
    (b"\x1f\x8b", "a compressed file (gzip): unpack it first"),
    (b"PK\x03\x04", "a compressed file (zip): unpack it first"),
    (b"<!DOCTYPE html", "a web page: download the report itself (on GitHub: the button Raw)"),
    (b"<html", "a web page: download the report itself (on GitHub: the button Raw)"),
    (b"SQLite format 3\x00", f"a database, as nsys export writes: {TIMES}"),
)
"""What stands at the beginning of a file."""
SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"NVPROF is profiling", "output of nvprof, which profiled GPUs up to Volta; profile with ncu"),
    (b'"Type","Time(%)","Time","Calls"', f"a summary of nvprof: {TIMES}"),
    (b"Time (%),Total Time (ns),Instances", f"a summary of nsys: {TIMES}"),
    (b"Time(%),Total Time (ns),Instances", f"a summary of nsys: {TIMES}"),
    (b"Index,KernelName,gpu-id", "counters of AMD's rocprof: only reports of NVIDIA's GPUs can be imported"),
    (b'"Invocations","Section Name","Metric Name"', f"ncu's summary over launches (--print-summary): {NCU}"),
    (b'"#","Address","Source"', f"ncu's page of source lines (--page source): {NCU}"),
    (b'"traceEvents"', f"a trace in Chrome's form (torch, perfetto): {TIMES}"),
    (b'"ph":', f"a trace in Chrome's form (torch, perfetto): {TIMES}"),
    (b'"ph" :', f"a trace in Chrome's form (torch, perfetto): {TIMES}"),
    (b'"schemaVersion"', f"a trace of torch's profiler: {TIMES}"),
    (b"    Section: ", f"ncu's output as text: {NCU}"),
)
LOOKED_AT = 1 << 16
"""Bytes from the beginning."""


def what_it_is(path: Path) -> str | None:
    """The other tool's file that this is, with what to do; None where nothing says so. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if path.suffix in (".nsys-rep", ".qdrep"):
        return f"a report of Nsight Systems: {TIMES} (Nsight Compute)"
    begins = start.lstrip(b"\xef\xbb\xbf \r\n\t")
    plain = start.decode(encoding_of(start[:64]), errors="replace").encode()
    found = (text for sign, text in BEGINNINGS if begins.lower().startswith(sign.lower()))
    return next(found, None) or next((text for sign, text in SIGNS if sign in plain), None)
