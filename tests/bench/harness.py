"""What a sweep of 100 records costs beside the kernels that it runs."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure

COUNTED = Path(__file__).parent / "counted"
SIZES = ",".join(str((1 << 20) + 4096 * i) for i in range(25))
"""25 sizes of 4 variants: 100 records, each evaluation some hundred microseconds."""
MOST = 0.30


def measure() -> Iterator[Figure]:
    """Wall time of the whole command over the seconds inside its kernels (checks, warm-up and samples), less one."""
    with tempfile.TemporaryDirectory() as folder:
        count = Path(folder) / "seconds"
        command = [
            sys.executable, "-m", "workbench.cli", "sweep", "--kernels", str(COUNTED), "--profiles", folder,
            "--n", SIZES, "--device", "cpu", "--json",
        ]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(
            command, check=True, env={**os.environ, "COUNTED_SECONDS": str(count)}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wall = time.perf_counter() - start
        data = count.read_bytes()
        kernels = sum(struct.unpack(f"{len(data) // 8}d", data))
    yield Figure("sweep of 100 records, wall", wall, "s", None, False)
    yield Figure("of it inside kernels", kernels, "s", None, False)
    yield Figure("harness over kernels", wall / kernels - 1, "", MOST, False)
