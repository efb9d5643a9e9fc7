"""Sweeps on several machines: each case is timed on one of them, through Ray; the coordinator writes the one run.

Ray is an extra (`pip install 'scan-workbench[cluster]'`): nothing imports it where no cluster is asked for.
"""
