"""Which launches the simulator is held against a GPU by: `python -m tests.gpu.conformance FOLDER`.

Writes selections for profiles/ncu_profile.sh: `forward`, `backward` and `cells`, each kernel of the catalogue at a
shape with ragged ends, and `large`, a few of them at shapes that the second-level cache holds and does not hold. Beside
each lie the recipes of its launches, by which tests/simulate/test_conformance.py runs them again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.catalog import Catalog, load_catalog
from workbench.declare import Shape, Variant, variant_key
from workbench.profile.conform import recipe
from workbench.steps import kind_of, unrolled
from workbench.sweep.records import record_key

SIZES = {"B": 2, "T": 300, "D": 72, "H": 136, "O": 40}
FEW = {"B": 2, "T": 20, "D": 72, "H": 136, "O": 40}
"""For trees over all of time, which launch a kernel per level."""
MOST_LAUNCHES = 10
LARGE = ({"B": 4, "T": 1024, "H": 512}, {"B": 4, "T": 4096, "H": 1024})
LARGE_OF = {
    "scan": "serial vector prefetch three_phase ring look_back_free look_back_ring blelloch warp_shuffle",
    "gated_scan": "serial_gated vector ring look_back_free",
    "scan/backward": "serial vector ring",
    "gated_scan/backward": "serial_gated vector",
}
CELLS = ("minlstm_scan", "sru_scan", "sru2_scan", "qrnn_pool")
IN_BFLOAT16 = ("scan", "gated_scan", "gate", "layer")


def kernels(variant: Variant, shape: Shape) -> int:
    """Launches of the variant's own."""
    steps = unrolled(variant.plan(shape, variant.default_settings()).steps)
    return sum(kind_of(step).launch(step) is not None for step in steps)


def item(variant: Variant, shape: Shape, regime: str) -> dict[str, Any]:
    return {
        "key": record_key(variant, shape, regime, "cuda"), "operation": variant.operation, "variant": variant.name,
        "pass": variant.pass_, "settings": variant.default_settings(), "axes": shape.as_dict(), "dtype": shape.dtype,
    }  # fmt: skip


def small(catalog: Catalog) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kernel at a small shape, with the selection that it belongs to."""
    for variant in catalog:
        operation = catalog.operation(variant.operation_key)
        passes = ("forward",) if variant.operation == "layer" else ("forward", "backward")
        if "cuda" not in variant.devices or variant.pass_ not in passes:
            continue
        for dtype in operation.dtypes:
            if dtype != "float32" and variant.operation not in IN_BFLOAT16:
                continue
            for sizes in (SIZES, FEW):
                shape = Shape(tuple((axis, sizes.get(axis, operation.small[axis])) for axis in operation.axes), dtype)
                plan = variant.plan(shape, variant.default_settings()) if variant.supports(shape) is None else None
                if plan is not None and not plan.graph and 0 < kernels(variant, shape) <= MOST_LAUNCHES:
                    name = "cells" if variant.operation in CELLS else variant.pass_
                    yield name, item(variant, shape, operation.regimes[0])
                    break


def large(catalog: Catalog) -> Iterator[dict[str, Any]]:
    for operation_key, names in LARGE_OF.items():
        operation = catalog.operation(operation_key)
        for name in names.split():
            for sizes in LARGE:
                yield item(catalog.variant(f"{operation_key}/{name}"), Shape.of(**sizes), operation.regimes[0])


def functions(items: list[dict[str, Any]], catalog: Catalog) -> set[str]:
    """The kernels of the catalogue, by name: what a library launches beside them is not profiled."""
    found: set[str] = set()
    for one in items:
        variant = catalog.variant(variant_key(one["operation"], one["variant"], one["pass"]))
        plan = variant.plan(Shape(tuple(one["axes"].items()), one["dtype"]), one["settings"])
        found |= {kind_of(s).shown(s) for s in unrolled(plan.steps) if kind_of(s).launch(s) is not None}
    return found


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    catalog = load_catalog()
    selections: dict[str, list[dict[str, Any]]] = {}
    for name, one in small(catalog):
        selections.setdefault(name, []).append(one)
    selections["large"] = list(large(catalog))
    for name, items in selections.items():
        text = json.dumps({"run": f"conformance-{name}", "kernels": "", "items": items}, indent=1)
        (folder / f"{name}.json").write_text(text + "\n")
        (folder / f"{name}.recipes.json").write_text(json.dumps([recipe(one, catalog) for one in items]))
        names = functions(items, catalog)
        words = "|".join(sorted(f.partition("<")[0] for f in names))
        (folder / f"{name}.kernels").write_text(f"regex:^({words})")
        print(f"{name}: {len(items)} records, {len(names)} kernels")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
