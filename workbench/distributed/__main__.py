"""One rank, as torchrun starts it: `python -m workbench.distributed TRAINING` (JSON)."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from workbench.durable import write_whole
from workbench.execute.processes import PR_SET_PDEATHSIG, prctl
from workbench.foreign import first_words
from workbench.problem import Problem


def main() -> int:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # torchrun starts ranks in sessions of their own: none outlives it
    from workbench.distributed.loop import Training, run

    training = Training.of_json(sys.argv[1])
    rank = os.environ.get("RANK", "?")
    try:
        run(training)
    except Exception as error:  # whatever a task or a collective raises is for the one who started the ranks to tell
        found = {
            "rank": rank, "own": isinstance(error, Problem),
            "text": str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {first_words(error)}",
        }  # fmt: skip
        write_whole(Path(training.folder) / f"failed-{rank}.json", json.dumps(found).encode())
        return 1
    return 0


if __name__ == "__main__":
    # What torch still runs (threads of a group that lost a rank) is not waited for.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
