"""Idea: a program per row scans a block at a time with Triton's associative scan, and carries the last state on."""

import triton
import triton.language as tl


@triton.jit
def compose(a1, b1, a2, b2):
    """First h = a1 h + b1, then h = a2 h + b2."""
    return a1 * a2, a2 * b1 + b2


@triton.jit
def row_scan(a, b, h, length, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * length
    place = tl.arange(0, BLOCK)
    state = 0.0
    for first in range(0, length, BLOCK):
        t = first + place
        inside = t < length
        decay = tl.load(a + row + t, mask=inside, other=1.0)  # past the end: the state stays what it is
        value = tl.load(b + row + t, mask=inside, other=0.0).to(tl.float32)
        product, local = tl.associative_scan((decay, value), 0, compose)
        out = local + product * state
        tl.store(h + row + t, out.to(h.dtype.element_ty), mask=inside)
        state = tl.sum(tl.where(place == BLOCK - 1, out, 0.0), 0)
