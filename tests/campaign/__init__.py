"""Long campaigns, a bounded slice of which runs with the tests: `make campaign`, `make fuzz`.

WORKBENCH_KILLS and WORKBENCH_FUZZ scale them.
"""
