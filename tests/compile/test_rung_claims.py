"""What a rung claims, held against the machine code that it compiles to.

The catalogue is compiled into the checkout's own cache: what `make sweep` has built is not built again.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from tests.kernels.covering import sliced
from tests.kernels.executed import MAIN_DTYPE, catalog, compile_surveyed, surveyed
from workbench.check.examine import ARCH as MAIN_ARCH
from workbench.compile import listing_of, supported_archs
from workbench.compile.catalogue import BuildRow, build_catalogue
from workbench.compile.sass import Listing
from workbench.declare import Kernel
from workbench.store.record import BuildFact

thorough = pytest.mark.thorough
OTHERS = [pytest.param(arch, marks=thorough) for arch in ("sm_80", "sm_89")]
"""What is claimed of the main architecture is so on these too, which `make fuzz` looks at."""
EITHER = [pytest.param("float32", marks=thorough), "bfloat16"]
"""The whole catalogue is compiled to machine code in bfloat16, and in `make fuzz` in float32 too."""


@functools.cache
def everything(dtype: str, arch: str) -> list[BuildRow]:
    """All variants that run on a GPU, at once."""
    if (dtype, arch) == (MAIN_DTYPE, MAIN_ARCH):
        compile_surveyed()
    chosen = [catalog().variant(key) for key in surveyed()]
    return build_catalogue(catalog(), chosen, [arch], [dtype], jobs=1)


VECTORS = ("scan/vector", "gated_scan/vector", "gate/batched_vector")
PADDED, UNPADDED = "scan/blelloch", "scan/blelloch_unpadded"
RINGS = ("scan/ring", "gated_scan/ring")
TENSOR, BEFORE_TENSOR = "layer/epilogue_scan_tensor", "layer/epilogue_scan"


@functools.cache
def alone(key: str, dtype: str, arch: str) -> list[BuildRow]:
    return build_catalogue(catalog(), [catalog().variant(key)], [arch], [dtype], jobs=1)


def rows(key: str, dtype: str = "float32", arch: str = MAIN_ARCH) -> list[BuildRow]:
    """The kernels of a variant, all of which must compile."""
    made = alone(key, dtype, arch)
    assert made, f"{key}: nothing is compiled in {dtype} for {arch}"
    for row in made:
        assert row.status in ("ok", "no_kernel"), f"{key} {dtype} {arch}: {row.reason}"
    return made


def listings(key: str, dtype: str = "float32", arch: str = MAIN_ARCH) -> list[Listing]:
    return [
        listing_of(row.binary, row.step.function)
        for row in rows(key, dtype, arch)
        if row.binary is not None and isinstance(row.step, Kernel)
    ]


def total(key: str, kind: str, dtype: str = "float32", arch: str = MAIN_ARCH) -> int:
    """Instructions of a class (or all whose name begins with it) over the kernels of a variant."""
    return sum(
        count
        for listing in listings(key, dtype, arch)
        for name, count in listing.mix().items()
        if re.fullmatch(rf"{kind}(_\d+)?", name)
    )


@pytest.mark.parametrize("arch", [*OTHERS, MAIN_ARCH])
@pytest.mark.parametrize("key", VECTORS)
def test_a_vector_rung_reads_and_writes_128_bits(key: str, arch: str) -> None:
    assert total(key, "global_load_128", arch=arch) >= 1
    assert total(key, "global_store_128", arch=arch) >= 1
    # Half as wide an element, as many bytes a load: the rung chooses its vector by the dtype.
    assert total(key, "global_load_128", "bfloat16", arch) >= 1


@pytest.mark.parametrize("key", ["scan/serial", "gated_scan/serial_gated", "gate/batched"])
def test_the_rung_before_it_does_not(key: str) -> None:
    assert total(key, "global_load_128") == 0 and total(key, "global_load_32") >= 1


@pytest.mark.parametrize("arch", [*OTHERS, MAIN_ARCH])
@pytest.mark.parametrize("dtype", EITHER)
def test_padding_costs_no_instruction_in_the_inner_loop(dtype: str, arch: str) -> None:
    """So whatever time it wins is the bank conflicts' alone."""
    (padded,), (unpadded,) = listings(PADDED, dtype, arch), listings(UNPADDED, dtype, arch)
    a, b = padded.inner_loop(), unpadded.inner_loop()
    assert a is not None and b is not None
    for kind in ("shared_load", "shared_store", "barrier", "ffma", "fadd_fmul", "global_load_32"):
        assert a.mix()[kind] == b.mix()[kind] > 0, kind
    if arch == MAIN_ARCH:
        assert len(a.body) == len(b.body)
    else:
        # ptxas loads the loop's constants a little differently in the two: one or two instructions of 250.
        assert 0 <= len(b.body) - len(a.body) <= 2


@pytest.mark.parametrize("arch", [pytest.param("sm_80", marks=thorough), MAIN_ARCH])
@pytest.mark.parametrize("key", RINGS)
def test_a_ring_rung_copies_asynchronously(key: str, arch: str) -> None:
    for dtype in ("float32", "bfloat16"):
        assert total(key, "async_copy", dtype, arch) >= 1
    (listing,) = listings(key, arch=arch)
    assert any(loop.mix().get("async_copy") for loop in listing.loops()), "the copies stand outside every loop"


@pytest.mark.parametrize("arch", [*OTHERS, MAIN_ARCH])
def test_the_tensor_rung_uses_tensor_cores_and_the_one_before_it_does_not(arch: str) -> None:
    assert total(TENSOR, "h(g)?mma", "bfloat16", arch) >= 1
    assert total(BEFORE_TENSOR, "h(g)?mma", "bfloat16", arch) == 0


def test_only_rungs_that_say_so_copy_asynchronously_or_multiply_matrices() -> None:
    for row in everything("bfloat16", MAIN_ARCH):
        if row.fact is not None:
            assert ("async_copy" in row.fact.sass_mix) == bool(re.search("ring|tensor", row.variant)), row.variant
            assert ("hmma" in row.fact.sass_mix or "hgmma" in row.fact.sass_mix) == ("tensor" in row.variant), (
                row.variant
            )


@pytest.mark.parametrize("key", ["scan/prefetch", "gated_scan/prefetch"])
def test_a_prefetching_rung_has_loads_of_all_its_steps_in_one_turn_of_its_loop(key: str) -> None:
    (row,), (listing,) = rows(key), listings(key)
    assert isinstance(row.step, Kernel)
    ahead = int(dict(row.step.defines)["AHEAD"])
    loop = listing.inner_loop()
    assert loop is not None and loop.mix()["global_load_32"] >= 2 * ahead  # two inputs a step


def test_the_warp_rung_exchanges_by_shuffles() -> None:
    assert total("scan/warp_shuffle", "shuffle") >= 5  # five halvings of 32 lanes
    assert total("scan/blelloch", "shuffle") == 0


def test_look_back_takes_tickets_and_serial_rungs_need_no_atomics() -> None:
    for order in ("free", "fixed"):
        assert total(f"scan/look_back_{order}", "atomic") >= 1
    assert total("scan/serial", "atomic") == total("scan/serial", "barrier") == 0


@pytest.mark.parametrize("dtype", EITHER)
def test_no_rung_spills_on_sm_90(dtype: str) -> None:
    found = [row.fact for row in everything(dtype, MAIN_ARCH) if row.fact is not None]
    assert len(found) >= 40
    assert {fact.kernel: fact.spill_bytes for fact in found if fact.spill_bytes != 0} == {}


@thorough
@pytest.mark.parametrize("arch", supported_archs())
def test_the_catalogue_compiles_and_fits_an_sm(arch: str) -> None:
    assert len(compiled_and_fitting(everything("bfloat16", arch) + everything("float32", arch))) >= 80


@pytest.mark.sliced
@pytest.mark.parametrize("arch", (supported_archs()[0], supported_archs()[-1]))
def test_a_slice_of_the_catalogue_compiles_and_fits_an_sm(arch: str) -> None:
    """Of the oldest and the newest, in bfloat16, whose conversions and tensor instructions differ most between
    architectures."""
    chosen = [catalog().variant(key) for key in sliced(surveyed(), arch)]
    assert compiled_and_fitting(build_catalogue(catalog(), chosen, [arch], ["bfloat16"], jobs=1))


def compiled_and_fitting(made: list[BuildRow]) -> list[BuildFact]:
    """The facts of all, each of which compiles where it can, and fits."""
    assert {row.status for row in made} <= {"ok", "unsupported", "no_kernel"}, [
        f"{row.variant}: {row.reason}" for row in made if row.status == "compile_error"
    ]
    found = [row.fact for row in made if row.fact is not None]
    assert [fact.kernel for fact in found if not fact.occupancy_theoretical] == []
    return found


LIMITS = Path(__file__).parent / "scan_code.json"
"""What each scan kernel compiled to when it was written for one operation alone, or last changed for what a GPU showed:
registers, spilled bytes and the instructions of its largest inner loop. Kernels that are younger stand there as they
were first."""

NUMBERING = 2
"""Registers that ptxas may number differently where its PTX is the same up to the registers' names."""
ALLOCATED = 8
"""Registers per thread that an SM hands out at once (cuda_occupancy.h): within that nothing is gained or lost."""
NO_LIMIT = 32
"""Registers with which all 64 warps of an SM fit its 65,536: fewer win no occupancy."""


@pytest.mark.parametrize("arch", [pytest.param("sm_89", marks=thorough), "sm_90"])
@pytest.mark.parametrize("dtype", EITHER)
def test_a_scan_kernel_over_cells_costs_what_it_cost_without(dtype: str, arch: str) -> None:
    limits = json.loads(LIMITS.read_text())["kernels"]
    found = scan_code(dtype, arch)
    known = {key for key in limits if key.split("|")[1:3] == [dtype, arch]}
    assert set(found) == known, "a new kernel needs its limits, one that is gone none"
    worse = []
    for key, (registers, spilled, loop) in found.items():
        most_registers, most_spilled, longest = limits[key]
        most = max(NO_LIMIT, min(most_registers + NUMBERING, -(-most_registers // ALLOCATED) * ALLOCATED))
        if registers > most or spilled > most_spilled or loop > longest + max(1, longest // 250):
            worse.append(f"{key}: {limits[key]} -> {[registers, spilled, loop]}")
    assert not worse, "\n".join(worse)


def scan_code(dtype: str, arch: str) -> dict[str, tuple[int, int, int]]:
    """Registers, spilled bytes and inner loop of every kernel of the scans, by variant|dtype|arch|kernel."""
    found = {}
    for row in everything(dtype, arch):
        if row.variant.split("/")[0] in ("scan", "gated_scan") and row.fact and row.binary and row.step:
            loop = listing_of(row.binary, row.step.function).inner_loop()
            key = f"{row.variant}|{dtype}|{arch}|{row.step.function}"
            found[key] = (row.fact.registers, row.fact.spill_bytes, len(loop.body) if loop else 0)
    return found
