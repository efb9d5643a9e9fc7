"""What a range costs with no profiler attached: the sweep marks every record, so that it must cost nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from workbench.execute.ranges import marked

SECONDS_ALLOWED = 1e-6
KEY = "scan.serial.b4-t4096-h1024.float32.normal.forward.cuda"
NUMBER = 100_000

Measured = tuple[str, float, str, float]


def cost_of_range(pass_: str) -> float:
    """Seconds to find, enter and leave a range: the best of five rounds, less the loop itself."""

    def with_range() -> None:
        with marked(KEY, pass_):
            pass

    def without() -> None:
        pass

    return _best(with_range) - _best(without)


def _best(function: Callable[[], None]) -> float:
    return min(timeit.repeat(function, number=NUMBER, repeat=5)) / NUMBER


def measure() -> list[Measured]:
    return [
        ("push/pop range, no profiler", cost_of_range("forward"), "s", SECONDS_ALLOWED),
        ("start/end range, no profiler", cost_of_range("backward"), "s", SECONDS_ALLOWED),
    ]


if __name__ == "__main__":
    for name, seconds, _, allowed in measure():
        print(f"{name}: {seconds * 1e9:.0f} ns (under {allowed * 1e9:.0f} ns)")
