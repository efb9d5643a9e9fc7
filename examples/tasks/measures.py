"""Word error rate and BLEU, by the packages that everybody computes them with: `pip install .[tasks]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.problem import Problem, installing


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Words wrong, left out and added, over the words said."""
    return float(_package("jiwer").wer(list(said), list(heard)))


def bleu(wanted: Sequence[str], translated: Sequence[str]) -> float:
    """BLEU of a corpus, 0 to 100, as sacrebleu's defaults have it: tokens 13a, case counts."""
    return float(_package("sacrebleu").corpus_bleu(list(translated), [list(wanted)]).score)


def _package(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise Problem(f"{name} is not installed: {installing('pip install .[tasks]')}") from None
