"""Which cases of a variant are executed: pairs of all that varies, greedily few, and of those a slice."""

from __future__ import annotations

import functools
import itertools
import operator
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tests.campaign.mutate import FUZZ
from tests.kernels.executed import SCHEDULES, Case, catalog
from workbench.declare import Call, Host, Kernel, Setting, Shape, Variant
from workbench.steps import leaves_of

ORDERS = tuple(SCHEDULES)
SLICE = 12
"""One of so many cases is run by `make test`, all of them by `make fuzz`."""

One = TypeVar("One")


def pairwise(factors: Mapping[str, Sequence[Any]], allowed: Any = None, seed: int = 0) -> list[dict[str, Any]]:
    """Rows that hold every allowed pair of values of every two factors, greedily few.

    `allowed(row)` refuses rows (a problem too large); a pair that no allowed row holds is left out.
    """

    def row_of(at: tuple[int, ...]) -> dict[str, Any]:
        return {name: values[place] for (name, values), place in zip(factors.items(), at, strict=True)}

    sizes = tuple(len(values) for values in factors.values())
    rows = (at for at in itertools.product(*map(range, sizes)) if allowed is None or allowed(row_of(at)))
    return [row_of(at) for at in _greedily(sizes, tuple(rows), seed)]


@functools.cache  # most variants of an operation refuse the same rows
def _greedily(sizes: tuple[int, ...], allowed: tuple[tuple[int, ...], ...], seed: int) -> list[tuple[int, ...]]:
    """Which of the rows hold all pairs; a row is the place of its value in each factor."""
    choose = random.Random(seed)
    places = [(i, value) for i, size in enumerate(sizes) for value in range(size)]
    pairs = [(p, q) for p, q in itertools.combinations(places, 2) if p[0] != q[0]]
    bit = {pair: 1 << n for n, pair in enumerate(pairs)}  # sets of pairs as bits: a hundred thousand rows are weighed
    rows = [(at, sum(bit[pair] for pair in itertools.combinations(enumerate(at), 2))) for at in allowed]
    choose.shuffle(rows)
    missing = functools.reduce(operator.or_, (held for _, held in rows), 0)
    chosen = []
    while missing:
        sample = [one for one in choose.sample(rows, min(len(rows), 300)) if one[1] & missing] or rows
        row, held = max(sample, key=lambda one: (one[1] & missing).bit_count())
        missing &= ~held
        chosen.append(row)
    return chosen


def covering(
    variant: Variant,
    sizes: Mapping[str, Sequence[int]],
    largest: int,
    orders: Sequence[str] = ORDERS,
    dtypes: Sequence[str] = ("float32", "bfloat16"),
    seed: int = 0,
) -> list[Case]:
    """Cases of a variant at its default settings: every pair of sizes, dtype, regime, schedule and presence of the
    optional inputs, as far as the product of the sizes stays within `largest`; of each dtype a slice of them."""
    operation = catalog().operation(variant.operation_key)
    example = operation.tensors(Shape.of(**dict.fromkeys(sizes, 1)))
    optional = tuple(t.name for t in example if t.optional)
    factors: dict[str, Sequence[Any]] = {
        **sizes,
        "dtype": dtypes,
        "regime": operation.regimes,
        "order": orders,
        "absent": ((), optional) if optional else ((),),
    }

    def small_enough(row: Mapping[str, Any]) -> bool:
        elements = 1
        for axis in sizes:
            elements *= row[axis]
        return elements <= largest and variant.supports(_shape(row, sizes)) is None

    rows = pairwise(factors, small_enough, seed)
    rows = [row for dtype in dtypes for row in sliced([r for r in rows if r["dtype"] == dtype], variant.key)]
    return [Case(variant.key, _shape(r, sizes), r["regime"], r["order"], r["absent"]) for r in rows]


def other_settings(variant: Variant, shape: Shape) -> list[Case]:
    """A case for each value of a setting that is not the default; a slice of them."""
    return [Case(variant.key, shape, settings=(one,)) for one in other_values(variant)]


def other_values(variant: Variant) -> list[tuple[str, Setting]]:
    """Values of settings that are not the default, a slice of them: each is something to compile."""
    every = [(name, value) for name, values in variant.settings.items() for value in values[1:]]
    return sliced(every, variant.key)


def sliced(every: Sequence[One], key: str, of: int = SLICE) -> list[One]:
    """One of so many of them (at least one), others for another key; all where WORKBENCH_FUZZ asks for it."""
    if FUZZ > 1:
        return list(every)
    return list(every[zlib.crc32(key.encode()) % max(1, min(of, len(every))) :: of])


def of_kind(operation: str, kind: type[Kernel] | type[Host] | type[Call]) -> list[Variant]:
    """The operation's variants by what does the work in them: CUDA kernels, host functions, or torch alone. Peers
    have tests of their own."""
    shape = Shape.of(**catalog().operation(operation).small)
    found = []
    for variant in catalog().select([operation], passes=["forward"]):
        if variant.factors.get("peer") == "yes":
            continue
        steps = list(leaves_of(variant.plan(shape, variant.default_settings()).steps))
        worker = next((k for k in (Kernel, Host, Call) if any(isinstance(step, k) for step in steps)), None)
        if worker is kind:
            found.append(variant)
    return found


def _shape(row: Mapping[str, Any], sizes: Mapping[str, Sequence[int]]) -> Shape:
    return Shape.of(row["dtype"], **{axis: row[axis] for axis in sizes})
