"""The CPU kernels of scan and gated_scan: right at every size, alignment and regime, nowhere outside their buffers."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_variants.gated_scan.cpu import CPU_VARIANTS as GATED_VARIANTS
from kernel_variants.gated_scan.operation import OPERATION as GATED_SCAN
from kernel_variants.scan.cpu import CPU_VARIANTS as SCAN_VARIANTS
from kernel_variants.scan.operation import OPERATION as SCAN
from tests.campaign.mutate import FUZZ
from tests.kernels.covering import other_values
from workbench.compile import HOST, Binary, Unit, build_units
from workbench.declare import Host, Operation, Setting, Shape, Variant
from workbench.dtypes import numpy_dtype
from workbench.execute.load import load
from workbench.execute.rounding import round_inputs

pytestmark = pytest.mark.sliced

VARIANTS = {v.key: v for v in (*SCAN_VARIANTS, *GATED_VARIANTS)}
OPERATIONS = {"scan": SCAN, "gated_scan": GATED_SCAN}
DTYPES = ("float32", "bfloat16")

Arrays = dict[str, Any]
every_variant = pytest.mark.parametrize("key", VARIANTS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def operation_of(variant: Variant) -> Operation:
    return OPERATIONS[variant.operation]


def make_inputs(variant: Variant, shape: Shape, regime: str, seed: int, with_h0: bool) -> Arrays:
    """Inputs in the dtypes in which they cross memory."""
    operation = operation_of(variant)
    values = dict(operation.make_inputs(shape, regime, np.random.default_rng(seed)))
    if not with_h0:
        del values["h0"]
    return round_inputs(operation.tensors(shape), values)


def execute(variant: Variant, shape: Shape, inputs: Arrays, chosen: dict[str, Setting] | None = None) -> Arrays:
    """One evaluation between guards, outputs poisoned before; a stray write raises GuardBroken."""
    plan = variant.plan(shape, {**variant.default_settings(), **(chosen or {})})
    bound = load(plan, operation_of(variant).tensors(shape), [inputs], shape.dtype, "cpu")
    try:
        bound.poison()
        bound.run()
        return bound.outputs()
    finally:
        bound.close()


def assert_right(variant: Variant, shape: Shape, inputs: Arrays, outputs: Arrays) -> None:
    """Within the operation's tolerance of the float64 reference.

    In problems as small as these two things are allowed for. A state can come out near zero as the difference of larger
    ones: it is held against the size of what went into it. And a few elements may be off by what storing the reference
    itself costs, up to 2^-8 in bf16. A sigma that should be 4e-44 is 9e-27 (include/exponential.hpp): in float32
    neither has digits to compare, and sizes start at 1e-19.
    """
    operation = operation_of(variant)
    wide = {name: np.asarray(array, dtype=np.float64) for name, array in inputs.items()}
    reference = operation.reference(shape, wide)
    typical = max(root_mean_square(a) for a in (reference["h"], wide.get("h0", np.zeros(1)), np.full(1, 1e-19)))
    for name, wanted in reference.items():
        stored = outputs[name].astype(np.float64)
        rounding = root_mean_square(wanted.astype(outputs[name].dtype).astype(np.float64) - wanted)
        bound = max(operation.tolerance[shape.dtype] * max(root_mean_square(wanted), typical), 1.1 * rounding)
        error = root_mean_square(stored - wanted)
        assert error <= bound, f"{variant.key} {shape}: {name} is {error / bound:.3g} times its bound off"


def root_mean_square(array: Any) -> float:
    return float(np.sqrt(np.mean(np.square(array))))


sizes = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 150))


@every_variant
@every_dtype
@settings(max_examples=8 if FUZZ == 1 else 20, deadline=None)
@given(size=sizes, regime=st.sampled_from(SCAN.regimes), with_h0=st.booleans(), seed=st.integers(0, 2**16))
def test_agrees_with_the_reference(
    key: str, dtype: str, size: tuple[int, int, int], regime: str, with_h0: bool, seed: int
) -> None:
    variant, (B, T, H) = VARIANTS[key], size
    shape = Shape.of(dtype, B=B, T=T, H=H)
    inputs = make_inputs(variant, shape, regime, seed, with_h0)
    assert_right(variant, shape, inputs, execute(variant, shape, inputs))


@every_variant
@every_dtype
@pytest.mark.parametrize("size", [(1, 9, 1100), (3, 5, 4096), (2, 4, 5000), (1, 4097, 33)], ids=str)
def test_agrees_with_the_reference_where_rows_are_cut(key: str, dtype: str, size: tuple[int, int, int]) -> None:
    """Slices: more channels than one holds, fewer sequences than threads; and a long time."""
    variant, (B, T, H) = VARIANTS[key], size
    shape = Shape.of(dtype, B=B, T=T, H=H)
    inputs = make_inputs(variant, shape, "slow", 5, True)
    assert_right(variant, shape, inputs, execute(variant, shape, inputs))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="other machines keep subnormals")
@pytest.mark.parametrize("key", [key for key, variant in VARIANTS.items() if "slice" in variant.default_settings()])
@pytest.mark.parametrize("size", [(2, 60, 33), (3, 60, 5000)], ids=str)
def test_a_fading_state_is_zero_below_the_normal_numbers(key: str, size: tuple[int, int, int]) -> None:
    """A core takes hundreds of cycles per operation on what lies between; and nothing else of the process changes."""
    variant, (B, T, H) = VARIANTS[key], size
    shape = Shape.of("float32", B=B, T=T, H=H)
    inputs = make_inputs(variant, shape, "normal", 3, True)
    if variant.operation == "scan":
        inputs = {
            "a": np.full_like(inputs["a"], 0.1),
            "b": np.zeros_like(inputs["b"]),
            "h0": np.ones_like(inputs["h0"]),
        }
    else:  # g(-60) is e^-60, and so is what is left of h0 a step
        inputs["kv"][:, :, 0], inputs["kv"][:, :, 1] = -5.0, -60.0
        inputs["h0"][:] = 1e-36
    h = execute(variant, shape, inputs)["h"]
    tiny = np.finfo(np.float32).tiny
    assert not ((h != 0) & (np.abs(h) < tiny)).any()
    if variant.operation == "scan":
        assert (h[:, 36] > 0).all() and (h[:, 37:] == 0).all()
    assert np.float32(tiny) * np.float32(0.5) != 0, "the process itself still has subnormals"


@every_variant
def test_every_setting_computes_the_same(key: str) -> None:
    variant, shape = VARIANTS[key], Shape.of("float32", B=2, T=11, H=1111)
    inputs = make_inputs(variant, shape, "normal", 6, True)
    default = execute(variant, shape, inputs)
    for name, value in other_values(variant):
        other = execute(variant, shape, inputs, {name: value})
        assert all(np.array_equal(default[output], other[output]) for output in default), (name, value)


@every_variant
@every_dtype
@settings(max_examples=10, deadline=None)
@given(size=sizes, cut=st.floats(0, 1), seed=st.integers(0, 2**16))
def test_split_and_carry_is_the_whole_to_the_last_bit(
    key: str, dtype: str, size: tuple[int, int, int], cut: float, seed: int
) -> None:
    variant, (B, T, H) = VARIANTS[key], size
    first = 1 + round(cut * (T - 1))
    inputs = make_inputs(variant, Shape.of(dtype, B=B, T=T + 1, H=H), "normal", seed, True)
    streams = [name for name in inputs if name != "h0"]
    whole = execute(variant, Shape.of(dtype, B=B, T=T + 1, H=H), inputs)
    parts, h0 = [], inputs["h0"]
    for start, stop in ((0, first), (first, T + 1)):
        part = {name: np.ascontiguousarray(inputs[name][:, start:stop]) for name in streams}
        outputs = execute(variant, Shape.of(dtype, B=B, T=stop - start, H=H), {**part, "h0": h0})
        parts.append(outputs["h"])
        h0 = outputs["h_last"]
    assert np.array_equal(np.concatenate(parts, axis=1), whole["h"])
    assert np.array_equal(h0, whole["h_last"])


@pytest.mark.parametrize("key", [key for key in VARIANTS if key != "scan/scalar"])
@every_dtype
@settings(max_examples=15, deadline=None)
@given(size=sizes, offset=st.integers(0, 31), seed=st.integers(0, 2**16))
def test_any_alignment_of_h_gives_the_same_bits(
    key: str, dtype: str, size: tuple[int, int, int], offset: int, seed: int
) -> None:
    """h starts anywhere in a line: its ends then go through ordinary stores, and canaries stand at both of them."""
    variant, (B, T, H) = VARIANTS[key], size
    shape = Shape.of(dtype, B=B, T=T, H=H)
    inputs = make_inputs(variant, shape, "normal", seed, True)
    aligned = execute(variant, shape, inputs)

    item = numpy_dtype(dtype)
    memory = np.full(B * T * H * item.itemsize + 3 * 64 + 32 * item.itemsize, 0xC5, np.uint8)
    start = -memory.ctypes.data % 64 + 64 + offset * item.itemsize
    stop = start + B * T * H * item.itemsize
    h_last = np.full((B, H), np.nan, np.float32)
    call(variant, shape, inputs, memory[start:stop], h_last)
    assert (memory[:start] == 0xC5).all() and (memory[stop:] == 0xC5).all()
    assert np.array_equal(memory[start:stop].view(item).reshape(B, T, H), aligned["h"])
    assert np.array_equal(h_last, aligned["h_last"])


@every_variant
@every_dtype
@pytest.mark.parametrize("payload", [0x7FC00000, 0xFFFFFFFF, 0x7F800001], ids=hex)
def test_a_nan_that_comes_in_comes_out(key: str, dtype: str, payload: int) -> None:
    """From its step on, in its channel, and nowhere else. Poison must not be taken for a number."""
    variant, shape = VARIANTS[key], Shape.of(dtype, B=1, T=6, H=40)
    inputs = make_inputs(variant, shape, "normal", 8, True)
    bits = np.uint32(payload) if dtype == "float32" or variant.operation == "scan" else np.uint16(payload >> 16 | 1)
    for name in [name for name in inputs if name != "h0"]:
        for half in range(2) if name == "kv" else (None,):
            spoilt = {**inputs, name: inputs[name].copy()}
            at = (0, 3, 17) if half is None else (0, 3, half, 17)
            spoilt[name].view(bits.dtype)[at] = bits
            outputs = execute(variant, shape, spoilt)
            wanted = np.zeros((1, 6, 40), dtype=bool)
            wanted[0, 3:, 17] = True
            assert np.array_equal(np.isnan(outputs["h"].astype(np.float32)), wanted), (name, half)
            assert np.array_equal(np.isnan(outputs["h_last"]), wanted[:, -1])


@pytest.mark.parametrize("key", [v.key for v in GATED_VARIANTS])
@pytest.mark.parametrize("size", [100.0, 1e4, 1e30, np.inf], ids=str)
def test_logits_of_any_size_are_sound(key: str, size: float) -> None:
    """k = ±size lets the state through or replaces it; v = -size makes the candidate 0."""
    variant, shape = VARIANTS[key], Shape.of("float32", B=1, T=1, H=4)
    kv = np.array([[-size, size, -size, size], [0.25, 0.25, -size, -size]], dtype=np.float32).reshape(1, 1, 2, 4)
    outputs = execute(variant, shape, {"kv": kv, "h0": np.full((1, 4), 3.0, np.float32)})
    assert np.array_equal(outputs["h"][0, 0, :3], np.float32([3.0, 0.75, 3.0]))
    assert 0 <= outputs["h"][0, 0, 3] < 1e-25


@pytest.mark.parametrize("key", [key for key in VARIANTS if key != "scan/scalar"])
@every_dtype
def test_the_plain_form_for_other_machines_is_right(key: str, dtype: str) -> None:
    """What is compiled where there is neither AVX nor SSE: four lanes, no intrinsics."""
    variant, shape = VARIANTS[key], Shape.of(dtype, B=2, T=13, H=77)
    inputs = make_inputs(variant, shape, "slow", 9, True)
    h = np.full((2, 13, 77), np.nan, numpy_dtype(dtype))
    h_last = np.full((2, 77), np.nan, np.float32)
    call(variant, shape, inputs, h, h_last, ("PLAIN_VECTORS", 1))
    assert_right(variant, shape, inputs, {"h": h, "h_last": h_last})
    for name in [name for name in inputs if name != "h0"]:
        inputs[name].reshape(-1)[5] = np.nan  # of k, a or b
        call(variant, shape, inputs, h, h_last, ("PLAIN_VECTORS", 1))
        assert np.isnan(h[0, :, 5].astype(np.float32)).all() and np.isnan(h_last[0, 5])


def call(variant: Variant, shape: Shape, inputs: Arrays, h: Any, h_last: Any, *defines: tuple[str, Setting]) -> None:
    """The variant's function on arrays of the caller's choice, where it wants them."""
    (step,) = variant.plan(shape, variant.default_settings()).steps
    assert isinstance(step, Host)
    arrays = {**inputs, "h": h, "h_last": h_last}
    pointers = [ctypes.c_void_p(arrays[a].ctypes.data) for a in step.arguments if isinstance(a, str)]
    counts = [ctypes.c_longlong(a) for a in step.arguments if isinstance(a, int)]
    library(Unit(step.source, shape.dtype, (*step.defines, *defines), HOST))[step.function](*pointers, *counts)


@cache
def library(unit: Unit) -> ctypes.CDLL:
    binary = build_units([unit])[unit]
    assert isinstance(binary, Binary), binary.message
    return ctypes.CDLL(str(binary.path))
