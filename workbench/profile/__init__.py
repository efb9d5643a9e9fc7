"""Counters: NVTX ranges, Nsight Compute reports in and out, and what their figures say about a record.

ranges    the marks by which a profiler's launches find their record
select    which records are worth a profile
command   the exact ncu command, and collect runs it
replay    what runs under ncu: each chosen record once, inside its range
read      reports and CSV pages → launches; import_report → a run, or counters beside one
metrics   the figures, as data; derived and advice say what they mean for a record
"""
