"""The two ways to switch between threads give the same results."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.emulate.conftest import KERNELS, emulated

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from workbench.declare import Kernel
from workbench.emulate import EmulationFault, Memory, launch

for order in ("forward", "reversed", "shuffled"):
    with Memory(order) as memory:
        x = np.ones(1000, np.float32)
        memory.put("x", x)
        memory.put("y", np.zeros_like(x))
        scan = lambda n: Kernel(Path("warp.cu"), "block_scan", (1, 1, 1), (256, 1, 1), ("x", "y", n))
        launch(Path(sys.argv[1]), scan(1000), memory, order)
        assert (memory.array("y") == np.arange(1, 1001)).all()
        try:
            launch(Path(sys.argv[1]), scan(1001), memory, order)
        except EmulationFault as fault:
            assert fault.kind.startswith("stray_"), fault
        else:
            raise SystemExit("the stray access was not seen")
print("as it should be")
"""


def test_ucontext():
    library = emulated(KERNELS / "warp.cu")
    environment = os.environ | {"WORKBENCH_FIBERS": "ucontext"}
    command = [sys.executable, "-c", SCRIPT, str(library)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "as it should be\n", done.stderr
