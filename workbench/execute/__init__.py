"""Runs plans: on the CPU, on a GPU, each variant in a worker process of its own.

`bind.py` gives a plan memory and makes it a `Bound`; `worker.py` keeps whatever holds one in another process; `here.py`
knows what this machine can run.
"""
