"""The subjects under NVIDIA's nvbench: `python -m tests.gpu.nvbench_times --json FILE` (its own options follow)."""

from __future__ import annotations

import sys
from typing import Any

from tests.gpu.subjects import SUBJECTS, bound


def time_subject(state: Any) -> None:
    import torch

    subject = bound(state.get_string("subject"))
    subject.run()
    subject.synchronize()

    def launch(launched: Any) -> None:
        with torch.cuda.stream(torch.cuda.ExternalStream(launched.get_stream().addressof())):
            subject.run()

    state.exec(launch, batched=False)


def main() -> None:
    import cuda.bench as nvbench

    registered = nvbench.register(time_subject)
    registered.add_string_axis("subject", list(SUBJECTS))
    nvbench.run_all_benchmarks(sys.argv)


if __name__ == "__main__":
    main()
