"""One rank, as torchrun starts it: `python -m workbench.distributed TRAINING` (JSON)."""

from __future__ import annotations

import os
import signal
import sys
import time

from workbench.distributed.failure import Failure
from workbench.execute.processes import PR_SET_PDEATHSIG, prctl

TOGETHER_S = 1.0
"""Ranks that wait for the same lost one give up within this time of each other."""


def main() -> int:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # torchrun starts ranks in sessions of their own: none outlives it
    from workbench.distributed.loop import Training, run

    training = Training.of_json(sys.argv[1])
    rank = int(os.environ.get("RANK", "0"))
    Failure.forget(training.folder, rank)
    try:
        run(training)
    except Exception as error:  # whatever a task or a collective raises is for the one who started the ranks to tell
        failure = Failure.of(error, rank)
        failure.write(training.folder)
        if failure.waited:
            time.sleep(TOGETHER_S)  # torchrun ends all ranks when the first has: who wrote nothing is the lost one
        return 1
    return 0


if __name__ == "__main__":
    # What torch still runs (threads of a group that lost a rank) is not waited for.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
