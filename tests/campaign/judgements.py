"""How often verdicts are right under realistic noise, as a table in Markdown.

    python -m tests.campaign.judgements [PAIRS]

Each pair begins with 20 samples per side and takes as many more as its verdict asks for, in at most four rounds: the
rule that tests/statistics/test_verdict.py holds, with more pairs.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from tests.statistics.noise import EVERY, Noise
from tests.statistics.test_verdict import until_decided

CASES = ((1.0, 0.001), (1.0, 0.005), (1.02, 0.002), (1 / 1.02, 0.002))
"""B over A, and the noise floor."""
WORDS = ("slower", "faster", "same", "undecided")
SEED = 11
"""Not that of the tests."""


def row(noise: Noise, ratio: float, floor: float, pairs: int) -> str:
    random = np.random.default_rng(SEED)
    found = Counter(until_decided(noise, ratio, floor, random) for _ in range(pairs))
    shares = " | ".join(f"{100 * found[word] / pairs:.2f}" for word in WORDS)
    return f"| {noise.__name__} | {100 * (ratio - 1):+.2g} % | {100 * floor:g} % | {shares} |"


def main(words: list[str]) -> None:
    pairs = int(words[0]) if words else 1000
    print(f"{pairs} pairs each, in percent\n")
    print("| noise | B against A | noise floor | " + " | ".join(WORDS) + " |\n|---|---:|---:|---:|---:|---:|---:|")
    for noise in EVERY:
        for ratio, floor in CASES:
            print(row(noise, ratio, floor, pairs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
