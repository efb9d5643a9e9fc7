"""What runs under ncu: `python -m workbench.profile.replay SELECTION.json`.

Each record of the selection is evaluated once to warm up (kernels load, libraries choose) and once inside its range:
a range holds exactly one evaluation, so that its launches are the record's launches. ncu itself replays each launch
as often as it has counters to read. Nothing is timed.

It imports torch, numpy and cuda.core, and nothing of what records and pages are made of: it has to run on a cluster
node that has no more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

from workbench.catalog import BUILTIN, Catalog, load_catalog
from workbench.declare import Device, Shape, variant_key
from workbench.execute.ranges import marked
from workbench.problem import Problem

Item = Mapping[str, Any]


class Evaluation(Protocol):
    """What is needed of a bound variant."""

    def run(self) -> None: ...
    def synchronize(self) -> None: ...
    def close(self) -> None: ...


def bind(item: Item, catalog: Catalog, device: Device) -> Evaluation:
    """The record's plan bound to inputs of its operation's first regime."""
    from workbench.execute.bind import bind_variant

    variant = catalog.variant(variant_key(item["operation"], item["variant"], item["pass"]))
    operation = catalog.operation_of(variant)
    shape = Shape(tuple(item["axes"].items()), item["dtype"])
    return cast(Evaluation, bind_variant(variant, operation, shape, item["settings"], device))


def replay(items: Sequence[Item], catalog: Catalog, device: Device = "cuda") -> list[str]:
    """Evaluates every item inside its range. Returns what failed, a line each; the others are not held up by it."""
    failed = []
    for item in items:
        try:
            _replay_one(bind(item, catalog, device), range_of(item))
        except Exception as error:  # one variant's failure, of whatever kind, must not cost the others' counters
            failed.append(f"{item['key']}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return failed


def _replay_one(evaluation: Evaluation, range_: AbstractContextManager[None]) -> None:
    try:
        evaluation.run()
        evaluation.synchronize()
        with range_:
            evaluation.run()
            evaluation.synchronize()
    finally:
        evaluation.close()


def range_of(item: Item) -> AbstractContextManager[None]:
    """The range of an item in the domain `workbench`; in torch's own domain where the nvtx package is missing."""
    try:
        import nvtx
    except ImportError:
        import torch

        return cast("AbstractContextManager[None]", torch.cuda.nvtx.range(item["key"]))
    del nvtx
    return marked(item["key"], item["pass"])


def read_selection(path: Path) -> tuple[list[Item], Path]:
    """The items of a selection file, and the folder of their kernels."""
    try:
        data = json.loads(path.read_text())
        items, kernels = list(data["items"]), data.get("kernels") or ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "workbench profile RUN --print-command makes one"
        raise Problem(f"{path}: no selection of records ({error}); {fix}") from None
    return items, Path(kernels) if kernels else BUILTIN


def main(arguments: Sequence[str]) -> int:
    """Exit status 3 where nothing could be replayed; what failed stands on stderr as `replay: KEY: reason`."""
    if len(arguments) != 1:
        print("replay: usage: python -m workbench.profile.replay SELECTION.json", file=sys.stderr)
        return 2
    try:
        items, kernels = read_selection(Path(arguments[0]))
        failed = replay(items, load_catalog(kernels))
    except Problem as problem:
        print(f"replay: {problem}", file=sys.stderr)
        return 3
    for line in failed:
        print(f"replay: {line}", file=sys.stderr)
    return 3 if len(failed) == len(items) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
