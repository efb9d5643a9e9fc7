"""Plain loads that race with nobody: what they bring is what an atomicCAS at the same place is then to find there.

`old = *p; do … while ((old = atomicCAS(p, was = old, …)) != was)` is how everybody writes an atomic operation that the
hardware lacks, the CUDA C++ Programming Guide first, in its chapter on atomic functions. By the letter of the memory
model the load is weak and a race; a value that another thread has changed meanwhile only costs one more turn.
"""

from __future__ import annotations

from workbench.simulate.program import Order, Scope
from workbench.simulate.ptx.draft import Draft, Operand


def relax(drafts: list[Draft]) -> None:
    """Makes such loads relaxed ones."""
    moved: dict[Operand, list[Operand]] = {}
    for draft in drafts:
        if draft.form in ("mov.b32", "mov.b64"):
            moved.setdefault(draft.operands[0], []).append(draft.operands[1])
    for swap in drafts:
        if swap.form is None or not swap.form.startswith("atomic.cas."):
            continue
        brought = _behind(swap.operands[2], moved)
        for load in drafts:
            plain = load.form == "load" and load.order == Order.WEAK and load.elements == 1 and load.variant == 0
            if plain and _place(load) == _place(swap) and load.operands[1] in brought:
                load.order, load.scope = Order.RELAXED, Scope.DEVICE


def _behind(operand: Operand, moved: dict[Operand, list[Operand]]) -> set[Operand]:
    """The register and all that are moved into it."""
    found, waiting = {operand}, [operand]
    while waiting:
        for source in moved.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _place(draft: Draft) -> tuple[Operand, int, int]:
    return draft.operands[0], draft.immediate, draft.bytes
