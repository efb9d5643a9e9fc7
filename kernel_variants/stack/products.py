"""What torch does of a tile (a layer, a block of time): its library products, and copies between a block and all of
time. Tensors in slots are flat here: a tile's rows begin at `first`, sequence after sequence. A sum of products is
rounded once where a CPU multiplies float32 copies of bf16 (gate/products.py); a GPU's library adds to what is there.
"""

from __future__ import annotations

from typing import Any

from kernel_variants.gate.products import add_product, widened

Times = tuple[int, int]
"""The first step of a block, and that after its last."""


def _rows(held: Any, first: int, count: int) -> Any:
    return held.view(-1, held.shape[-1])[first : first + count]


def _sources(x: Any, h: Any, times: Times, sources: tuple[int, ...]) -> tuple[Any, ...]:
    """What a layer sees: of the lowest one, which has no `sources`, x (copied where the block is a part of several
    sequences); of the others the states of each direction of the one below."""
    begin, end = times
    if not sources:
        return (x[:, begin:end].reshape(-1, x.shape[-1]),)
    return tuple(_rows(h, first, x.shape[0] * (end - begin)) for first in sources)


def _summed(held: Any) -> Any:
    """Where sums of products that `held` is to have are made: there, or beside it in float32."""
    import torch

    wide = widened(held) is not held
    return torch.empty(held.shape, device=held.device) if wide else held


def _rounded(out: Any, held: Any) -> None:
    if out is not held:
        held.copy_(out)


def pre_activations(
    x: Any, h: Any, w: Any, bias: Any, kv: Any, cell: tuple[int, int], times: Times, sources: tuple[int, ...], to: int
) -> None:
    """kv of one layer and direction, `cell`."""
    import torch

    seen = _sources(x, h, times, sources)
    columns = w[cell].flatten(0, 1).split(seen[0].shape[1], 1)
    held = kv.view(-1, columns[0].shape[0])[to : to + seen[0].shape[0]]
    out, offset = _summed(held), widened(bias[cell].flatten())
    torch.addmm(offset, widened(seen[0]), widened(columns[0]).T, out=out)
    for rows, more in zip(seen[1:], columns[1:], strict=True):
        out.addmm_(widened(rows), widened(more).T)
    _rounded(out, held)


def weight_gradients(
    x: Any, h: Any, dkv: Any, dw: Any, dbias: Any, cell: tuple[int, int], times: Times, sources: tuple[int, ...],
    of: int, more: bool,
) -> None:  # fmt: skip
    """dw and dbias of one layer and direction, float32; with `more` added to what other blocks have left there."""
    seen = _sources(x, h, times, sources)
    flat = dw[cell].flatten(0, 1)
    gradient = dkv.view(-1, flat.shape[0])[of : of + seen[0].shape[0]]
    columns = widened(gradient).T
    for rows, out in zip(seen, flat.split(seen[0].shape[1], 1), strict=True):
        add_product(columns, widened(rows), out, more)
    total, sums = dbias[cell].flatten(), gradient.sum(0, dtype=dbias.dtype)
    total.add_(sums) if more else total.copy_(sums)


def input_gradient(
    dkv: Any, w: Any, g: Any, layer: int, rows: int, sources: tuple[int, ...], to: tuple[int, ...]
) -> None:
    """The gradient of what a layer sees, for each direction of the one below."""
    import torch

    width = g.shape[-1]
    for half, first in enumerate(to):
        held = _rows(g, first, rows)
        out = _summed(held)
        for direction, of in enumerate(sources):
            columns = widened(w[layer, direction].flatten(0, 1)[:, half * width : (half + 1) * width])
            gradient = widened(dkv.view(-1, columns.shape[0])[of : of + rows])
            out.addmm_(gradient, columns) if direction else torch.mm(gradient, columns, out=out)
        _rounded(out, held)


def lowest_input_gradient(dkv: Any, w: Any, dx: Any, times: Times, sources: tuple[int, ...]) -> None:
    """The same of the lowest layer: that of x, copied where the block is a part of several sequences."""
    import torch

    part = dx[:, slice(*times)]
    size = part.shape[0] * part.shape[1], part.shape[2]
    held = part.view(size) if part.is_contiguous() else torch.empty(size, dtype=dx.dtype, device=dx.device)
    out = _summed(held)
    for direction, of in enumerate(sources):
        columns = widened(w[0, direction].flatten(0, 1))
        gradient = widened(dkv.view(-1, columns.shape[0])[of : of + size[0]])
        out.addmm_(gradient, columns) if direction else torch.mm(gradient, columns, out=out)
    if out.data_ptr() != part.data_ptr():
        part.copy_(out.view(part.shape))


def block_of(x: Any, seen: Any, times: Times) -> None:
    """A block of x beside itself: for a kernel, which knows of no other times between its sequences."""
    begin, end = times
    _rows(seen, 0, x.shape[0] * (end - begin)).copy_(x[:, begin:end].reshape(-1, x.shape[-1]))


def to_all_of_time(h: Any, y: Any, times: Times, direction: int, of: int) -> None:
    """The uppermost layer's states of a block into y (B, T, directions, H)."""
    begin, end = times
    part = y[:, begin:end, direction]
    part.copy_(_rows(h, of, part.shape[0] * part.shape[1]).view(part.shape))


def from_all_of_time(gy: Any, g: Any, times: Times, direction: int, to: int) -> None:
    """The same the other way, of gradients."""
    begin, end = times
    part = gy[:, begin:end, direction]
    _rows(g, to, part.shape[0] * part.shape[1]).view(part.shape).copy_(part)
