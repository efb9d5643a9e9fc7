"""torchrun, which ends with the process that started it: `python -m workbench.distributed.agent PARENT OPTIONS…`."""

from __future__ import annotations

import os
import signal
import sys

from workbench.execute.processes import PR_SET_PDEATHSIG, prctl


def main() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # ranks end with this process in turn
    if os.getppid() != int(sys.argv.pop(1)):  # ended before the line above
        return
    from torch.distributed.run import main as torchrun

    torchrun()


if __name__ == "__main__":
    main()
