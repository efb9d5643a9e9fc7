"""Counters: NVTX ranges, Nsight Compute reports in and out, and what their figures say about a record.

ranges    the marks by which a profiler's launches find their record
select    which records are worth a profile
command   the exact ncu command, and collect runs it
replay    what runs under ncu: each chosen record once, inside its range
failures  why ncu failed, and what to do
read      reports (NVIDIA's reader in a process of its own) and CSV pages of any locale → launches
import_report   launches → a run, or counters beside one
metrics   the figures, as data; derived and advice say what they mean for a record
"""
