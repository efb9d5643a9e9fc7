"""Long campaigns: `make campaign`, `make fuzz`, of whose cases `make test` has a bounded slice.

WORKBENCH_KILLS and WORKBENCH_FUZZ scale them.
"""
