"""What runs under compute-sanitizer: `python -m tests.gpu.sanitize [--kernels FOLDER] [VARIANT…]`.

Every CUDA kernel at its operation's small shape, in each dtype, with and without optional inputs, in this process.
Every tensor is an allocation of its own, with no guard around it, so that one element too far is already outside.
Prints a line a variant. Exit status 1 where an answer is wrong; what the tool saw is the tool's exit status.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before torch starts: its caching allocator would put tensors side by side in one block.
os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"

from workbench.catalog import BUILTIN, load_catalog
from workbench.check.case import InputSet
from workbench.check.direct import DirectCheck
from workbench.declare import Operation, Variant
from workbench.execute import on_cuda
from workbench.execute.this_machine import why_unsupported
from workbench.steps import kind_of, leaves_of
from workbench.sweep.selection import small_shape


def main(arguments: list[str]) -> int:
    kernels = BUILTIN
    if arguments[:1] == ["--kernels"]:
        kernels, arguments = Path(arguments[1]).resolve(), arguments[2:]
    on_cuda.GUARD_BYTES = 0
    catalog = load_catalog(kernels)
    wanted = [catalog.variant(key) for key in arguments] or list(catalog)
    wrong = 0
    for variant in wanted:
        operation = catalog.operation(variant.operation_key)
        for dtype in operation.dtypes:
            if has_kernels_of_its_own(variant, operation, dtype):
                wrong += not is_right(kernels, variant, operation, dtype)
    return int(wrong > 0)


def has_kernels_of_its_own(variant: Variant, operation: Operation, dtype: str) -> bool:
    """Not what a CUDA graph replays: its kernels are those of the variant without the graph."""
    shape = small_shape(operation, dtype)
    if "cuda" not in variant.devices or why_unsupported(variant, shape) is not None:
        return False
    plan = variant.plan(shape, variant.default_settings())
    return any(kind_of(step).launch(step) for step in leaves_of(plan.steps)) and not plan.graph


def is_right(kernels: Path, variant: Variant, operation: Operation, dtype: str) -> bool:
    input_sets = (InputSet(operation.regimes[0], 0), InputSet(operation.regimes[0], 1, optional_given=False))
    check = DirectCheck(kernels, variant.key, "cuda")
    found = check.check(small_shape(operation, dtype), variant.default_settings(), input_sets)
    print(f"{variant.key} {dtype}: {'right' if found.right else found.reason}", flush=True)
    return found.right


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
