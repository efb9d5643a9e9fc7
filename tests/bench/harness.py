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
from workbench.sweep.presets import PRESETS

COUNTED = Path(__file__).parent / "counted"
SIZES = ",".join(str((1 << 20) + 4096 * i) for i in range(25))
"""25 sizes of 4 variants: 100 records, each evaluation some hundred microseconds."""
MOST = 0.30


def measure() -> Iterator[Figure]:
    """Wall time of the whole command over the seconds inside its kernels, less one.

    Those are the variants' (checks, warm-up and samples, counted by themselves) and the ceilings', which take the
    seconds that the preset gives them. Cold times of sets that fit the caches need these flushed before every
    evaluation, which takes about as long as a short one: that is of the method too. The figures with either taken as
    harness stand beside it.
    """
    with tempfile.TemporaryDirectory() as folder:
        counted = Path(folder) / "seconds"
        counted.mkdir()
        flushed = Path(folder) / "flushed"
        command = [
            sys.executable, "-m", "tests.bench.flushing", str(flushed), "sweep", "--kernels", str(COUNTED),
            "--profiles", folder, "--n", SIZES, "--device", "cpu", "--json",
        ]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(
            command, check=True, env={**os.environ, "COUNTED_SECONDS": str(counted)}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wall = time.perf_counter() - start
        flushing = float(flushed.read_text())
        kernels = sum(struct.unpack("d", file.read_bytes())[0] for file in counted.iterdir())
    yield Figure("sweep of 100 records, wall", wall, "s", None, False)
    ceilings = 2 * PRESETS["quick"].ceilings_s  # at the start and at the end
    yield Figure("of it inside the variants' kernels", kernels, "s", None, False)
    yield Figure("of it inside the ceilings' kernels", ceilings, "s", None, False)
    yield Figure("of it flushing caches before evaluations", flushing, "s", None, False)
    yield Figure("harness over kernels and flushing", wall / (kernels + ceilings + flushing) - 1, "", MOST, False)
    yield Figure("the same, flushing taken as harness", wall / (kernels + ceilings) - 1, "", None, False)
    yield Figure("the same, flushing and ceilings taken as harness", wall / kernels - 1, "", None, False)
