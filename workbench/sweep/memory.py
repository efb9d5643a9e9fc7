"""Whether a case fits, found out before anything is allocated."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil

from workbench.check.case import checked_sets, timed_sets
from workbench.check.case_memory import case_bytes
from workbench.declare import Operation, Shape, Variant
from workbench.declared import DeclarationError
from workbench.problem import Problem

USABLE = 0.8
"""Share of the free memory that a sweep may take: the rest is for the reference's own intermediates and the system."""

CHECKED_AT_ONCE = 4
"""Most variants that share a GPU while no clock is running."""


def bytes_of_variant(variant: Variant, operation: Operation, shape: Shape, sets: int) -> int:
    """What a worker holds for one variant: every set's tensors, and its scratch, in bytes."""
    tensors = sum(t.nbytes for t in operation.tensors(shape))
    scratch = 0
    with contextlib.suppress(DeclarationError):  # it will hold nothing: its worker gets as far as this
        scratch = sum(t.nbytes for t in variant.plan(shape, variant.default_settings()).scratch)
    return sets * (tensors + scratch)


def require_fit(operation: Operation, shape: Shape) -> None:
    """Problem where the case cannot be had at all: its inputs and references, one variant, what that hands over, and
    the float64 copies that the reference works on."""
    tensors = operation.tensors(shape)
    sets = len(timed_sets(operation, shape))
    needed = case_bytes(operation, shape, sets + max(1, len(checked_sets(operation))))
    needed += (sets + 1) * sum(t.nbytes for t in tensors) + 8 * sum(t.elements for t in tensors)
    free = psutil.virtual_memory().available
    if needed > USABLE * free:
        raise Problem(
            f"{operation.key} at {shape} needs {gigabytes(needed)} of memory and {gigabytes(int(USABLE * free))} "
            f"may be used here ({gigabytes(free)} are free); take smaller sizes"
        )


def group_size(variants: Sequence[Variant], operation: Operation, shape: Shape, sets: int, free: int) -> int:
    """How many variants can be held at once, at least two: those that are timed against each other."""
    largest = max(bytes_of_variant(v, operation, shape, sets) for v in variants)
    return max(2, int(USABLE * free / max(largest, 1)))


def checks_at_once(variants: Sequence[Variant], operation: Operation, shape: Shape, free: int) -> int:
    """How many variants are checked side by side on a GPU, where most of a check is the host's: contexts, compilers,
    comparisons. Each binds one more set for a moment, out of half of what the group leaves free."""
    one = max(bytes_of_variant(v, operation, shape, 1) for v in variants)
    return max(1, min(CHECKED_AT_ONCE, int((1 - USABLE) / 2 * free / max(one, 1))))


def gigabytes(count: int) -> str:
    return f"{count / 1e9:,.2f} GB"
